package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Used remembers which ids were used, for processes that together must accept
// none twice: it is a dpop.Cache. It is safe for concurrent use.
type Used struct {
	client redis.UniversalClient
	prefix string
}

// NewUsed makes one of a client, which stays the caller's to close, and of a
// prefix of its keys, such as "chat:proofs:". Each id is a key that expires, so
// that Redis should evict none before its time: a proof that is forgotten is good
// again.
func NewUsed(client redis.UniversalClient, prefix string) (*Used, error) {
	if client == nil {
		return nil, errors.New("redisstore: NewUsed: the client is nil")
	}
	if prefix == "" {
		return nil, errors.New("redisstore: NewUsed: the prefix is empty")
	}
	return &Used{client: client, prefix: prefix}, nil
}

// Add notes an id until a time, and reports whether it is new. The time is this
// process's: what Redis is told is how long that is from now.
func (u *Used) Add(ctx context.Context, id string, until time.Time) (bool, error) {
	keep := max(time.Until(until), 0) + time.Second // so that rounding never makes it less
	added, err := u.client.SetNX(ctx, u.prefix+id, 1, keep).Result()
	if err != nil {
		return false, fmt.Errorf("redisstore: %w", err)
	}
	return added, nil
}
