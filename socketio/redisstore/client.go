package redisstore

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// policyTimeout bounds the question about the eviction policy in constructors.
const policyTimeout = time.Second

// isNil reports whether the client is nil, or a nil pointer in the interface.
func isNil(client redis.UniversalClient) bool {
	if client == nil {
		return true
	}
	v := reflect.ValueOf(client)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// channelOf returns the name of a key's channel: the key, as a hash tag unless it
// has one, so that a cluster has both on one node, and the number of the database,
// since channels belong to no database. A Redis Cluster has only the number 0.
func channelOf(client redis.UniversalClient, key string) string {
	db := 0
	if c, ok := client.(*redis.Client); ok {
		db = c.Options().DB
	}
	if !strings.Contains(key, "{") {
		key = "{" + key + "}"
	}
	return fmt.Sprintf("%s@%d", key, db)
}

// noneOf returns a function that refuses eviction policies by their prefix. What
// Redis does not tell is accepted.
func noneOf(prefixes ...string) func(policy string) error {
	return func(policy string) error {
		for _, p := range prefixes {
			if strings.HasPrefix(policy, p) {
				return fmt.Errorf("%w: the maxmemory-policy of Redis is %s, which may evict what must not be lost: expected noeviction",
					socketio.ErrStoreMisconfigured, policy)
			}
		}
		return nil
	}
}

// checkPolicy asks Redis for its eviction policy and returns what check says. It
// returns nil if Redis does not answer.
func checkPolicy(client redis.UniversalClient, check func(policy string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), policyTimeout)
	defer cancel()
	info, err := client.Info(ctx, "memory").Result()
	if err != nil {
		return nil
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
			return check(policy)
		}
	}
	return nil
}

// watchClient returns a client for checks: to the same server as the given one, and
// with connections that are made anew from time to time, since only then a client
// that asks Sentinels for the server asks again.
func watchClient(client redis.UniversalClient) redis.UniversalClient {
	c, ok := client.(*redis.Client)
	if !ok {
		return client // a cluster's nodes tell when a slot has moved
	}
	o := *c.Options()
	o.PoolSize, o.MinIdleConns, o.MaxIdleConns, o.MaxActiveConns = 1, 0, 1, 0
	o.ConnMaxLifetime, o.MaxRetries = 4*checkEvery, -1
	o.DisableIdentity, o.MaintNotificationsConfig = true, &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = answerTimeout, answerTimeout, answerTimeout
	return redis.NewClient(&o)
}

// subscription is a subscription with its own client, to the same server as the given
// one. Close closes both.
type subscription struct {
	*redis.PubSub
	client redis.UniversalClient // nil for the client that was given
}

// subscribe speaks RESP2: with RESP3 go-redis v9.17 looks at the name of each message
// before it reads it, and drops a message whose name its buffer has only in part.
func subscribe(ctx context.Context, client redis.UniversalClient, channels ...string) *subscription {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	var own redis.UniversalClient
	switch c := client.(type) {
	case *redis.Client:
		o := *c.Options()
		o.Protocol, o.MinIdleConns, o.DisableIdentity, o.MaintNotificationsConfig = 2, 0, true, quiet
		own = redis.NewClient(&o)
	case *redis.ClusterClient:
		o := *c.Options()
		o.Protocol, o.MinIdleConns, o.DisableIdentity, o.MaintNotificationsConfig = 2, 0, true, quiet
		own = redis.NewClusterClient(&o)
	default:
		return &subscription{PubSub: client.Subscribe(ctx, channels...)}
	}
	return &subscription{own.Subscribe(ctx, channels...), own}
}

func (s *subscription) Close() error {
	err := s.PubSub.Close()
	if s.client != nil {
		_ = s.client.Close()
	}
	return err
}

// scan reads the answer of a script: strings, and whole numbers.
func scan(answer []any, into ...any) error {
	if len(answer) != len(into) {
		return fmt.Errorf("the script returned %d values: expected %d", len(answer), len(into))
	}
	for i, v := range answer {
		text := fmt.Sprint(v)
		var err error
		switch to := into[i].(type) {
		case *string:
			*to = text
		case *int:
			*to, err = strconv.Atoi(text)
		case *int64:
			*to, err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			return fmt.Errorf("the script returned %q: expected a number", text)
		}
	}
	return nil
}
