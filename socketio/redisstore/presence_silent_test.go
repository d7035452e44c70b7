package redisstore_test

import (
	"context"
	"errors"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// phone is a socket whose client may lose its network.
type phone struct {
	fakeSocket
	silent atomic.Bool
	asked  atomic.Int32
}

func (p *phone) Alive(ctx context.Context) bool {
	p.asked.Add(1)
	if p.silent.Load() {
		<-ctx.Done()
		return false
	}
	return true
}

// loginPhone has a phone log in by its handshake, or by event.
func (s *site) loginPhone(t *testing.T, byEvent bool) (*phone, *socketio.Guard, error) {
	t.Helper()
	q := url.Values{"sub": {"alice"}}
	h := &verifier.Handshake{Namespace: "/", Query: q}
	pass, err := s.auth.Admit(t.Context(), h)
	if err != nil {
		return nil, nil, err
	}
	p := &phone{}
	g := s.auth.Attach(p, h, pass)
	t.Cleanup(g.Closed)
	if byEvent {
		g.Authenticate(q)
		within(t, patience, func() error {
			if g.Session() == nil && !p.closed.Load() {
				return errors.New("no answer")
			}
			return nil
		})
		if g.Session() == nil {
			return p, g, socketio.ErrSessionLimit
		}
	}
	return p, g, nil
}

// TestPresenceSilent: with RejectNewest a user whose connection to another node is gone
// logs in at once; one whose connection is there does not.
func TestPresenceSilent(t *testing.T) {
	for name, byEvent := range map[string]bool{"by handshake": false, "by event": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			options := []socketio.Option{socketio.SessionLimit(2, socketio.RejectNewest), socketio.ByHandshake()}
			if byEvent {
				options = append(options[:1], socketio.ByEvent(), socketio.MaxAttempts(1))
			}
			a := startSiteBy(t, clientOf(r.Address()), 0, false, options...)
			b := startSiteBy(t, clientOf(r.Address()), 0, false, options...)
			var phones []*phone
			for range 2 {
				p, _, err := a.loginPhone(t, byEvent)
				if err != nil {
					t.Fatal(err)
				}
				phones = append(phones, p)
			}
			began := time.Now()
			if _, _, err := b.loginPhone(t, byEvent); !errors.Is(err, socketio.ErrSessionLimit) {
				t.Errorf("a third login beside two that are there: %v", err)
			}
			if d := time.Since(began); d >= 2*time.Second { // the longest that a login waits for others
				t.Errorf("the refusal took %v: the node waited though both had answered", d)
			}
			for i, p := range phones {
				if p.closed.Load() || p.asked.Load() == 0 {
					t.Errorf("connection %d: closed %v, asked %d times", i, p.closed.Load(), p.asked.Load())
				}
			}
			phones[0].silent.Store(true)
			within(t, patience, func() error { // on a busy machine the other node may need longer than the login waits
				_, g, err := b.loginPhone(t, byEvent)
				if err == nil && g.Session() == nil {
					err = errors.New("no session")
				}
				return err
			})
			within(t, patience, func() error {
				if !phones[0].closed.Load() {
					return errors.New("the connection that is gone was not ended")
				}
				return nil
			})
			if phones[1].closed.Load() {
				t.Error("a connection that is there was ended")
			}
			within(t, patience, func() error {
				n, err := a.presence.Count(t.Context(), socketio.Filter{Subject: "alice"})
				if err == nil && n != 2 {
					err = errors.New("not two sessions")
				}
				return err
			})
		})
	}
}
