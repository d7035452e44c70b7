package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The rows of sections A, C and D of the list of faults that are this package's.

// quiet keeps the log out of a test's output.
func quiet() socketio.Option {
	return socketio.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// rawTokens is an authenticator whose tokens are verified JWTs.
func rawTokens(t *testing.T) *verifier.Verifier {
	t.Helper()
	key, err := verifier.NewKey([]byte("a secret of more than thirty-two bytes"), verifier.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return []*verifier.Key{key}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signed(claims string) string { return mint("a secret of more than thirty-two bytes", claims) }

// TestFaultsA6A8Handshake: what a session shows of its handshake is that of the token in
// force, without any token; callbacks are shown the same.
func TestFaultsA6A8Handshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := signed(`{"sub":"ada","jti":"1"}`), signed(`{"sub":"ada","jti":"2"}`)
		var seen []*verifier.Handshake
		note := func(h *verifier.Handshake, _ *verifier.Token) { seen = append(seen, h) }
		a, err := socketio.New(rawTokens(t), quiet(), socketio.ByHandshake(),
			socketio.Observe(socketio.Observer{Began: note, Renewed: note, Ended: func(h *verifier.Handshake, t *verifier.Token, _ time.Duration, _ error) { note(h, t) }}),
			socketio.OnFailure(func(h *verifier.Handshake, _ *verifier.UnauthorizedError) { note(h, nil) }))
		if err != nil {
			t.Fatal(err)
		}
		h := &verifier.Handshake{
			Namespace: "/", Auth: map[string]any{"token": first, "device": "phone"},
			Header: http.Header{"Cookie": {"a=b; jwt=" + first}}, Query: url.Values{"token": {first}, "EIO": {"4"}},
			URL: &url.URL{Path: "/socket.io/", RawQuery: "EIO=4&token=" + first},
		}
		p, err := a.Admit(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		g := a.Attach(&fakeSocket{}, h, p)
		s := g.Session()
		if got := s.Handshake(); !reflect.DeepEqual(got.Auth, map[string]any{"device": "phone"}) || got.Query.Get("EIO") != "4" || got.Header.Get("Cookie") != "a=b" {
			t.Errorf("at first: %+v", got)
		}
		g.Authenticate(map[string]any{"token": second, "device": "tablet"})
		synctest.Wait()
		if got := s.Handshake(); !reflect.DeepEqual(got.Auth, map[string]any{"device": "tablet"}) || !got.InBand || s.Token().ID != "2" {
			t.Errorf("after a renewal of %v: %+v", s.Token(), got)
		}
		s.End(nil)
		synctest.Wait()
		if len(seen) != 4 {
			t.Errorf("%d callbacks, want 4", len(seen))
		}
		for i, h := range append(seen, s.Handshake()) {
			if text := fmt.Sprintf("%+v %v", *h, h.URL); strings.Contains(text, first) || strings.Contains(text, second) {
				t.Errorf("%d: the token is shown: %s", i, text)
			}
		}
		if h.Auth.(map[string]any)["token"] != first {
			t.Error("the binding's own handshake was changed")
		}
	})
}

// TestFaultsA1Attach: a guard that cannot be built closes its socket, and a pass is good
// for one socket.
func TestFaultsA1Attach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, other := newLive(t, socketio.ByHandshake()), newLive(t, socketio.ByHandshake())
		h := withToken("/", "ada")
		admit := func(a *socketio.Authorizer) *socketio.Pass {
			p, err := a.Admit(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		const refused = "emit unauthorized internal_error/internal server error/server_error"
		used := admit(a)
		first := &fakeSocket{}
		defer a.Attach(first, h, used).Closed()
		first.want(t, "open ", "handlers for ada")
		for name, attach := range map[string]func(*fakeSocket) *socketio.Guard{
			"no handshake":            func(s *fakeSocket) *socketio.Guard { return a.Attach(s, nil, nil) },
			"a pass and no handshake": func(s *fakeSocket) *socketio.Guard { return a.Attach(s, nil, admit(a)) },
			"a used pass":             func(s *fakeSocket) *socketio.Guard { return a.Attach(s, h, used) },
			"another's pass":          func(s *fakeSocket) *socketio.Guard { return a.Attach(s, h, admit(other)) },
			"an empty pass":           func(s *fakeSocket) *socketio.Guard { return a.Attach(s, h, new(socketio.Pass)) },
		} {
			s := &fakeSocket{}
			g := attach(s)
			s.want(t, refused, "close")
			g.Authenticate(token("ada"))
			g.Closed()
			s.want(t)
			if g.Session() != nil {
				t.Errorf("%s: there is a session", name)
			}
		}
		if g := a.Attach(nil, h, nil); g == nil || g.Session() != nil {
			t.Error("a nil socket is guarded")
		}
		if g := a.Attach((*fakeSocket)(nil), h, nil); g == nil {
			t.Error("no guard")
		}
		if _, err := a.Admit(t.Context(), nil); !errors.Is(err, socketio.ErrServer) {
			t.Errorf("Admit without a handshake: %v", err)
		}
		synctest.Wait()
		if n := a.Registry().Count(socketio.Filter{}); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
	})
}

