package redisstore_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

var _ jwks.Store = (*redisstore.KeySets)(nil)

// TestKeySets: processes share what one of them fetched, one that starts while the
// issuer is down has its keys, and without Redis each fetches for itself.
func TestKeySets(t *testing.T) {
	server := startRedis(t)
	issuer := verifiertest.NewIssuer("https://issuer.test/")
	clock := verifiertest.NewClock(time.Now())
	saved := make(chan string, 100)
	start := func() (*verifier.Verifier, *redis.Client) { // a process
		client := redis.NewClient(&redis.Options{Addr: server.Address(), MaxRetries: -1, DialerRetries: 1})
		t.Cleanup(func() { client.Close() })
		client.AddHook(savedHook{saved})
		sets, err := redisstore.NewKeySets(client, "test:jwks:")
		if err != nil {
			t.Fatal(err)
		}
		p := verifier.Must(jwks.OIDC(issuer.URL(), jwks.HTTPClient(issuer.Client()), jwks.WithStore(sets), jwks.WithClock(clock.Now), jwks.WithLogger(slog.New(slog.DiscardHandler))))
		return verifier.Must(verifier.New(p, verifier.IgnoreExpiration())), client
	}
	verify := func(what string, v *verifier.Verifier, fetches int) {
		t.Helper()
		if _, err := v.Verify(t.Context(), issuer.Token(nil)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if n := issuer.Fetches(); n != fetches {
			t.Errorf("%s: %d fetches, want %d", what, n, fetches)
		}
	}
	first, client := start()
	verify("the first process", first, 1)
	name := <-saved
	if ttl := client.PTTL(t.Context(), name).Val(); ttl < time.Hour || ttl > 70*time.Minute {
		t.Errorf("%s is kept for %v", name, ttl)
	}
	if !strings.HasPrefix(name, "test:jwks:") || strings.Contains(name, "issuer") {
		t.Errorf("the key is %q", name)
	}
	second, _ := start()
	verify("the second", second, 1)

	issuer.Break(verifiertest.Down())
	clock.Advance(30 * time.Minute)
	third, _ := start()
	if _, err := third.Verify(t.Context(), issuer.Token(nil)); err != nil {
		t.Errorf("a process that starts during an outage of the issuer: %v", err)
	}
	clock.Advance(time.Hour)
	fourth, _ := start()
	if _, err := fourth.Verify(t.Context(), issuer.Token(nil)); !errors.Is(err, verifier.ErrKeysUnavailable) {
		t.Errorf("beyond MaxStale: got %v", err)
	}

	issuer.Break(nil)
	server.Close()
	before := issuer.Fetches()
	fifth, _ := start()
	for len(saved) > 0 {
		<-saved
	}
	verify("without Redis", fifth, before+1)
	<-saved // it fails
}

// TestKeySetsRefuses: misconfiguration fails in the constructor.
func TestKeySetsRefuses(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	for _, tt := range []struct {
		client redis.UniversalClient
		prefix string
		says   string
	}{{nil, "a:", "the client is nil"}, {(*redis.Client)(nil), "a:", "the client is nil"}, {client, "", "the prefix is empty"}} {
		if _, err := redisstore.NewKeySets(tt.client, tt.prefix); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("got %v, want %q", err, tt.says)
		}
	}
}

// savedHook tells which keys were set, or could not be.
type savedHook struct{ saved chan string }

func (h savedHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h savedHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "set" {
			h.saved <- cmd.Args()[1].(string)
		}
		return err
	}
}

func (h savedHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
