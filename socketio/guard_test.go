package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSocket is a [socketio.Socket] that records what is asked of it, in order,
// as one line each.
type fakeSocket struct {
	onAuthenticated func(*socketio.Session) error

	mu     sync.Mutex
	log    []string
	acks   []func()
	cause  error
	closed int
}

func (s *fakeSocket) ID() string { return "socket-1" }

func (s *fakeSocket) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *fakeSocket) Emit(event string, ack func(), args ...any) {
	s.emit(event, args)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(s.acks, ack)
}

func (s *fakeSocket) emit(event string, args []any) {
	line := "emit " + event
	for _, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		var u struct {
			Message string
			Data    struct{ Code, Reason string }
			In      *int `json:"expires_in"`
		}
		if err := json.Unmarshal(b, &u); err == nil && u.In != nil {
			line += fmt.Sprintf(" in %d s", *u.In)
		} else if err == nil {
			line += fmt.Sprintf(" %s/%s/%s", u.Data.Code, u.Message, u.Data.Reason)
		}
	}
	s.note("%s", line)
}

func (s *fakeSocket) Open(event string) { s.note("open %s", event) }

func (s *fakeSocket) Authenticated(sess *socketio.Session) error {
	s.note("handlers for %s", sess.Token().Subject)
	if s.onAuthenticated != nil {
		return s.onAuthenticated(sess)
	}
	return nil
}

func (s *fakeSocket) Close(cause error, event string, args ...any) {
	if event != "" {
		s.emit(event, args)
	}
	s.note("close")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cause = cause
	s.closed++
}

// ack acknowledges the last event that asked for it.
func (s *fakeSocket) ack() {
	s.mu.Lock()
	f := s.acks[len(s.acks)-1]
	s.mu.Unlock()
	f()
}

func (s *fakeSocket) want(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !reflect.DeepEqual(s.log, lines) && len(s.log)+len(lines) > 0 {
		t.Errorf("the socket saw\n\t%q\nwant\n\t%q", s.log, lines)
	}
	s.log = nil
}

var errDown = errors.New("db at 10.0.0.1 is down")

// authenticate is an authenticator whose tokens are words: "u1" is a token of
// the subject u1.
func authenticate(_ context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	raw, err := verifier.DefaultExtractor().Extract(context.Background(), h)
	if err != nil {
		return nil, err
	}
	switch raw {
	case "":
		return nil, &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing}
	case "bad":
		return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid signature", Reason: verifier.ErrSignatureInvalid}
	case "down":
		return nil, errDown
	case "panic":
		panic("boom")
	case "nothing":
		return nil, nil
	}
	return &verifier.Token{Subject: raw, Issuer: "issuer"}, nil
}

