package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// Counter counts failures for processes that share their limits: it is a
// [socketio.FailureCounter]. It is safe for concurrent use.
type Counter struct {
	client redis.UniversalClient
	prefix string
}

var _ socketio.FailureCounter = (*Counter)(nil)

// NewCounter makes one from a client, which the caller closes, and a prefix of its
// keys, such as "chat:failures:". Each key lives for a minute.
func NewCounter(client redis.UniversalClient, prefix string) (*Counter, error) {
	switch {
	case isNil(client):
		return nil, errors.New("redisstore: NewCounter: the client is nil")
	case prefix == "":
		return nil, errors.New("redisstore: NewCounter: the prefix is empty")
	}
	return &Counter{client: client, prefix: prefix}, nil
}

// countScript adds to a key that lives for a minute from its first use.
var countScript = redis.NewScript(`
local n = redis.call('INCRBY', KEYS[1], ARGV[1])
if n == tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], 60000) end
return n`)

// Add adds n failures of a key to those of the last minute.
func (c *Counter) Add(ctx context.Context, key string, n int) (int, error) {
	total, err := countScript.Run(ctx, c.client, []string{c.prefix + key}, n).Int()
	if err != nil {
		return 0, fmt.Errorf("redisstore: count: %w", err)
	}
	return total, nil
}