// TestFaultsD1CallbacksMayCallBack: callbacks run under no lock, so that they may ask
// anything; Revoke waits for none of them.
func TestFaultsD1CallbacksMayCallBack(t *testing.T) {
	ask := func(r *socketio.Registry) {
		for s := range r.Sessions(socketio.Filter{}) {
			s.EndsAt()
			s.User()
			s.Context()
		}
		r.Count(socketio.Filter{Subject: "ada"})
	}
	synctest.Test(t, func(t *testing.T) {
		r := socketio.NewRegistry(nil)
		calls := make(map[string]int)
		var mu sync.Mutex
		at := func(who string) {
			ask(r)
			mu.Lock()
			defer mu.Unlock()
			calls[who]++
		}
		a := newLive(t, socketio.WithRegistry(r), socketio.SessionLimit(1, socketio.EvictOldest),
			socketio.WithClock(func() time.Time { at("clock"); return time.Now() }),
			socketio.SameIdentity(func(_, _ *verifier.Token) bool { at("SameIdentity"); return true }),
			socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { at("User"); return nil, nil }),
			socketio.OnSuccess(func(*socketio.Session) { at("OnSuccess") }), socketio.OnRenewed(func(*socketio.Session) { at("OnRenewed") }),
			socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { at("OnFailure") }),
			socketio.Observe(socketio.Observer{
				Began:   func(*verifier.Handshake, *verifier.Token) { at("Began") },
				Renewed: func(*verifier.Handshake, *verifier.Token) { at("Renewed") },
				Ended: func(_ *verifier.Handshake, t *verifier.Token, _ time.Duration, _ error) {
					at("Ended")
					_ = r.Revoke(context.Background(), socketio.Revocation{TokenID: t.ID}) // and revoke
				},
				Dropped: func(*verifier.Handshake, *verifier.UnauthorizedError) { at("Dropped") },
			}))
		join(t, a, "ada jti=1 exp=3600")
		g, _ := join(t, a, "ada jti=2 exp=3600") // evicts the first
		g.Authenticate(token("ada jti=3 exp=3600"))
		s := &fakeSocket{}
		a.Attach(s, handshake, nil).Authenticate(token("forged"))
		time.Sleep(time.Minute)
		if err := r.Revoke(t.Context(), socketio.Revocation{Subject: "ada"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for who, least := range map[string]int{"clock": 5, "SameIdentity": 2, "User": 3, "OnSuccess": 2, "OnRenewed": 1, "OnFailure": 4, "Began": 2, "Renewed": 1, "Ended": 2, "Dropped": 1} {
			if calls[who] < least {
				t.Errorf("%s was called %d times, want %d", who, calls[who], least)
			}
		}
	})
}

