package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsD2Reason: whatever an application leaves out of a refusal, everybody is told
// a reason.
func TestFaultsD2Reason(t *testing.T) {
	for name, err := range map[string]error{
		"empty": &verifier.UnauthorizedError{}, "only a code": &verifier.UnauthorizedError{Code: "c"}, "wrapped": fmt.Errorf("x: %w", &verifier.UnauthorizedError{}),
	} {
		synctest.Test(t, func(t *testing.T) {
			var told *verifier.UnauthorizedError
			g, s := join(t, newLive(t, socketio.OnFailure(func(_ *verifier.Handshake, err *verifier.UnauthorizedError) { told = err })), "ada")
			session := g.Session()
			session.End(err)
			synctest.Wait()
			for who, err := range map[string]error{"the binding": s.cause, "OnFailure": told, "the context": context.Cause(session.Context())} {
				if u := (*verifier.UnauthorizedError)(nil); !errors.As(err, &u) || u.Reason != verifier.ErrRejected || u.Message == "" || u.Code == "" {
					t.Errorf("%s: %s is told %+v", name, who, u)
				}
			}
		})
	}
}

type customError struct{ text string }

func (e *customError) Error() string { return e.text } // of a nil pointer it panics

// TestFaultsD3TypedNil: an error that holds a nil pointer is an error, wherever a
// callback returns it.
func TestFaultsD3TypedNil(t *testing.T) {
	good := &verifier.Token{Subject: "ada"}
	errs := map[string]error{
		"*UnauthorizedError": (*verifier.UnauthorizedError)(nil), "another type": (*customError)(nil),
		"wrapped": fmt.Errorf("wrapped: %w", (*verifier.UnauthorizedError)(nil)), "joined": errors.Join(errors.New("a"), (*verifier.UnauthorizedError)(nil)),
	}
	for name, typed := range errs {
		who := map[string]func() (socketio.AuthenticatorFunc, []socketio.Option, *fakeSocket){
			"Authenticator": func() (socketio.AuthenticatorFunc, []socketio.Option, *fakeSocket) {
				return func(context.Context, *verifier.Handshake) (*verifier.Token, error) { return good, typed }, nil, &fakeSocket{}
			},
			"User": func() (socketio.AuthenticatorFunc, []socketio.Option, *fakeSocket) {
				return func(context.Context, *verifier.Handshake) (*verifier.Token, error) { return good, nil }, []socketio.Option{
					socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { return nil, typed })}, &fakeSocket{}
			},
			"OnAuthenticated": func() (socketio.AuthenticatorFunc, []socketio.Option, *fakeSocket) {
				return func(context.Context, *verifier.Handshake) (*verifier.Token, error) { return good, nil }, nil,
					&fakeSocket{onAuthenticated: func(*socketio.Session) error { return typed }}
			},
		}
		for where, make := range who {
			for _, how := range []socketio.Option{socketio.ByEvent(), socketio.ByHandshake()} {
				t.Run(where+", "+name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						auth, options, s := make()
						a, err := socketio.New(auth, append(options, quiet(), how)...)
						if err != nil {
							t.Fatal(err)
						}
						if p, err := a.Admit(t.Context(), handshake); err == nil {
							g := a.Attach(s, handshake, p)
							if p == nil {
								g.Authenticate(token("x"))
							}
							time.Sleep(time.Minute)
							if g.Session() != nil {
								t.Error("there is a session")
							}
							if s.cause == nil {
								t.Error("the socket is not closed")
							}
						} else if !errors.Is(err, verifier.ErrRejected) || err.Error() == "" {
							t.Errorf("refused by %v", err)
						}
						if a.Registry().Count(socketio.Filter{}) != 0 {
							t.Error("the registry has a session")
						}
					})
				})
			}
		}
		synctest.Test(t, func(t *testing.T) {
			g, s := join(t, newLive(t), "ada")
			g.Session().End(typed)
			s.want(t, "emit unauthorized unknown/rejected by the server/rejected", "close")
		})
	}
}

