package socketio

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

type nullSocket struct{}

func (nullSocket) ID() string                   { return "" }
func (nullSocket) Emit(string, func(), ...any)  {}
func (nullSocket) Open(string)                  {}
func (nullSocket) Authenticated(*Session) error { return nil }
func (nullSocket) Close(error, string, ...any)  {}

// TestOneTimer: whatever happens to a socket, it has the one timer, and none when
// nothing is due.
func TestOneTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exp time.Duration
		a, err := New(AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
			token := &verifier.Token{Subject: "alice"}
			if exp > 0 {
				token.ExpiresAt = time.Now().Add(exp)
			}
			return token, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		g := a.Attach(nullSocket{}, &verifier.Handshake{Namespace: "/"}, nil)
		timer := func() *time.Timer {
			synctest.Wait()
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.timer
		}
		only := timer()
		if only == nil {
			t.Fatal("nothing ends a socket that does not authenticate")
		}
		for i := range 100 {
			exp = time.Duration(100+i) * time.Second
			g.Authenticate(map[string]any{"token": "x"})
			if timer() != only {
				t.Fatal("there is another timer")
			}
			time.Sleep(time.Duration(i) * time.Second)
			if timer() != only {
				t.Fatal("there is another timer")
			}
		}
		exp = 0 // it never expires
		g.Authenticate(map[string]any{"token": "x"})
		if timer() != nil || only.Stop() {
			t.Error("a timer runs for a session that does not end")
		}
		exp = time.Minute
		g.Authenticate(map[string]any{"token": "x"})
		only = timer()
		g.Closed()
		if only == nil || timer() != nil || only.Stop() {
			t.Error("a timer runs for a socket that is gone")
		}
	})
}

// BenchmarkTick is what an idle session does every 30 seconds: look at the clock.
func BenchmarkTick(b *testing.B) {
	a, err := New(AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
		return &verifier.Token{Subject: "alice", ExpiresAt: time.Now().Add(time.Hour)}, nil
	}), ByHandshake())
	if err != nil {
		b.Fatal(err)
	}
	h := &verifier.Handshake{Namespace: "/"}
	p, err := a.Admit(b.Context(), h)
	if err != nil {
		b.Fatal(err)
	}
	g := a.Attach(nullSocket{}, h, p)
	defer g.Closed()
	b.ReportAllocs()
	for b.Loop() {
		g.tick()
	}
}
