package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/redisstore"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const (
	presenceKey = "test:presence"
	lease       = 2 * time.Second // where it ends; elsewhere DefaultLease, within which a busy machine renews it
)

// fakeSocket is a socket that only knows whether it was closed.
type fakeSocket struct{ closed atomic.Bool }

func (*fakeSocket) ID() string                            { return "socket" }
func (*fakeSocket) Emit(string, func(), ...any)           {}
func (*fakeSocket) Open(string)                           {}
func (*fakeSocket) Authenticated(*socketio.Session) error { return nil }
func (s *fakeSocket) Close(error, string, ...any)         { s.closed.Store(true) }

// site is a process of a cluster that shares its sessions.
type site struct {
	*socketio.Registry
	presence socketio.Presence
	auth     *socketio.Authorizer
}

// newSite makes one without waiting until it has reached the presence. The token of a
// client is a query: sub, iss, sid and jti.
func newSite(client redis.UniversalClient, lease time.Duration, failOpen bool, options ...socketio.Option) (*site, error) {
	p, err := redisstore.NewPresence(client, presenceKey, lease)
	if err != nil {
		return nil, err
	}
	s := &site{presence: p, Registry: socketio.NewRegistry(&socketio.RegistryOptions{
		Presence: p, PresenceFailOpen: failOpen, Logger: slog.New(slog.DiscardHandler),
	})}
	options = append([]socketio.Option{socketio.WithRegistry(s.Registry), socketio.WithLogger(slog.New(slog.DiscardHandler))}, options...)
	s.auth, err = socketio.New(socketio.AuthenticatorFunc(func(_ context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		q := h.Query
		if auth, ok := h.Auth.(url.Values); ok {
			q = auth
		}
		return &verifier.Token{Subject: q.Get("sub"), Issuer: q.Get("iss"), SessionID: q.Get("sid"), ID: q.Get("jti")}, nil
	}), options...)
	return s, err
}

func startSite(t testing.TB, client redis.UniversalClient, options ...socketio.Option) *site {
	t.Helper()
	return startSiteBy(t, client, 0, false, append([]socketio.Option{socketio.ByHandshake()}, options...)...)
}

// startBrief starts one with a lease that ends soon.
func startBrief(t testing.TB, client redis.UniversalClient, failOpen bool, options ...socketio.Option) *site {
	t.Helper()
	return startSiteBy(t, client, lease, failOpen, append([]socketio.Option{socketio.ByHandshake()}, options...)...)
}

func startSiteBy(t testing.TB, client redis.UniversalClient, lease time.Duration, failOpen bool, options ...socketio.Option) *site {
	t.Helper()
	s, err := newSite(client, lease, failOpen, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_ = client.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Synced(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// login has a client log in, and returns its guard and socket, or why not.
func (s *site) login(query string) (*socketio.Guard, *fakeSocket, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, nil, err
	}
	h := &verifier.Handshake{Namespace: "/" + q.Get("ns"), Query: q}
	p, err := s.auth.Admit(context.Background(), h)
	if err != nil {
		return nil, nil, err
	}
	socket := &fakeSocket{}
	return s.auth.Attach(socket, h, p), socket, nil
}

func (s *site) mustLogin(t testing.TB, query string) (*socketio.Guard, *fakeSocket) {
	t.Helper()
	g, socket, _, err := s.loginAgain(query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Closed)
	return g, socket
}

// loginAgain repeats a login that took longer than it may, on a busy machine, as clients
// do, and reports whether it did.
func (s *site) loginAgain(query string) (g *socketio.Guard, socket *fakeSocket, again bool, err error) {
	for end := time.Now().Add(patience); ; again = true {
		g, socket, err = s.login(query)
		if !errors.Is(err, socketio.ErrPresenceUnavailable) || time.Now().After(end) {
			return g, socket, again, err
		}
	}
}

// finds waits until the filter selects the sessions with these token ids.
func (s *site) finds(t testing.TB, f socketio.Filter, want string) {
	t.Helper()
	within(t, patience, func() error {
		found, err := s.presence.Find(t.Context(), f)
		if err != nil {
			return err
		}
		var ids []string
		for _, p := range found {
			ids = append(ids, p.TokenID)
		}
		slices.Sort(ids)
		if got := strings.Join(ids, " "); got != want {
			return fmt.Errorf("%+v: %q, want %q", f, got, want)
		}
		if n, err := s.presence.Count(t.Context(), f); err != nil || n != len(found) {
			return fmt.Errorf("%+v: Count is %d, %v, want %d", f, n, err, len(found))
		}
		return nil
	})
}

// loginAll has a user log in so many times at once and returns who is in, and whether a
// login was repeated: the attempts that failed may count for a while.
func loginAll(t *testing.T, sites []*site, n int, policy socketio.LimitPolicy) (in []*socketio.Guard, again bool) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			g, _, repeated, err := sites[i%len(sites)].loginAgain(fmt.Sprint("sub=alice&jti=", i))
			if err != nil && (policy == socketio.EvictOldest || !errors.Is(err, socketio.ErrSessionLimit)) {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			again = again || repeated
			if err == nil {
				in = append(in, g)
			}
		})
	}
	wg.Wait()
	return in, again
}

