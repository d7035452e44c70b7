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

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

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
