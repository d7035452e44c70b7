package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// KeySets shares the key sets that processes fetched, so that each is fetched once for
// all, and a process that starts while the issuer is down has its keys: it is a
// jwks.Store. It is safe for concurrent use.
//
// Anyone who can write to Redis chooses the keys, and so can sign any token. Give
// KeySets a Redis that nobody else writes to.
type KeySets struct {
	client redis.UniversalClient
	prefix string
}

// NewKeySets makes one from a client, which the caller closes, and the prefix of its
// keys, such as "chat:jwks:". Each set is a key that expires, named by a hash of its URL.
// Redis may evict it: it is then fetched again.
func NewKeySets(client redis.UniversalClient, prefix string) (*KeySets, error) {
	if isNil(client) {
		return nil, errors.New("redisstore: NewKeySets: the client is nil")
	}
	if prefix == "" {
		return nil, errors.New("redisstore: NewKeySets: the prefix is empty")
	}
	return &KeySets{client: client, prefix: prefix}, nil
}

// key names the set of a URL, whose query may hold a credential.
func (k *KeySets) key(url string) string {
	sum := sha256.Sum256([]byte(url))
	return k.prefix + hex.EncodeToString(sum[:16])
}

// Load returns the value last saved for the URL, nil if there is none.
func (k *KeySets) Load(ctx context.Context, url string) ([]byte, error) {
	value, err := k.client.Get(ctx, k.key(url)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	return value, nil
}

// Save keeps the value for that time.
func (k *KeySets) Save(ctx context.Context, url string, value []byte, keep time.Duration) error {
	if err := k.client.Set(ctx, k.key(url), value, max(keep, time.Millisecond)).Err(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}
