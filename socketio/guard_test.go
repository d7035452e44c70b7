package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
		{name: "an argument that is not an object", steps: []step{{auth("u1"), []string{noDatatype + "token_malformed"}}}},
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
		{name: "renewal by another user does not change the session", session: true, steps: []step{
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

// TestFlood: a client that sends attempts faster than they are looked at is disconnected,
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