// TestPresenceLimit: of 100 logins of one user at once, on three nodes, as many are in
// as may be.
func TestPresenceLimit(t *testing.T) {
	for name, policy := range map[string]socketio.LimitPolicy{"reject": socketio.RejectNewest, "evict": socketio.EvictOldest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			var sites []*site
			for range 3 {
				sites = append(sites, startSite(t, clientOf(r.Address()), socketio.SessionLimit(3, policy)))
			}
			in, again := loginAll(t, sites, 100, policy)
			if policy == socketio.RejectNewest && (len(in) > 3 || len(in) < 3 && !again) {
				t.Errorf("%d are in", len(in))
			}
			within(t, patience, func() error {
				live := countLive(in)
				if live < 3 && again {
					if g, _, err := sites[0].login("sub=alice"); err == nil {
						in = append(in, g)
						live++
					}
				}
				n, err := sites[0].presence.Count(t.Context(), socketio.Filter{Subject: "alice"})
				if live != 3 || n != 3 {
					return fmt.Errorf("%d are in, %d count (%v), want 3", live, n, err)
				}
				return nil
			})
			// Others are not affected: a user, an issuer, a namespace, and nobody.
			for _, who := range []string{"sub=bob", "sub=alice&iss=other", "sub=alice&ns=admin", "sub=", "sub=", "sub=", "sub="} {
				sites[1].mustLogin(t, who)
			}
			for _, g := range in {
				g.Closed()
			}
			within(t, patience, func() error {
				g, _, err := sites[2].login("sub=alice")
				if err == nil {
					g.Closed()
				}
				return err
			})
		})
	}
}

// countLive counts the guards that have a session.
func countLive(guards []*socketio.Guard) (n int) {
	for _, g := range guards {
		if g.Session() != nil {
			n++
		}
	}
	return n
}

// TestPresenceReleases: a room that becomes no session is given up.
func TestPresenceReleases(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	s := startSite(t, clientOf(r.Address()), socketio.SessionLimit(1, socketio.RejectNewest), socketio.Timeout(time.Second))
	h := &verifier.Handshake{Namespace: "/", Query: url.Values{"sub": {"alice"}}}
	if _, err := s.auth.Admit(t.Context(), h); err != nil { // and the client is gone
		t.Fatal(err)
	}
	if _, _, err := s.login("sub=alice"); !errors.Is(err, socketio.ErrSessionLimit) {
		t.Errorf("while the first may come: %v", err)
	}
	within(t, patience, func() error { _, err := s.auth.Admit(t.Context(), h); return err })
	// A session that has just ended here does not count.
	for range 20 {
		g, _, err := s.login("sub=bob")
		if err != nil {
			t.Fatal(err)
		}
		g.Closed()
	}
}

// TestPresenceFinds finds, counts and ends sessions of other nodes.
// Of sessions that began in one millisecond the first one is the oldest.
func TestPresenceOrder(t *testing.T) {
	t.Parallel()
	s := startSite(t, clientOf(startRedis(t).Address()))
	for user := range 50 {
		sub := fmt.Sprint("user", user)
		for _, id := range []string{"c", "b", "a"} { // Redis orders those of one score by name
			if began, err := s.presence.Begin(t.Context(), socketio.PresentSession{ID: id + sub, Subject: sub}, 2, socketio.EvictOldest); !began || err != nil {
				t.Fatal(began, err)
			}
		}
		found, err := s.presence.Find(t.Context(), socketio.Filter{Subject: sub})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.ID == "c"+sub {
				t.Fatalf("the first session of %s is there, one after it is not", sub)
			}
		}
	}
}