func newAuthorizer(t *testing.T, options ...socketio.Option) *socketio.Authorizer {
	t.Helper()
	options = append([]socketio.Option{socketio.Defaults(socketio.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))}, options...)
	a, err := socketio.New(socketio.AuthenticatorFunc(authenticate), options...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func token(word string) any { return map[string]any{"token": word} }

// handshake carries a stale token, which an attempt by event must not find.
var handshake = &verifier.Handshake{Namespace: "/", RemoteAddr: "192.0.2.1:1234", Query: url.Values{"token": {"stale"}}}

// TestByEvent drives a socket that authenticates by event through scripts of
// steps, each followed by what the socket must have seen.
func TestByEvent(t *testing.T) {
	const (
		badSignature = "emit unauthorized invalid_token/invalid signature/signature_invalid"
		noDatatype   = "emit unauthorized invalid_token/invalid token datatype/"
	)
	type step struct {
		do   func(g *socketio.Guard, s *fakeSocket)
		want []string
	}
	auth := func(data any) func(*socketio.Guard, *fakeSocket) {
		return func(g *socketio.Guard, _ *fakeSocket) { g.Authenticate(data) }
	}
	pass := func(d time.Duration) func(*socketio.Guard, *fakeSocket) {
		return func(*socketio.Guard, *fakeSocket) { time.Sleep(d) } // virtual time
	}
	ack := func(_ *socketio.Guard, s *fakeSocket) { s.ack() }
	nothing := func(*socketio.Guard, *fakeSocket) {}

	tests := []struct {
		name    string
		options []socketio.Option
		steps   []step
		session bool
		cause   error // of the close, nil if still open
	}{
		{name: "a good token", session: true, steps: []step{
			{nothing, nil},
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
			{pass(time.Hour), nil},
		}},
		{name: "silence until the deadline", cause: socketio.ErrTimeout, steps: []step{
			{pass(5*time.Second - 1), nil},
			{pass(1), []string{"emit unauthorized credentials_required/no token provided in time/authentication_timeout", "close"}},
			{auth(token("u1")), nil},
		}},
		{name: "a failed attempt does not stop the deadline", cause: socketio.ErrTimeout, steps: []step{
			{pass(4 * time.Second), nil},
			{auth(token("bad")), []string{badSignature}},
			{pass(time.Second), []string{"close"}},
		}},
		{name: "the acknowledgement disconnects", cause: verifier.ErrSignatureInvalid, steps: []step{
			{auth(token("bad")), []string{badSignature}},
			{ack, []string{"close"}},
			{ack, nil},
		}},
		{name: "a second attempt may succeed, and a late acknowledgement changes nothing", session: true, steps: []step{
			{auth(token("bad")), []string{badSignature}},
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
			{ack1, nil},
			{pass(time.Hour), nil},
		}},
		{name: "three failures are enough", cause: verifier.ErrSignatureInvalid, steps: []step{
			{auth(token("bad")), []string{badSignature}},
			{auth(token("bad")), []string{badSignature}},
			{auth(token("bad")), []string{badSignature, "close"}},
		}},
		{name: "disconnect at once", options: []socketio.Option{socketio.DisconnectNow()}, cause: verifier.ErrSignatureInvalid, steps: []step{
			{auth(token("bad")), []string{badSignature, "close"}},
		}},
		{name: "disconnect after a while", options: []socketio.Option{socketio.DisconnectAfter(time.Second)}, cause: socketio.ErrTimeout, steps: []step{
			{auth(token("bad")), []string{badSignature}},
			{pass(time.Second - 1), nil},
			{pass(1), []string{"close"}},
		}},
		{name: "a while never outlasts the deadline", options: []socketio.Option{socketio.DisconnectAfter(time.Hour)}, cause: socketio.ErrTimeout, steps: []step{
			{auth(token("bad")), []string{badSignature}},
			{pass(5 * time.Second), []string{"close"}},
		}},
		{name: "after a while, or at the acknowledgement", options: []socketio.Option{socketio.DisconnectAfter(time.Second)}, cause: verifier.ErrSignatureInvalid, steps: []step{
			{auth(token("bad")), []string{badSignature}},
			{ack, []string{"close"}},
		}},
		{name: "no token in it", steps: []step{{auth(map[string]any{}), []string{noDatatype + "token_missing"}}}},
		{name: "no argument", steps: []step{{auth(nil), []string{noDatatype + "token_missing"}}}},
		{name: "an empty token", steps: []step{{auth(token("")), []string{"emit unauthorized invalid_token/jwt must be provided/token_missing"}}}},
		{name: "a token of the handshake does not conflict with the event's", session: true, steps: []step{
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
		}},
		{name: "an argument that is no object", steps: []step{{auth("u1"), []string{noDatatype + "token_malformed"}}}},
		{name: "internals stay here", steps: []step{
			{auth(token("down")), []string{"emit unauthorized unknown/rejected by the server/rejected"}},
			{auth(token("panic")), []string{"emit unauthorized internal_error/internal server error/server_error"}},
		}},
		{name: "an authenticator without an answer", steps: []step{
			{auth(token("nothing")), []string{"emit unauthorized unknown/rejected by the server/rejected"}},
		}},
		{name: "renewal", session: true, steps: []step{
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
			{auth(token("u1")), []string{"emit authenticated"}},
		}},
		{name: "renewal by another user leaves the session as it was", session: true, steps: []step{
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
			{auth(token("u2")), []string{"emit unauthorized invalid_token/the token is not the same user's/identity_mismatch"}},
			{ack0, nil},
			{pass(time.Hour), nil},
		}},
		{name: "renewals that keep failing end the session", cause: verifier.ErrSignatureInvalid, steps: []step{
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
			{auth(token("bad")), []string{badSignature}},
			{auth(token("bad")), []string{badSignature}},
			{auth(token("bad")), []string{badSignature, "close"}},
		}},
		{name: "a guest stays, and may become a user", options: []socketio.Option{socketio.Optional()}, session: true, steps: []step{
			{nothing, []string{"open "}},
			{pass(time.Hour), nil},
			{auth(token("bad")), []string{badSignature}},
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
		}},
		{name: "a user function refuses", options: []socketio.Option{socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
			return nil, &verifier.UnauthorizedError{Code: "banned", Message: "you are banned"}
		})}, steps: []step{
			{auth(token("u1")), []string{"emit unauthorized banned/you are banned/rejected"}},
		}},
		{name: "a success hook that panics ends the session", options: []socketio.Option{socketio.OnSuccess(func(*socketio.Session) { panic("boom") })}, cause: socketio.ErrServer, steps: []step{
			{auth(token("u1")), []string{"open authenticated", "handlers for u1", "emit unauthorized internal_error/internal server error/server_error", "close"}},
		}},
		{name: "the socket goes away", steps: []step{
			{auth(token("u1")), []string{"open authenticated", "handlers for u1"}},
			{func(g *socketio.Guard, _ *fakeSocket) { g.Closed(); g.Closed() }, nil},
			{auth(token("u1")), nil},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeSocket{}
				g := newAuthorizer(t, test.options...).Attach(s, handshake, nil)
				defer g.Closed()
				for i, step := range test.steps {
					step.do(g, s)
					s.want(t, step.want...)
					if t.Failed() {
						t.Fatalf("at step %d", i)
					}
				}
				if got := g.Session() != nil; got != test.session {
					t.Errorf("session: %v, want %v", got, test.session)
				}
				if !errors.Is(s.cause, test.cause) {
					t.Errorf("closed by %v, want %v", s.cause, test.cause)
				}
				if s.closed > 1 {
					t.Errorf("closed %d times", s.closed)
				}
			})
		})
	}
}

