package socketio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// enter has a socket of a name and namespace authenticate, and returns what it
// sees.
func enter(t testing.TB, a *socketio.Authorizer, namespace, word string) (*socketio.Guard, *fakeSocket) {
	t.Helper()
	s := &fakeSocket{}
	g := a.Attach(s, &verifier.Handshake{Namespace: namespace, RemoteAddr: "192.0.2.1:1234"}, nil)
	g.Authenticate(token(word))
	synctest.Wait()
	return g, s
}

func ids(r *socketio.Registry, f socketio.Filter) string {
	var ids []string
	for s := range r.Sessions(f) {
		ids = append(ids, s.Namespace()+s.Token().ID)
	}
	if n := r.Count(f); n != len(ids) {
		ids = append(ids, fmt.Sprintf("but Count says %d", n))
	}
	return strings.Join(ids, " ")
}

func TestRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := socketio.NewRegistry(nil)
		root, admin := newLive(t, socketio.WithRegistry(r)), newLive(t, socketio.WithRegistry(r))
		if root.Registry() != r {
			t.Error("the authorizer has another registry")
		}
		var guards []*socketio.Guard
		for _, w := range []string{"alice jti=1 sid=s1", "alice jti=2 sid=s2", "bob jti=3 sid=s1", "alice jti=4 iss=other", "nobody jti=5"} {
			g, _ := enter(t, root, "/", w)
			guards = append(guards, g)
		}
		g, _ := enter(t, admin, "/admin", "alice jti=6 sid=s1")
		guards = append(guards, g)

		check := func(f socketio.Filter, want string) {
			t.Helper()
			if got := ids(r, f); got != want {
				t.Errorf("%+v: %s, want %s", f, got, want)
			}
		}
		check(socketio.Filter{}, "/1 /2 /3 /4 /5 /admin6")
		check(socketio.Filter{Subject: "alice"}, "/1 /2 /4 /admin6")
		check(socketio.Filter{Subject: "alice", Issuer: "issuer"}, "/1 /2 /admin6")
		check(socketio.Filter{Issuer: "other"}, "/4")
		check(socketio.Filter{SessionID: "s1"}, "/1 /3 /admin6")
		check(socketio.Filter{SessionID: "s1", Subject: "alice", Namespace: "/"}, "/1")
		check(socketio.Filter{TokenID: "3"}, "/3")
		check(socketio.Filter{Namespace: "/admin"}, "/admin6")
		check(socketio.Filter{Subject: "mallory"}, "")

		// A renewal is found by its new names only.
		guards[1].Authenticate(token("alice jti=7 sid=s3"))
		synctest.Wait()
		check(socketio.Filter{TokenID: "2"}, "")
		check(socketio.Filter{SessionID: "s2"}, "")
		check(socketio.Filter{SessionID: "s3"}, "/7")
		check(socketio.Filter{Subject: "alice"}, "/1 /7 /4 /admin6")

		// The iteration may stop, and sessions may end meanwhile.
		for s := range r.Sessions(socketio.Filter{}) {
			s.End(nil)
			if s.Token().ID == "3" {
				break
			}
		}
		check(socketio.Filter{}, "/4 /5 /admin6")
		for _, g := range guards {
			g.Closed()
			g.Closed()
		}
		for _, f := range []socketio.Filter{{}, {Issuer: "issuer"}, {Subject: "alice"}, {SessionID: "s1"}, {SessionID: "s3"}, {TokenID: "7"}} {
			check(f, "")
		}
	})
}

