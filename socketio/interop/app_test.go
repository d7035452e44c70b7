package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The server's side of the table: what a binding has to offer, and the
// application that runs on each.

// binding is what a package that joins authorization to a server library has to
// offer for its server to be held to the table.
type binding struct {
	name     string
	versions []jsclient.Version
	start    func(t testing.TB, c config) server

	// invalidNamespace is what a client 2.x is told of a namespace that there
	// is not: the library's words.
	invalidNamespace string
}

// config is a server to be started.
type config struct {
	guards map[string]guard
	public []string
	app    *app
	logger *slog.Logger
	tls    bool // and ask for client certificates

	refusalDelay time.Duration
}

// listen starts an HTTP server.
func (c config) listen(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(c.logger.Handler(), slog.LevelDebug)
	if c.tls {
		s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		s.StartTLS()
	} else {
		s.Start()
	}
	return s
}

type guard struct {
	auth    socketio.Authenticator
	options []socketio.Option
}

// server is a running server.
type server interface {
	URL() string
	// Broadcast emits an event to every socket of the namespace.
	Broadcast(namespace, event string, args ...any)
	// Close ends every socket, waits for its handlers, and stops serving. A
	// second call does nothing.
	Close()
}

// conn is a socket, as the handlers of an application have it.
type conn interface {
	Session() *socketio.Session
	Emit(event string, args ...any)
	Disconnect()
}

// app is the application behind every server of the table. It notes each call
// it gets, and keeps the server's log for a row that fails.
type app struct {
	mu       sync.Mutex // guards what follows
	calls    []string
	sessions []*socketio.Session
	log      bytes.Buffer
}

func (a *app) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

func (a *app) logged() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

func (a *app) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, fmt.Sprintf(format, args...))
}

func (a *app) noted() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// ends tells why each session ended, in the order in which they began.
func (a *app) ends() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ends []string
	for _, s := range a.sessions {
		// A library that tells of a disconnect twice at once may tell the
		// application while the session is being ended.
		select {
		case <-s.Context().Done():
		case <-time.After(jsclient.Deadline):
		}
		cause := context.Cause(s.Context())
		var u *verifier.UnauthorizedError
		switch {
		case cause == nil:
			ends = append(ends, "it did not")
		case errors.Is(cause, socketio.ErrDisconnected):
			ends = append(ends, "disconnected")
		case errors.As(cause, &u):
			ends = append(ends, string(u.Reason))
		default:
			ends = append(ends, cause.Error())
		}
	}
	return ends
}

// connected is the handler of sockets that need no authentication.
func (a *app) connected(conn) error {
	a.note("connected a guest")
	return nil
}

// authenticated is the handler of sockets that have authenticated. What it does
// depends on the user.
func (a *app) authenticated(c conn, s *socketio.Session) error {
	a.note("authenticated %s", who(s))
	switch s.Token().Subject {
	case "unwelcome":
		return errors.New("a secret reason")
	case "banned":
		return &verifier.UnauthorizedError{Code: "banned", Message: "you are banned", Reason: "banned"}
	case "panicking":
		panic("the handler panics")
	case "greeted":
		c.Emit("greeting", "hello")
	}
	return nil
}

func (a *app) disconnected(c conn, _ string) { a.note("disconnected") }

func (a *app) success(s *socketio.Session) {
	a.note("success %s", who(s))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sessions = append(a.sessions, s)
}

func (a *app) failure(_ *verifier.Handshake, err *verifier.UnauthorizedError) {
	a.note("failure %s", err.Reason)
}

// events are the handlers of events for authenticated sockets. Each takes one
// argument; its result acknowledges the event.
func (a *app) events() map[string]func(c conn, arg any) any {
	return map[string]func(c conn, arg any) any{
		"say": func(c conn, arg any) any {
			a.note("say %v by %s", arg, who(c.Session()))
			return nil
		},
		"whoami": func(c conn, _ any) any { return who(c.Session()) },
		"echo":   func(_ conn, arg any) any { return arg },
		"token": func(c conn, arg any) any {
			t := c.Session().Token()
			var claims struct{ Email string }
			if err := t.Claims(&claims); err != nil {
				return err.Error()
			}
			return map[string]any{"typ": t.Header.Type, "email": claims.Email, "raw": t.Raw() == arg}
		},
		"leave": func(c conn, _ any) any {
			c.Emit("bye")
			c.Disconnect()
			return nil
		},
	}
}

// guestEvents are those that guests may send too.
func (a *app) guestEvents() map[string]func(c conn, arg any) any {
	return map[string]func(c conn, arg any) any{
		"hello": func(c conn, _ any) any {
			if c.Session() == nil {
				return "hello, guest"
			}
			return "hello, " + who(c.Session())
		},
	}
}

func who(s *socketio.Session) string {
	if s == nil {
		return "nobody"
	}
	if s.User() != nil {
		return fmt.Sprint(s.User())
	}
	return s.Token().Subject
}