// TestFaultsD4Misuse: options that contradict each other are an error of New.
func TestFaultsD4Misuse(t *testing.T) {
	user := socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { return nil, nil })
	same := socketio.SameIdentity(func(_, _ *verifier.Token) bool { return true })
	never := verifier.KeyProviderFunc(nil)
	verify := func(e verifier.Extractor) socketio.Authenticator {
		v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) { return nil, nil }), verifier.WithExtractor(e))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		name    string
		auth    socketio.Authenticator
		options []socketio.Option
		want    string // in the error; "" for none
	}{
		{"User twice", nil, []socketio.Option{user, user}, "User is given twice"},
		{"SameIdentity twice", nil, []socketio.Option{same, same}, "SameIdentity is given twice"},
		{"Timeout twice", nil, []socketio.Option{socketio.Timeout(1), socketio.Timeout(2)}, "Timeout is given twice"},
		{"registries", nil, []socketio.Option{socketio.WithRegistry(socketio.NewRegistry(nil)), socketio.WithRegistry(socketio.NewRegistry(nil))}, "WithRegistry is given twice"},
		{"F3 ByHandshake and ByEvent", nil, []socketio.Option{socketio.ByHandshake(), socketio.ByEvent()}, "exclude each other"},
		{"ByEvent and ByHandshake", nil, []socketio.Option{socketio.ByEvent(), socketio.ByHandshake()}, "exclude each other"},
		{"DisconnectNow and DisconnectAfter", nil, []socketio.Option{socketio.DisconnectNow(), socketio.DisconnectAfter(1)}, "exclude each other"},
		{"defaults are replaced", nil, []socketio.Option{socketio.Defaults(socketio.ByHandshake(), socketio.Timeout(1)), socketio.ByEvent(), socketio.Timeout(2)}, ""},
		{"after defaults once", nil, []socketio.Option{socketio.Defaults(socketio.Timeout(1)), socketio.Timeout(2), socketio.Timeout(3)}, "Timeout is given twice"},
		{"defaults after", nil, []socketio.Option{socketio.Timeout(2), socketio.Defaults(socketio.Timeout(1))}, "Timeout is given twice"},
		{"what adds up", nil, []socketio.Option{socketio.OnSuccess(func(*socketio.Session) {}), socketio.OnSuccess(func(*socketio.Session) {})}, ""},
		{"F3 nil verifier", (*verifier.Verifier)(nil), nil, "the authenticator is nil"},
		{"F3 nil function", socketio.AuthenticatorFunc(nil), nil, "the authenticator is nil"},
		{"F3 nil provider", nil, []socketio.Option{socketio.EndOnWithdrawnKey(never, time.Minute)}, "the key provider is nil"},
		{"F3 header by event", verify(verifier.RequireBearerHeader()), nil, "use ByHandshake"},
		{"F3 header by handshake", verify(verifier.RequireBearerHeader()), []socketio.Option{socketio.ByHandshake()}, ""},
		{"query by event", verify(verifier.Query("t")), []socketio.Option{socketio.ByEvent()}, "use ByHandshake"},
		{"header or query by event", verify(verifier.OneOf(verifier.BearerHeader(), verifier.Query("t"))), nil, "use ByHandshake"},
		{"cookie by event", verify(verifier.Cookie("jwt")), nil, ""},
		{"header or payload by event", verify(verifier.DefaultExtractor()), nil, ""},
		{"a custom extractor", verify(verifier.ExtractorFunc(func(context.Context, *verifier.Handshake) (string, error) { return "", nil })), nil, ""},
	}
	for _, event := range []string{"disconnect", "connect", "connect_error", "error", "disconnecting", "newListener", "removeListener", "reconnect", "ping", "authenticated"} {
		tests = append(tests, struct {
			name    string
			auth    socketio.Authenticator
			options []socketio.Option
			want    string
		}{"notice " + event, nil, []socketio.Option{socketio.ExpiryNotice(event, time.Minute)}, "has another meaning"})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			auth := test.auth
			if auth == nil {
				auth = socketio.AuthenticatorFunc(words)
			}
			_, err := socketio.New(auth, test.options...)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("New: %v, want %q", err, test.want)
			}
		})
	}
}