// ack0 and ack1 acknowledge the first event that asked for it, if any did.
func ack0(g *socketio.Guard, s *fakeSocket) { ack1(g, s) }
func ack1(_ *socketio.Guard, s *fakeSocket) {
	for _, f := range s.acks {
		if f != nil {
			f()
			return
		}
	}
}

func TestByHandshake(t *testing.T) {
	tests := []struct {
		name     string
		token    string
		optional bool
		pass     bool
		reason   error
	}{
		{"a good token", "u1", false, true, nil},
		{"none", "", false, false, verifier.ErrTokenMissing},
		{"a bad one", "bad", false, false, verifier.ErrSignatureInvalid},
		{"a guest", "", true, false, nil},
		{"a guest does not come in by a bad token", "bad", true, false, verifier.ErrSignatureInvalid},
		{"a panic", "panic", false, false, socketio.ErrServer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var failures []*verifier.UnauthorizedError
				options := []socketio.Option{socketio.ByHandshake(), socketio.OnFailure(func(_ *verifier.Handshake, err *verifier.UnauthorizedError) {
					failures = append(failures, err)
				})}
				if test.optional {
					options = append(options, socketio.Optional())
				}
				a := newAuthorizer(t, options...)
				h := verifier.Handshake{Namespace: "/"}
				if test.token != "" {
					h.Auth = token(test.token)
				}
				p, err := a.Admit(t.Context(), &h)
				if !errors.Is(err, test.reason) || (p != nil) != test.pass {
					t.Fatalf("Admit: %v, %v; want pass %v, error %v", p, err, test.pass, test.reason)
				}
				if err != nil {
					if len(failures) != 1 || failures[0] != err {
						t.Errorf("OnFailure saw %v, want the refusal once", failures)
					}
					return
				}
				s := &fakeSocket{}
				g := a.Attach(s, &h, p)
				if test.pass {
					s.want(t, "open ", "handlers for u1")
				} else {
					s.want(t, "open ")
				}
				g.Closed()
			})
		})
	}
}

