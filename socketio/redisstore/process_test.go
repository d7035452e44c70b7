package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// bound is docs/revocation.md's for what a process notices, and for its return: with
// room for a busy machine, in which nothing here takes as long as a failure does.
const bound = 10*time.Second + patience/2

// process is what a process of a cluster has: a registry on its own client.
type process struct {
	*socketio.Registry
	client redis.UniversalClient
	log    *logtest.Buffer
	auth   *socketio.Authorizer
}

// startProcess makes one and does not wait until it is synced.
func startProcess(t testing.TB, client redis.UniversalClient, name string) *process {
	t.Helper()
	store, err := redisstore.New(client, name)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{client: client, log: &logtest.Buffer{}}
	p.Registry = socketio.NewRegistry(&socketio.RegistryOptions{Store: store, Logger: slog.New(slog.NewTextHandler(p.log, nil))})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
	p.auth, err = socketio.New(socketio.AuthenticatorFunc(func(_ context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		return &verifier.Token{Subject: h.Query.Get("token")}, nil
	}), socketio.ByHandshake(), socketio.WithRegistry(p.Registry))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func clientOf(address string) redis.UniversalClient {
	return redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1, DialTimeout: 2 * time.Second})
}

func (p *process) admit(subject string) error {
	_, err := p.auth.Admit(context.Background(), &verifier.Handshake{Namespace: "/", Query: url.Values{"token": {subject}}})
	return err
}

// sync waits until the process is synced, at most for a time.
func (p *process) sync(t testing.TB, most time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	if err := p.Synced(ctx); err != nil {
		t.Fatal(err)
	}
}

// refuses fails unless the process refuses a subject, at the latest after a time.
func (p *process) refuses(t testing.TB, subject string, most time.Duration) {
	t.Helper()
	within(t, most, func() error {
		if err := p.admit(subject); !errors.Is(err, socketio.ErrTokenRevoked) {
			return fmt.Errorf("%s is told %v", subject, err)
		}
		return nil
	})
}

func within(t testing.TB, most time.Duration, f func() error) {
	t.Helper()
	for end := time.Now().Add(most); ; time.Sleep(10 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %v", most, err)
		}
	}
}

func (p *process) revokes(t testing.TB, subjects ...string) {
	t.Helper()
	for _, s := range subjects {
		if err := p.Revoke(t.Context(), socketio.Revocation{Subject: s}); err != nil {
			t.Fatal(err)
		}
	}
}

// behind waits until the process knows that it cannot know everything.
func (p *process) isBehind(t testing.TB, most time.Duration) {
	t.Helper()
	within(t, most, func() error {
		if err := p.admit("bystander"); !errors.Is(err, socketio.ErrRevocationsUnavailable) {
			return fmt.Errorf("a bystander is told %v", err)
		}
		return nil
	})
}

func startLink(t testing.TB, address string) *outage.Link {
	t.Helper()
	l, err := outage.NewLink(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}