// TestFaultsD4WaitInOnSuccess: what waits for itself ends its own session, in a while.
func TestFaultsD4WaitInOnSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.OnSuccess(func(s *socketio.Session) { s.Wait() }))
		s := &fakeSocket{}
		g := a.Attach(s, handshake, nil)
		g.Authenticate(token("ada"))
		time.Sleep(29 * time.Second)
		s.want(t, "open authenticated", "handlers for ada")
		time.Sleep(time.Second)
		s.want(t, "emit unauthorized internal_error/internal server error/server_error", "close")
		if g.Session() != nil {
			t.Error("the session lives")
		}
	})
}

// TestFaultsD4Hang: a function that ignores its context holds its handshake until the
// timeout and a grace, not forever; and not any number of them.
func TestFaultsD4Hang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var hanging atomic.Int64
		a, err := socketio.New(socketio.AuthenticatorFunc(words), quiet(), socketio.ByHandshake(), socketio.MaxFailures(0, 0),
			socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) {
				hanging.Add(1)
				<-release
				return nil, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		admit := func() {
			_, err := a.Admit(t.Context(), withToken("/", "ada"))
			if u := verifier.AsUnauthorized(err); u == nil || !u.Retryable || u.Reason != socketio.ErrTimeout {
				t.Errorf("got %v, want a retryable timeout", err)
			}
		}
		began := time.Now()
		admit()
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("Admit took %v", took)
		}
		var all sync.WaitGroup
		for range 1500 {
			all.Go(admit)
		}
		all.Wait()
		before := hanging.Load()
		for range 100 {
			admit()
		}
		if n := hanging.Load(); n != before {
			t.Errorf("%d more calls were begun though %d hang", n-before, before)
		}
		close(release)
		synctest.Wait()
		if _, err := a.Admit(t.Context(), withToken("/", "ada")); err != nil {
			t.Errorf("when they have returned: %v", err)
		}
	})
}

// panicking is a socket whose methods panic.
type panicking struct{ at string }

func (p *panicking) may(at string) {
	if p.at == at {
		panic("boom in " + at)
	}
}
func (*panicking) ID() string                              { return "" }
func (p *panicking) Emit(string, func(), ...any)           { p.may("Emit") }
func (p *panicking) Open(string)                           { p.may("Open") }
func (p *panicking) Authenticated(*socketio.Session) error { p.may("Authenticated"); return nil }
func (p *panicking) Close(error, string, ...any)           { p.may("Close") }