// TestSession looks at what the application gets.
func TestSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, release := make(chan *socketio.Session, 1), make(chan struct{})
		s := &fakeSocket{onAuthenticated: func(s *socketio.Session) error {
			started <- s
			<-release
			return nil
		}}
		a := newAuthorizer(t, socketio.User(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) (any, error) {
			return "user " + t.Subject, nil
		}))
		g := a.Attach(s, handshake, nil)
		g.Authenticate(token("u1"))
		session := <-started
		if session.User() != "user u1" || session.Token().Subject != "u1" || session.SocketID() != "socket-1" || session.Namespace() != "/" {
			t.Errorf("session: %v, %v, %q, %q", session.User(), session.Token(), session.SocketID(), session.Namespace())
		}
		if session.Handshake().Auth != nil {
			t.Error("the session keeps the token's payload")
		}

		// Events wait until the application has set the socket up.
		waited := make(chan bool, 1)
		go func() { waited <- session.Wait() }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("Wait returned while the handlers were still running")
		default:
		}
		close(release)
		if !<-waited {
			t.Error("Wait says the session is dead")
		}

		g.Closed()
		<-session.Context().Done()
		if cause := context.Cause(session.Context()); !errors.Is(cause, socketio.ErrDisconnected) {
			t.Errorf("the session ended by %v, want ErrDisconnected", cause)
		}
		if session.Wait() {
			t.Error("Wait says the session is live")
		}
	})
}

// TestWaitUnblocks: who waits for a session that ends before it is set up is
// let go.
func TestWaitUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		sessions := make(chan *socketio.Session, 1)
		s := &fakeSocket{onAuthenticated: func(s *socketio.Session) error { sessions <- s; <-block; return nil }}
		g := newAuthorizer(t).Attach(s, handshake, nil)
		g.Authenticate(token("u1"))
		session := <-sessions
		g.Closed()
		if session.Wait() {
			t.Error("Wait says the session is live")
		}
		close(block)
	})
}

// TestSlowVerification: the deadline ends a socket whose verification hangs, the
// verification's context ends with it, and its late result counts for nothing.
func TestSlowVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finished := make(chan error, 1)
		a, err := socketio.New(socketio.AuthenticatorFunc(func(ctx context.Context, _ *verifier.Handshake) (*verifier.Token, error) {
			<-ctx.Done()
			finished <- context.Cause(ctx)
			return &verifier.Token{Subject: "late"}, nil
		}), socketio.Timeout(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		s := &fakeSocket{}
		g := a.Attach(s, handshake, nil)
		time.Sleep(time.Second / 2)
		g.Authenticate(token("u1"))
		s.want(t)
		time.Sleep(time.Second / 2)
		s.want(t, "emit unauthorized credentials_required/no token provided in time/authentication_timeout", "close")
		if cause := <-finished; !errors.Is(cause, socketio.ErrTimeout) {
			t.Errorf("the verification was ended by %v, want ErrTimeout", cause)
		}
		s.want(t)
		if g.Session() != nil {
			t.Error("a late result made a session")
		}
	})
}

// TestFlood: who sends attempts faster than they are looked at is disconnected,
// and nothing else than MaxAttempts+1 are ever held. TestOutOfTime: a
// verification that the server gives up, wherever it hung, is nothing that its
// client has to stay away for.
func TestOutOfTime(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("the database: %w", ctx.Err()) }
	for name, test := range map[string]struct {
		authenticator socketio.AuthenticatorFunc
		options       []socketio.Option
	}{
		"the authenticator": {func(ctx context.Context, _ *verifier.Handshake) (*verifier.Token, error) {
			return nil, hang(ctx)
		}, nil},
		"a validator": {func(ctx context.Context, _ *verifier.Handshake) (*verifier.Token, error) {
			return nil, verifier.AsUnauthorized(hang(ctx)) // as a Verifier has it
		}, nil},
		"User": {authenticate, []socketio.Option{
			socketio.User(func(ctx context.Context, _ *verifier.Token, _ *verifier.Handshake) (any, error) {
				return nil, hang(ctx)
			}),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, err := socketio.New(test.authenticator, append(test.options, socketio.ByHandshake())...)
				if err != nil {
					t.Fatal(err)
				}
				_, err = a.Admit(t.Context(), &verifier.Handshake{Query: url.Values{"token": {"u1"}}})
				u := verifier.AsUnauthorized(err)
				if u == nil || !u.Retryable || !errors.Is(err, socketio.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the error is %+v, want a retryable timeout", u)
				}
			})
		})
	}
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		a, err := socketio.New(socketio.AuthenticatorFunc(func(ctx context.Context, _ *verifier.Handshake) (*verifier.Token, error) {
			asked++
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		if err != nil {
			t.Fatal(err)
		}
		s := &fakeSocket{}
		g := a.Attach(s, handshake, nil)
		for range 1000 {
			g.Authenticate(token("u1"))
		}
		s.want(t, "emit unauthorized invalid_token/too many attempts/too_many_attempts", "close")
		if asked > 1 {
			t.Errorf("%d verifications were begun, want one at most", asked)
		}
	})
}