// TestFaultsD1NobodyWaits: a callback that does not return holds up its own socket, and
// neither Revoke nor another socket.
func TestFaultsD1NobodyWaits(t *testing.T) {
	block := make(chan struct{})
	hang := func(what string) func(string) {
		return func(at string) {
			if at == what {
				<-block
			}
		}
	}
	for _, what := range []string{"OnFailure", "Ended", "Began", "OnSuccess", "OnRenewed"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				block = make(chan struct{})
				at := hang(what)
				only := func(token *verifier.Token, name string) {
					if token.Subject == "mallory" {
						at(name)
					}
				}
				a := newLive(t,
					socketio.OnSuccess(func(s *socketio.Session) { only(s.Token(), "OnSuccess") }), socketio.OnRenewed(func(s *socketio.Session) { only(s.Token(), "OnRenewed") }),
					socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { at("OnFailure") }),
					socketio.Observe(socketio.Observer{
						Began: func(_ *verifier.Handshake, t *verifier.Token) { only(t, "Began") },
						Ended: func(_ *verifier.Handshake, t *verifier.Token, _ time.Duration, _ error) { only(t, "Ended") },
					}))
				s := &fakeSocket{}
				g := a.Attach(s, handshake, nil)
				g.Authenticate(token("mallory"))
				synctest.Wait()
				g.Authenticate(token("mallory"))
				synctest.Wait()
				began := time.Now()
				if err := a.Registry().Revoke(t.Context(), socketio.Revocation{Subject: "mallory"}); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited > 0 {
					t.Errorf("Revoke took %v", waited)
				}
				if s.mu.Lock(); s.closed != 1 {
					t.Errorf("the socket was closed %d times before Revoke returned, want once", s.closed)
				}
				s.mu.Unlock()
				other, _ := join(t, a, "ada")
				other.Closed()
				close(block)
				synctest.Wait()
			})
		})
	}
}

// TestFaultsD1Order: for one socket callbacks come in the order of what happened, one at
// a time, however slow they are.
func TestFaultsD1Order(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var lines []string
		running := 0
		note := func(line string) {
			mu.Lock()
			if running++; running > 1 {
				t.Error("two callbacks of one socket run at once")
			}
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			lines = append(lines, line)
			mu.Unlock()
		}
		a := newLive(t, socketio.Observe(socketio.Observer{
			Began:   func(_ *verifier.Handshake, t *verifier.Token) { note("began " + t.ID) },
			Renewed: func(_ *verifier.Handshake, t *verifier.Token) { note("renewed " + t.ID) },
			Ended:   func(_ *verifier.Handshake, t *verifier.Token, _ time.Duration, _ error) { note("ended " + t.ID) },
		}), socketio.OnFailure(func(_ *verifier.Handshake, err *verifier.UnauthorizedError) { note("failure " + string(err.Reason)) }))
		g := a.Attach(&fakeSocket{}, handshake, nil)
		g.Authenticate(token("ada jti=1"))
		g.Authenticate(token("ada jti=2"))
		time.Sleep(1500 * time.Millisecond) // the second token is in force, and Renewed runs
		for s := range a.Registry().Sessions(socketio.Filter{}) {
			s.End(&verifier.UnauthorizedError{Reason: "banned"})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []string{"began 1", "renewed 2", "ended 2", "failure banned"}; !slices.Equal(lines, want) {
			t.Errorf("got %q, want %q", lines, want)
		}
	})
}

// TestFaultsHPendingLeave: a socket that has left, or was refused, no longer takes the
// place of one that waits to authenticate.
func TestFaultsHPendingLeave(t *testing.T) {
	for name, leave := range map[string]func(g *socketio.Guard, s *fakeSocket){
		"it disconnects":   func(g *socketio.Guard, _ *fakeSocket) { g.Closed() },
		"it is refused":    func(g *socketio.Guard, _ *fakeSocket) { g.Authenticate(token("forged")) },
		"it authenticates": func(g *socketio.Guard, _ *fakeSocket) { g.Authenticate(token("ada")) },
		"it authenticates and leaves": func(g *socketio.Guard, _ *fakeSocket) {
			g.Authenticate(token("ada"))
			synctest.Wait()
			g.Closed()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newLive(t, socketio.MaxPending(2), socketio.DisconnectNow())
				first, s := &fakeSocket{}, &fakeSocket{}
				a.Attach(first, handshake, nil)
				leave(a.Attach(s, handshake, nil), s)
				synctest.Wait()
				a.Attach(&fakeSocket{}, handshake, nil)
				first.want(t)
				a.Attach(&fakeSocket{}, handshake, nil)
				first.want(t, "emit unauthorized too_many_pending/too many connections, try again later/too_many_pending", "close")
				for s := range a.Registry().Sessions(socketio.Filter{}) {
					s.End(nil)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