// TestFaultsDPanics: no panic of a callback, of a clock or of a binding ends the process
// or another socket; and the lock of none is left behind.
func TestFaultsDPanics(t *testing.T) {
	for _, where := range []string{
		"Emit", "Open", "Authenticated", "Close", "clock", "SameIdentity", "OnSuccess", "OnRenewed", "OnFailure", "Began", "Renewed", "Ended", "Dropped", "Verifying", "decided", "User", "ClientAddress", "keys",
	} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var on atomic.Bool
				may := func(at string) {
					if on.Load() && at == where {
						panic("boom in " + at)
					}
				}
				a := newLive(t, socketio.SessionLimit(5, socketio.EvictOldest),
					socketio.WithClock(func() time.Time { may("clock"); return time.Now() }),
					socketio.SameIdentity(func(_, _ *verifier.Token) bool { may("SameIdentity"); return true }),
					socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) { may("User"); return nil, nil }),
					socketio.ClientAddress(func(*verifier.Handshake) string { may("ClientAddress"); return "" }),
					socketio.OnSuccess(func(*socketio.Session) { may("OnSuccess") }), socketio.OnRenewed(func(*socketio.Session) { may("OnRenewed") }),
					socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { may("OnFailure") }),
					socketio.Observe(socketio.Observer{
						Verifying: func(ctx context.Context, _ *verifier.Handshake, _ *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
							may("Verifying")
							return ctx, func(*verifier.Token, *verifier.UnauthorizedError) { may("decided") }
						},
						Began:   func(*verifier.Handshake, *verifier.Token) { may("Began") },
						Renewed: func(*verifier.Handshake, *verifier.Token) { may("Renewed") },
						Ended:   func(*verifier.Handshake, *verifier.Token, time.Duration, error) { may("Ended") },
						Dropped: func(*verifier.Handshake, *verifier.UnauthorizedError) { may("Dropped") },
					}))
				bystander, _ := join(t, a, "bob")
				on.Store(true)
				live := a.Attach(&panicking{where}, handshake, nil)
				live.Authenticate(token("ada exp=100 jti=1"))
				synctest.Wait()
				live.Authenticate(token("ada exp=100 jti=2"))
				live.Authenticate(token("forged"))
				time.Sleep(50 * time.Second) // the notice
				silent := a.Attach(&panicking{where}, handshake, nil)
				time.Sleep(100 * time.Second) // both ends
				if live.Session() != nil || silent.Session() != nil {
					t.Error("a session is left")
				}
				on.Store(false)
				if bystander.Session() == nil {
					t.Error("the bystander's session ended")
				}
				if n := a.Registry().Count(socketio.Filter{}); n != 1 {
					t.Errorf("%d sessions are left, want the bystander's", n)
				}
				bystander.Closed()
			})
		})
	}
}

// wild is a log handler that panics, at Enabled or at Handle.
type wild struct{ enabled bool }

func (w wild) Enabled(context.Context, slog.Level) bool {
	if !w.enabled {
		panic("enabled")
	}
	return true
}
func (w wild) Handle(context.Context, slog.Record) error { panic("handle") }
func (w wild) WithAttrs([]slog.Attr) slog.Handler        { return w }
func (w wild) WithGroup(string) slog.Handler             { return w }

// TestFaultsDWildLogger: a log that panics ends nothing.
func TestFaultsDWildLogger(t *testing.T) {
	for _, handler := range []slog.Handler{wild{true}, wild{false}} {
		synctest.Test(t, func(t *testing.T) {
			logger := slog.New(handler)
			r := socketio.NewRegistry(&socketio.RegistryOptions{Logger: logger})
			options := []socketio.Option{
				socketio.WithLogger(logger), socketio.WithRegistry(r), socketio.Audit(logger), socketio.AllowRoom("a"),
				socketio.EndOnWithdrawnKey(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
					return nil, errors.New("out of reach")
				}), time.Minute),
				socketio.OnFailure(func(*verifier.Handshake, *verifier.UnauthorizedError) { panic("and the callback, too") }),
			}
			a, err := socketio.New(rawTokens(t), options...)
			if err != nil {
				t.Fatal(err)
			}
			g, s := begun(t, a, signed(`{"iss":"i","sub":"ada"}`))
			g.Authenticate(token(signed(`{"iss":"i","sub":"ada","jti":"2"}`)))
			g.Authenticate(token("nonsense"))
			_ = g.Join(t.Context(), "b", "", func() {})
			time.Sleep(2 * time.Minute)
			s.mu.Lock()
			s.log = nil
			s.mu.Unlock()
			if err := r.Revoke(t.Context(), socketio.Revocation{Subject: "ada"}); err != nil {
				t.Fatal(err)
			}
			s.want(t, revoked, "close")
			a.Attach(&fakeSocket{}, nil, nil)
			time.Sleep(time.Minute)
			admitting, err := socketio.New(rawTokens(t), socketio.WithLogger(logger), socketio.ByHandshake(), socketio.Optional())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := admitting.Admit(t.Context(), withToken("/", "nonsense")); !errors.Is(err, verifier.ErrTokenMalformed) {
				t.Error(err)
			}
			if _, err := admitting.Admit(t.Context(), &verifier.Handshake{}); err != nil {
				t.Error(err)
			}
		})
	}
}