func TestNewRefusesNonsense(t *testing.T) {
	good := socketio.AuthenticatorFunc(authenticate)
	tests := []struct {
		name   string
		auth   socketio.Authenticator
		option socketio.Option
		want   string
	}{
		{"no authenticator", nil, socketio.ByEvent(), "socketio: New: the authenticator is nil"},
		{"nil option", good, nil, "socketio: New: an option is nil"},
		{"timeout", good, socketio.Timeout(0), "socketio: Timeout is 0s: expected a positive duration"},
		{"attempts", good, socketio.MaxAttempts(-1), "socketio: MaxAttempts is -1: expected a positive number"},
		{"after", good, socketio.DisconnectAfter(0), "socketio: DisconnectAfter is 0s: expected a positive duration (DisconnectNow disconnects at once)"},
		{"user", good, socketio.User(nil), "socketio: User: the function is nil"},
		{"success", good, socketio.OnSuccess(nil), "socketio: OnSuccess: the function is nil"},
		{"failure", good, socketio.OnFailure(nil), "socketio: OnFailure: the function is nil"},
		{"logger", good, socketio.WithLogger(nil), "socketio: WithLogger: the logger is nil"},
		{"clock", good, socketio.WithClock(nil), "socketio: WithClock: the clock is nil"},
		{"renewed", good, socketio.OnRenewed(nil), "socketio: OnRenewed: the function is nil"},
		{"grace", good, socketio.ExpiryGrace(-1), "socketio: ExpiryGrace is -1ns: expected zero or more"},
		{"age", good, socketio.MaxSessionAge(0), "socketio: MaxSessionAge is 0s: expected a positive duration"},
		{"notice by another event", good, socketio.ExpiryNotice("unauthorized", time.Minute), "socketio: ExpiryNotice: the event \"unauthorized\" has another meaning"},
		{"notice too late", good, socketio.ExpiryNotice("soon", 0), "socketio: ExpiryNotice is 0s before the end: expected a positive duration"},
		{"identity", good, socketio.SameIdentity(nil), "socketio: SameIdentity: the function is nil"},
		{"keys", good, socketio.EndOnWithdrawnKey(nil, time.Minute), "socketio: EndOnWithdrawnKey: the key provider is nil"},
		{"registry", good, socketio.WithRegistry(nil), "socketio: WithRegistry: the registry is nil"},
		{"limit", good, socketio.SessionLimit(0, socketio.EvictOldest), "socketio: SessionLimit is 0: expected a positive number"},
		{"limit's policy", good, socketio.SessionLimit(1, 7), "socketio: SessionLimit: 7 is no policy: expected RejectNewest or EvictOldest"},
		{"pending", good, socketio.MaxPending(0), "socketio: MaxPending is 0: expected a positive number"},
		{"failures", good, socketio.MaxFailures(-1, 0), "socketio: MaxFailures is -1 and 0: expected zero or more"},
		{"address", good, socketio.ClientAddress(nil), "socketio: ClientAddress: the function is nil"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := socketio.New(test.auth, test.option); err == nil || err.Error() != test.want {
				t.Errorf("New: %v, want %q", err, test.want)
			}
		})
	}
}
