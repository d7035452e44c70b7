package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// witness is an observer that writes a line for all that it is told.
type witness struct {
	mu    sync.Mutex
	lines []string
}

func (w *witness) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *witness) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

type traced struct{}

func (w *witness) observer() socketio.Observer {
	return socketio.Observer{
		Verifying: func(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
			how := "handshake"
			if h.InBand {
				how = "event"
			}
			if old != nil {
				how = "renewal of " + old.ID
			}
			return context.WithValue(ctx, traced{}, how), func(t *verifier.Token, err *verifier.UnauthorizedError) {
				switch {
				case t != nil && err != nil:
					w.note("%s: both a token and %v", how, err)
				case err != nil:
					w.note("%s: %s", how, err.Reason)
				case t != nil:
					w.note("%s: %s", how, t.ID)
				default:
					w.note("%s: guest", how)
				}
			}
		},
		Began:   func(h *verifier.Handshake, t *verifier.Token) { w.note("began %s%s", t.ID, h.Namespace) },
		Renewed: func(h *verifier.Handshake, t *verifier.Token) { w.note("renewed %s%s", t.ID, h.Namespace) },
		Ended: func(h *verifier.Handshake, t *verifier.Token, lasted time.Duration, cause error) {
			why := "disconnected"
			if u := (*verifier.UnauthorizedError)(nil); errors.As(cause, &u) {
				why = string(u.Reason)
			} else if cause != socketio.ErrDisconnected {
				why = fmt.Sprintf("cause %v", cause)
			}
			w.note("ended %s%s after %v: %s", t.ID, h.Namespace, lasted, why)
		},
		Dropped: func(h *verifier.Handshake, err *verifier.UnauthorizedError) {
			w.note("dropped %s: %s", h.Namespace, err.Reason)
		},
	}
}