func TestSessionLimit(t *testing.T) {
	const full = "emit unauthorized session_limit/too many sessions/session_limit"
	synctest.Test(t, func(t *testing.T) {
		r := socketio.NewRegistry(nil)
		a := newLive(t, socketio.WithRegistry(r), socketio.SessionLimit(2, socketio.RejectNewest))
		elsewhere := newLive(t, socketio.WithRegistry(r), socketio.ByHandshake(), socketio.SessionLimit(2, socketio.RejectNewest))
		first, _ := enter(t, a, "/", "alice jti=1")
		enter(t, a, "/", "alice jti=2")
		third, s := enter(t, a, "/", "alice jti=3")
		s.want(t, full)
		third.Closed()
		if _, err := elsewhere.Admit(t.Context(), withToken("/", "alice")); !errors.Is(err, socketio.ErrSessionLimit) {
			t.Errorf("one more by handshake: %v", err)
		}
		// Others are not affected: users, namespaces, issuers, and who has no name.
		for _, w := range []string{"bob", "alice iss=other", "nobody", "nobody", "nobody"} {
			g, s := enter(t, a, "/", w)
			if g.Session() == nil {
				t.Errorf("%s: %q", w, s.log)
			}
			defer g.Closed()
		}
		g, _ := enter(t, a, "/admin", "alice jti=4")
		g.Closed()
		// A renewal is not a further session.
		first.Authenticate(token("alice jti=5"))
		synctest.Wait()
		if got := ids(r, socketio.Filter{Subject: "alice", Issuer: "issuer"}); got != "/5 /2" {
			t.Errorf("alice has %s", got)
		}
		// Two that are admitted at once: one is told afterwards.
		first.Closed()
		pass1, err1 := elsewhere.Admit(t.Context(), withToken("/", "alice"))
		pass2, err2 := elsewhere.Admit(t.Context(), withToken("/", "alice"))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		s1, s2 := &fakeSocket{}, &fakeSocket{}
		g1, g2 := elsewhere.Attach(s1, handshake, pass1), elsewhere.Attach(s2, handshake, pass2)
		s1.want(t, "open ", "handlers for alice")
		s2.want(t, full, "close")
		g1.Closed()
		g2.Closed()
	})
	t.Run("a token without an issuer is not every issuer's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.SessionLimit(1, socketio.EvictOldest))
			_, s := enter(t, a, "/", "alice iss=one")
			enter(t, a, "/", "alice iss=")
			s.want(t, "open authenticated", "handlers for alice")
			enter(t, a, "/", "alice iss=")
			if n := a.Registry().Count(socketio.Filter{Subject: "alice"}); n != 2 {
				t.Errorf("alice has %d sessions", n)
			}
		})
	})
	t.Run("evict", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.SessionLimit(2, socketio.EvictOldest))
			var sockets []*fakeSocket
			for i := range 5 {
				_, s := enter(t, a, "/", fmt.Sprintf("alice jti=%d", i))
				sockets = append(sockets, s)
			}
			for i, s := range sockets {
				want := []string{"open authenticated", "handlers for alice"}
				if i < 3 {
					want = append(want, "emit unauthorized session_limit/replaced by a newer session/session_limit", "close")
				}
				s.want(t, want...)
			}
			if got := ids(a.Registry(), socketio.Filter{}); got != "/3 /4" {
				t.Errorf("left are %s", got)
			}
		})
	})
}

func withToken(namespace, word string) *verifier.Handshake {
	return &verifier.Handshake{Namespace: namespace, Auth: map[string]any{"token": word}, RemoteAddr: "192.0.2.1:1234"}
}

// TestRevocationStore: two processes and a store that goes away and comes back,
// without its memory.
func TestRevocationStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		closed := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
		open := socketio.NewRegistry(&socketio.RegistryOptions{Store: store, FailOpen: true})
		defer closed.Close()
		defer open.Close()
		a, b := newLive(t, socketio.WithRegistry(closed)), newLive(t, socketio.WithRegistry(open))
		synctest.Wait()

		ga, sa := join(t, a, "alice jti=1")
		gb, sb := join(t, b, "alice jti=2")
		revoke(t, closed, socketio.Revocation{TokenID: "2"})
		sb.want(t, revoked, "close")
		if gb.Session() != nil || ga.Session() == nil {
			t.Error("the wrong one ended")
		}

		down := errors.New("connection refused")
		store.lose(down)
		synctest.Wait()
		if !errors.Is(closed.Err(), down) || !errors.Is(open.Err(), down) {
			t.Errorf("Err: %v, %v", closed.Err(), open.Err())
		}
		// Fail closed: no new session, and live ones go on. Fail open: no change.
		const unavailable = "emit unauthorized unknown/try again later/revocations_unavailable"
		g, s := enter(t, a, "/", "bob")
		s.want(t, unavailable)
		g.Closed()
		ga.Authenticate(token("alice jti=3"))
		sa.want(t, unavailable)
		if ga.Session() == nil {
			t.Error("a live session ended")
		}
		gb, sb = join(t, b, "bob jti=4")
		// A revocation made meanwhile holds here, and reaches the others later.
		if err := open.Revoke(t.Context(), socketio.Revocation{Subject: "alice"}); !errors.Is(err, down) {
			t.Errorf("Revoke: %v", err)
		}
		g, s = enter(t, b, "/", "alice jti=5")
		s.want(t, revoked)
		g.Closed()
		sa.want(t)

		store.clear()
		store.restore()
		time.Sleep(10 * time.Second)
		sa.want(t, revoked, "close")
		if closed.Err() != nil || open.Err() != nil {
			t.Errorf("Err: %v, %v", closed.Err(), open.Err())
		}
		// Nor has the store's loss brought back what was revoked before.
		third := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
		defer third.Close()
		synctest.Wait()
		g, s = enter(t, newLive(t, socketio.WithRegistry(third)), "/", "bob jti=2")
		s.want(t, revoked)
		g.Closed()
		gb.Closed()
		sb.want(t)
	})
}

// TestRegistryClosed: it cannot know any more.
func TestRegistryClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := socketio.NewRegistry(&socketio.RegistryOptions{Store: newMemoryStore()})
		synctest.Wait()
		if err := r.Close(); err != nil || r.Close() != nil {
			t.Error(err)
		}
		g, s := enter(t, newLive(t, socketio.WithRegistry(r)), "/", "alice")
		s.want(t, "emit unauthorized unknown/try again later/revocations_unavailable")
		g.Closed()
		if err := socketio.NewRegistry(nil).Close(); err != nil {
			t.Error(err)
		}
	})
}
