// Package redisstore shares the revocations of a socketio.Registry between
// processes through Redis: [New] makes the Store of its RegistryOptions.
//
// The revocations are a sorted set whose scores are their expiry, and a channel
// tells of new ones. Every process keeps them all in memory, so that no token
// costs a round trip, and reads the whole set again whenever it has lost the
// link: what was revoked meanwhile is then applied. Redis may lose its memory,
// too: each process puts back what it knows.
package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// heartbeat is how long the channel may be silent before Redis is asked whether
// it is still there, and how long it may take to answer: a link that is dead
// without having been closed is noticed within twice that.
const heartbeat = 5 * time.Second

// Store is a [socketio.RevocationStore] in Redis. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	key    string // of the set, and the name of the channel
}

var _ socketio.RevocationStore = (*Store)(nil)

// New makes a store of a client, which stays the caller's to close, and of the
// key of the sorted set, such as "chat:revocations", which is the name of the
// channel too. Processes with the same key share their revocations: whoever may
// write it can end sessions, and whoever may delete from it can not bring any
// back.
func New(client redis.UniversalClient, key string) (*Store, error) {
	if client == nil {
		return nil, errors.New("redisstore: New: the client is nil")
	}
	if key == "" {
		return nil, errors.New("redisstore: New: the key is empty")
	}
	return &Store{client: client, key: key}, nil
}

// Put stores a revocation and publishes it, in one transaction. What has expired
// is dropped on the occasion.
func (s *Store) Put(ctx context.Context, r socketio.Revocation) error {
	member, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	_, err = s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRemRangeByScore(ctx, s.key, "-inf", "("+seconds(time.Now()))
		p.ZAdd(ctx, s.key, redis.Z{Score: float64(r.Expires.Unix()), Member: member})
		p.Publish(ctx, s.key, member)
		return nil
	})
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return nil
}

// Follow subscribes to the channel, reads the set, and then listens.
func (s *Store) Follow(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
	// The subscription comes first: what is put while the set is read comes
	// through the channel.
	sub := s.client.Subscribe(ctx, s.key)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })() // ends a read
	if _, err := sub.ReceiveTimeout(ctx, heartbeat); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	members, err := s.client.ZRangeByScore(ctx, s.key, &redis.ZRangeBy{Min: seconds(time.Now()), Max: "+inf"}).Result()
	if err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	for _, m := range members {
		if err := decode(m, apply); err != nil {
			return err
		}
	}
	synced()
	silent := false
	for {
		message, err := sub.ReceiveTimeout(ctx, heartbeat)
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout() && !silent && ctx.Err() == nil:
			silent = true
			if err := sub.Ping(ctx); err != nil {
				return fmt.Errorf("redisstore: %w", err)
			}
			continue
		default:
			// The client would connect again by itself, and nobody would know
			// what was published meanwhile.
			return fmt.Errorf("redisstore: %w", err)
		}
		silent = false
		if m, ok := message.(*redis.Message); ok {
			if err := decode(m.Payload, apply); err != nil {
				return err
			}
		}
	}
}

// decode applies a member of the set. One that cannot be read is an error: who
// was revoked by it is not known.
func decode(member string, apply func(socketio.Revocation)) error {
	var r socketio.Revocation
	if err := json.Unmarshal([]byte(member), &r); err != nil {
		return fmt.Errorf("redisstore: a member of the set is no revocation: %w", err)
	}
	apply(r)
	return nil
}

// seconds is a score: the expiry rounded down, so that a member is dropped up to
// a second late and never early.
func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