// TestObserver: what observers are told, in which order.
func TestObserver(t *testing.T) {
	type step func(a *socketio.Authorizer, g *socketio.Guard) *socketio.Guard
	admit := func(word string) step {
		return func(a *socketio.Authorizer, _ *socketio.Guard) *socketio.Guard {
			h := &verifier.Handshake{Namespace: "/"}
			if word != "" {
				h = withToken("/", word)
			}
			p, err := a.Admit(context.Background(), h)
			if err != nil {
				return nil
			}
			return a.Attach(&fakeSocket{}, h, p)
		}
	}
	send := func(word string) step {
		return func(a *socketio.Authorizer, g *socketio.Guard) *socketio.Guard {
			if g == nil {
				g = a.Attach(&fakeSocket{}, &verifier.Handshake{Namespace: "/"}, nil)
			}
			if word != "" {
				g.Authenticate(token(word))
			}
			return g
		}
	}
	wait := func(d time.Duration) step {
		return func(_ *socketio.Authorizer, g *socketio.Guard) *socketio.Guard { time.Sleep(d); return g }
	}
	leave := func(_ *socketio.Authorizer, g *socketio.Guard) *socketio.Guard { g.Closed(); g.Closed(); return g }
	byHandshake := socketio.ByHandshake()
	for _, row := range []struct {
		name    string
		options []socketio.Option
		steps   []step
		want    []string
	}{
		{"by handshake", []socketio.Option{byHandshake}, []step{admit("ada jti=1"), leave},
			[]string{"handshake: 1", "began 1/", "ended 1/ after 0s: disconnected"}},
		{"refused", []socketio.Option{byHandshake}, []step{admit("forged")}, []string{"handshake: signature_invalid"}},
		{"nothing presented", []socketio.Option{byHandshake}, []step{admit("")}, []string{"handshake: token_missing"}},
		{"a guest, who then authenticates", []socketio.Option{byHandshake, socketio.Optional()}, []step{admit(""), send("ada jti=1")},
			[]string{"handshake: guest", "began 1/", "event: 1"}},
		{"a guest leaves", []socketio.Option{byHandshake, socketio.Optional()}, []step{admit(""), leave}, []string{"handshake: guest"}},
		{"by event", nil, []step{send("ada jti=1")}, []string{"began 1/", "event: 1"}},
		{"refused for good", []socketio.Option{socketio.DisconnectNow()}, []step{send("late")}, []string{"event: token_expired", "dropped /: token_expired"}},
		{"at the second attempt", nil, []step{send("late"), send("ada jti=1")}, []string{"event: token_expired", "began 1/", "event: 1"}},
		{"in silence", nil, []step{send(""), wait(time.Minute)}, []string{"dropped /: authentication_timeout"}},
		{"too many wait", []socketio.Option{socketio.MaxPending(1)}, []step{send(""), func(a *socketio.Authorizer, _ *socketio.Guard) *socketio.Guard {
			return send("")(a, nil)
		}}, []string{"dropped /: too_many_pending"}},
		{"gone before", nil, []step{send(""), leave}, nil},
		{"renewed, then expired", nil, []step{send("ada jti=1 exp=60"), wait(30 * time.Second), send("ada jti=2 exp=60"), wait(time.Hour)},
			[]string{"began 1/", "event: 1", "renewed 2/", "renewal of 1: 2", "ended 2/ after 1m30s: token_expired"}},
		{"renewed by another", nil, []step{send("ada jti=1"), send("bob jti=2")}, []string{"began 1/", "event: 1", "renewal of 1: identity_mismatch"}},
		{"revoked", nil, []step{send("ada jti=1"), func(a *socketio.Authorizer, g *socketio.Guard) *socketio.Guard {
			if err := a.Registry().Revoke(context.Background(), socketio.Revocation{TokenID: "1"}); err != nil {
				panic(err)
			}
			return g
		}, send("ada jti=1")}, []string{"began 1/", "event: 1", "ended 1/ after 0s: token_revoked"}},
		{"one too many", []socketio.Option{byHandshake, socketio.SessionLimit(1, socketio.RejectNewest)}, []step{admit("ada jti=1"), admit("ada jti=2")},
			[]string{"handshake: 1", "began 1/", "handshake: session_limit"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w witness
				a := newLive(t, append(row.options, socketio.Observe(w.observer()))...)
				var g *socketio.Guard
				for _, do := range row.steps {
					g = do(a, g)
					synctest.Wait()
				}
				if got := w.heard(); !slices.Equal(got, row.want) {
					t.Errorf("got\n\t%q\nwant\n\t%q", got, row.want)
				}
				for s := range a.Registry().Sessions(socketio.Filter{}) {
					s.End(nil)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

// TestObserverContext: the verification runs in the observer's context, of
// several in all of theirs; one that panics or has only some of the functions
// does no harm.
func TestObserverContext(t *testing.T) {
	var w, second witness
	var seen any
	var log strings.Builder
	auth := func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
		seen = ctx.Value(traced{})
		return &verifier.Token{ID: "1"}, nil
	}
	a, err := socketio.New(socketio.AuthenticatorFunc(auth), socketio.ByHandshake(), socketio.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		socketio.Observe(w.observer()),
		socketio.Observe(socketio.Observer{Began: second.observer().Began}),
		socketio.Observe(socketio.Observer{
			Verifying: func(context.Context, *verifier.Handshake, *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
				panic("an observer's")
			},
			Ended: func(*verifier.Handshake, *verifier.Token, time.Duration, error) { panic("another") },
		}))
	if err != nil {
		t.Fatal(err)
	}
	h := &verifier.Handshake{Namespace: "/"}
	p, err := a.Admit(t.Context(), h)
	if err != nil || seen != "handshake" {
		t.Fatalf("%v, in a context with %v", err, seen)
	}
	a.Attach(&fakeSocket{}, h, p).Closed()
	if want := []string{"handshake: 1", "began 1/"}; len(w.lines) != 3 || !slices.Equal(w.lines[:2], want) {
		t.Errorf("the first heard %q", w.lines)
	}
	if !slices.Equal(second.lines, []string{"began 1/"}) {
		t.Errorf("the second heard %q", second.lines)
	}
	if n := strings.Count(log.String(), "an Observer panicked"); n != 2 {
		t.Errorf("%d panics are logged, want 2:\n%s", n, log.String())
	}
	_, err = socketio.New(socketio.AuthenticatorFunc(auth), socketio.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))), socketio.Observe(socketio.Observer{}))
	if err == nil || err.Error() != "socketio: Observe: the observer has no function" {
		t.Errorf("an observer without a function: %v", err)
	}
}
