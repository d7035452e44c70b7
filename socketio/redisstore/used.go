package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// Used remembers which ids were used, for processes that together must accept
// none twice: it is a dpop.Cache and a [socketio.UsedIDs]. It is safe for concurrent
// use.
type Used struct {
	client  redis.UniversalClient
	prefix  string
	checked atomic.Int64 // when the eviction policy was last asked for, in Unix seconds
}

var _ socketio.UsedIDs = (*Used)(nil)

// policyEvery is how often the eviction policy is asked for, in seconds.
const policyEvery = 60

// NewUsed makes one from a client, which the caller closes, and a prefix of its keys,
// such as "chat:proofs:". Each id is a key that expires.
//
// An id that Redis evicts before its time is good again. NewUsed returns an error
// wrapping [socketio.ErrStoreMisconfigured] if Redis answers within a second and has
// another maxmemory-policy than noeviction; so does Add, which asks once a minute.
func NewUsed(client redis.UniversalClient, prefix string) (*Used, error) {
	if isNil(client) {
		return nil, errors.New("redisstore: NewUsed: the client is nil")
	}
	if prefix == "" {
		return nil, errors.New("redisstore: NewUsed: the prefix is empty")
	}
	u := &Used{client: client, prefix: prefix}
	if err := u.checkPolicy(); err != nil {
		return nil, fmt.Errorf("redisstore: NewUsed: %w", err)
	}
	return u, nil
}

// checkPolicy asks for the eviction policy if it was not asked for in the last minute.
func (u *Used) checkPolicy() error {
	now, last := time.Now().Unix(), u.checked.Load()
	if now-last < policyEvery || !u.checked.CompareAndSwap(last, now) {
		return nil
	}
	err := checkPolicy(u.client, noneOf("allkeys-", "volatile-"))
	if err != nil {
		u.checked.Store(0) // ask again next time
	}
	return err
}

// Add notes an id until a time, and reports whether it is new. The time is this
// process's: what Redis is told is how long that is from now.
func (u *Used) Add(ctx context.Context, id string, until time.Time) (bool, error) {
	if err := u.checkPolicy(); err != nil {
		return false, fmt.Errorf("redisstore: %w", err)
	}
	keep := max(time.Until(until), 0) + time.Second // so that rounding never makes it less
	added, err := u.client.SetNX(ctx, u.prefix+id, 1, keep).Result()
	if err != nil {
		return false, fmt.Errorf("redisstore: %w", err)
	}
	return added, nil
}