func TestPresenceFinds(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	a, b := startSite(t, clientOf(r.Address())), startSite(t, clientOf(r.Address()))
	sockets := make(map[string]*fakeSocket)
	var renewing *socketio.Guard
	for i, who := range []string{"sub=alice&sid=s1&jti=1", "sub=alice&sid=s2&jti=2", "sub=bob&sid=s1&jti=3", "sub=alice&iss=other&jti=4", "sub=alice&jti=6&ns=admin"} {
		g, s := []*site{a, b}[i%2].mustLogin(t, who)
		sockets[who], renewing = s, g
	}
	for _, s := range []*site{a, b} {
		s.finds(t, socketio.Filter{}, "1 2 3 4 6")
		s.finds(t, socketio.Filter{Subject: "alice"}, "1 2 4 6")
		s.finds(t, socketio.Filter{Subject: "alice", Namespace: "/"}, "1 2 4")
		s.finds(t, socketio.Filter{Issuer: "other"}, "4")
		s.finds(t, socketio.Filter{SessionID: "s1"}, "1 3")
		s.finds(t, socketio.Filter{SessionID: "s1", Subject: "bob"}, "3")
		s.finds(t, socketio.Filter{TokenID: "3"}, "3")
		s.finds(t, socketio.Filter{Namespace: "/admin"}, "6")
		s.finds(t, socketio.Filter{Subject: "mallory"}, "")
	}
	// A renewed session is found by its new token.
	renewing.Authenticate(url.Values{"sub": {"alice"}, "jti": {"7"}, "sid": {"s3"}})
	b.finds(t, socketio.Filter{SessionID: "s3"}, "7")
	b.finds(t, socketio.Filter{TokenID: "6"}, "")
	// One is ended from elsewhere.
	found, err := b.presence.Find(t.Context(), socketio.Filter{TokenID: "1"})
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if n, err := b.presence.End(t.Context(), found[0].ID, "nobody's"); n != 1 || err != nil {
		t.Errorf("End: %d, %v", n, err)
	}
	within(t, patience, func() error {
		if !sockets["sub=alice&sid=s1&jti=1"].closed.Load() {
			return errors.New("the session is live")
		}
		return nil
	})
	a.finds(t, socketio.Filter{}, "2 3 4 7")
	// A registry that is closed takes its sessions with it.
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b.finds(t, socketio.Filter{}, "2 4")
}

func TestNewPresenceRefusesNonsense(t *testing.T) {
	c := redis.NewClient(&redis.Options{})
	defer c.Close()
	var none *redis.Client
	for word, f := range map[string]func() (*redisstore.Presence, error){
		"the client is nil":   func() (*redisstore.Presence, error) { return redisstore.NewPresence(none, "x", 0) },
		"the prefix is empty": func() (*redisstore.Presence, error) { return redisstore.NewPresence(c, "", 0) },
		"the lease is 1ms":    func() (*redisstore.Presence, error) { return redisstore.NewPresence(c, "x", time.Millisecond) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error with %q", err, word)
		}
	}
}

// BenchmarkLogin is a login that ends at once, with and without a presence, beside a
// PING.
func BenchmarkLogin(b *testing.B) {
	r := startRedis(b)
	client := clientOf(r.Address())
	limit := socketio.SessionLimit(3, socketio.EvictOldest)
	shared := startSite(b, client, limit)
	alone, err := socketio.New(socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
		return &verifier.Token{Subject: "alice"}, nil
	}), socketio.ByHandshake(), limit)
	if err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]*site{"alone": {auth: alone}, "presence": shared} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				g, _, err := s.login(fmt.Sprint("sub=user", i))
				if err != nil {
					b.Fatal(err)
				}
				g.Closed()
			}
		})
	}
	b.Run("ping", func(b *testing.B) {
		for b.Loop() {
			if err := client.Ping(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
