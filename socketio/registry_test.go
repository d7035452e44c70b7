package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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
		{"a stranger", func() socketio.Revocation { return socketio.Revocation{Subject: "mallory"} }, "1 2 3 4 5"},
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
					// Who is out stays out, also by handshake; who is in may renew.
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

// TestRevokedRenewal: the session is unchanged, and a revoked predecessor does
// not end who was renewed.
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

// memoryStore is a [socketio.RevocationStore] that several registries share, and
// whose link can be cut.
type memoryStore struct {
	mu        sync.Mutex
	down      error
	all       []socketio.Revocation
	followers map[int]follower
	n         int
}

type follower struct {
	news chan socketio.Revocation
	cut  chan error
}

func newMemoryStore() *memoryStore { return &memoryStore{followers: make(map[int]follower)} }

func (m *memoryStore) Put(_ context.Context, v socketio.Revocation) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	if !slices.Contains(m.all, v) {
		m.all = append(m.all, v)
	}
	for _, f := range m.followers {
		f.news <- v
	}
	return nil
}

func (m *memoryStore) Follow(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
	m.mu.Lock()
	if m.down != nil {
		defer m.mu.Unlock()
		return m.down
	}
	f := follower{make(chan socketio.Revocation, 1<<20), make(chan error, 1)}
	m.n++
	n := m.n
	m.followers[n] = f
	old := slices.Clone(m.all)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.followers, n)
	}()
	for _, v := range old {
		apply(v)
	}
	synced()
	for {
		select {
		case v := <-f.news:
			apply(v)
		case err := <-f.cut:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memoryStore) lose(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
	for _, f := range m.followers {
		f.cut <- err
	}
}

func (m *memoryStore) restore() { m.mu.Lock(); m.down = nil; m.mu.Unlock() }
func (m *memoryStore) clear()   { m.mu.Lock(); m.all = nil; m.mu.Unlock() }

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
		// Fail closed: nobody new, but who is in stays. Fail open: as always.
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
