package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestRevoke(t *testing.T) {
	ago, soon := func(d time.Duration) time.Time { return time.Now().Add(-d) }, func(d time.Duration) time.Time { return time.Now().Add(d) }
	tests := []struct {
		name   string
		revoke func() socketio.Revocation
		left   string // of the sessions below
	}{
		{"one token", func() socketio.Revocation { return socketio.Revocation{TokenID: "1"} }, "2 3 4 5"},
		{"a session", func() socketio.Revocation { return socketio.Revocation{SessionID: "s1"} }, "2 4 5"},
		{"a session of a user", func() socketio.Revocation { return socketio.Revocation{SessionID: "s1", Subject: "bob"} }, "1 2 4 5"},
		{"a user", func() socketio.Revocation { return socketio.Revocation{Subject: "alice"} }, "3 5"},
		{"a user of an issuer", func() socketio.Revocation { return socketio.Revocation{Subject: "alice", Issuer: "other"} }, "1 2 3 5"},
		{"a user's older tokens", func() socketio.Revocation {
			return socketio.Revocation{Subject: "alice", IssuedBefore: ago(60 * time.Second)}
		}, "2 3 5"},
		{"an issuer", func() socketio.Revocation { return socketio.Revocation{Issuer: "other"} }, "1 2 3"},
		{"another user", func() socketio.Revocation { return socketio.Revocation{Subject: "mallory"} }, "1 2 3 4 5"},
	}
	people := []string{"alice jti=1 sid=s1 iat=-100", "alice jti=2 sid=s2 iat=-60", "bob jti=3 sid=s1", "alice jti=4 iss=other iat=-100", "carol jti=5 iss=other"}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newLive(t)
				var guards []*socketio.Guard
				var sockets []*fakeSocket
				for _, w := range people {
					g, s := enter(t, a, "/", w)
					s.log = nil
					guards, sockets = append(guards, g), append(sockets, s)
				}
				v := test.revoke()
				v.Expires = soon(10 * time.Second)
				if err := a.Registry().Revoke(t.Context(), v); err != nil {
					t.Fatal(err)
				}
				for i, g := range guards {
					live := strings.Contains(test.left, fmt.Sprint(i+1))
					if (g.Session() != nil) != live {
						t.Errorf("%s is live: %v", people[i], !live)
					}
					// A refused user remains refused, also by handshake; a live session may renew.
					if live {
						g.Authenticate(token(people[i]))
						sockets[i].want(t, renewed)
						g.Closed()
						continue
					}
					sockets[i].want(t, revoked, "close")
					again, s := enter(t, a, "/", people[i])
					s.want(t, revoked)
					again.Closed()
					if _, err := newLive(t, socketio.ByHandshake(), socketio.WithRegistry(a.Registry())).Admit(t.Context(), withToken("/", people[i])); !errors.Is(err, socketio.ErrTokenRevoked) {
						t.Errorf("by handshake: %v", err)
					}
				}
				// The entry has its own end.
				time.Sleep(10 * time.Second)
				for _, w := range people {
					g, s := enter(t, a, "/", w)
					if g.Session() == nil {
						t.Errorf("%s: %q", w, s.log)
					}
					g.Closed()
				}
			})
		})
	}
}

// TestRevokedRenewal: a renewal with a revoked token changes nothing. Revoking a token
// that the session has replaced does not end the session.
func TestRevokedRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t)
		g, s := join(t, a, "alice jti=1")
		defer g.Closed()
		revoke(t, a.Registry(), socketio.Revocation{TokenID: "2"})
		g.Authenticate(token("alice jti=2"))
		s.want(t, revoked)
		g.Authenticate(token("alice jti=3"))
		s.want(t, renewed)
		revoke(t, a.Registry(), socketio.Revocation{TokenID: "1"})
		s.want(t)
		revoke(t, a.Registry(), socketio.Revocation{TokenID: "3"})
		s.want(t, revoked, "close")
	})
}

func revoke(t *testing.T, r *socketio.Registry, v socketio.Revocation) {
	t.Helper()
	if err := r.Revoke(t.Context(), v); err != nil {
		t.Fatal(err)
	}
}

// TestRevokedMeanwhile: a revocation during a verification counts, by event, by
// handshake, and between the admission and the socket.
func TestRevokedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) {
			time.Sleep(time.Second) // after the token is found good
			return nil, nil
		}))
		s := &fakeSocket{}
		g := a.Attach(s, handshake, nil)
		g.Authenticate(token("alice jti=1"))
		synctest.Wait()
		revoke(t, a.Registry(), socketio.Revocation{TokenID: "1"})
		time.Sleep(time.Second)
		s.want(t, revoked)
		if g.Session() != nil {
			t.Error("there is a session")
		}
		g.Authenticate(token("alice jti=2"))
		time.Sleep(time.Second)
		s.want(t, "open authenticated", "handlers for alice")
		g.Authenticate(token("alice jti=3")) // a renewal
		synctest.Wait()
		revoke(t, a.Registry(), socketio.Revocation{TokenID: "3"})
		time.Sleep(time.Second)
		s.want(t, revoked)
		if g.Session().Token().ID != "2" {
			t.Error("the session has a revoked token")
		}
		g.Closed()

		h := newLive(t, socketio.ByHandshake())
		pass, err := h.Admit(t.Context(), withToken("/", "alice jti=1"))
		if err != nil {
			t.Fatal(err)
		}
		revoke(t, h.Registry(), socketio.Revocation{Subject: "alice"})
		s = &fakeSocket{}
		g = h.Attach(s, handshake, pass)
		s.want(t, revoked, "close")
		if g.Session() != nil {
			t.Error("there is a session")
		}
	})
}

func TestRevokeRefusesNonsense(t *testing.T) {
	r := socketio.NewRegistry(nil)
	for _, test := range []struct {
		v    socketio.Revocation
		want string
	}{
		{socketio.Revocation{}, "socketio: Revoke: a revocation must name an issuer, subject, sid or jti"},
		{socketio.Revocation{IssuedBefore: time.Now()}, "socketio: Revoke: a revocation must name an issuer, subject, sid or jti"},
		{socketio.Revocation{Subject: "alice", Expires: time.Unix(0, 0)}, "socketio: Revoke: the revocation expired at"},
	} {
		if err := r.Revoke(t.Context(), test.v); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.v, err, test.want)
		}
	}
}
