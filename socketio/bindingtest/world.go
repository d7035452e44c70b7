package bindingtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// world is one test: a server, and what its application has seen.
type world struct {
	testing.TB
	binding  Binding
	registry *socketio.Registry
	server   Server
	begun    chan stay   // sockets that have authenticated
	handled  chan string // events that reached the application
	onBegin  func(Conn, *socketio.Session) error
	onEvent  func(c Conn, event, arg string)
	releases []func() // see latch
}

// stay is a socket that has authenticated.
type stay struct {
	Conn
	session *socketio.Session
}

func newWorld(t testing.TB, b Binding) *world {
	w := &world{
		TB: t, binding: b, registry: socketio.NewRegistry(nil),
		begun: make(chan stay, 99), handled: make(chan string, 99),
	}
	t.Cleanup(func() { _ = w.registry.Close() })
	return w
}

// latch returns what a handler waits for, and what lets it go on. That happens at the end
// of the test at the latest, so that a failure leaves nothing behind.
func (w *world) latch() (proceed <-chan struct{}, release func()) {
	c := make(chan struct{})
	release = sync.OnceFunc(func() { close(c) })
	w.releases = append(w.releases, release)
	return c, release
}

// start starts the server.
func (w *world) start(options ...socketio.Option) {
	w.server = w.binding.Start(w.TB, &App{
		Auth:          socketio.AuthenticatorFunc(authenticate),
		Options:       append([]socketio.Option{socketio.WithRegistry(w.registry), socketio.WithLogger(slog.New(slog.DiscardHandler)), socketio.Timeout(time.Hour)}, options...),
		Authenticated: w.authenticated,
		Event: func(c Conn, event, arg string) string {
			if w.onEvent != nil {
				w.onEvent(c, event, arg)
			}
			w.handled <- event + " " + arg
			return "handled " + arg
		},
		Events: []string{"say", "write", "bye"}, GuestEvents: []string{"hello"},
	})
	w.Cleanup(func() { // before the server closes, which may wait for its handlers
		for _, release := range w.releases {
			release()
		}
	})
}

func (w *world) authenticated(c Conn, s *socketio.Session) error {
	w.begun <- stay{c, s}
	if w.onBegin != nil {
		return w.onBegin(c, s)
	}
	return nil
}

// token is one that authenticate accepts.
func token(sub string, more verifiertest.Claims) string {
	claims := verifiertest.Claims{"sub": sub}
	for name, value := range more {
		claims[name] = value
	}
	data, _ := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString(data)
}

// authenticate takes a token that is nothing but its claims.
func authenticate(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	raw, err := verifier.DefaultExtractor().Extract(ctx, h)
	if err != nil {
		return nil, err
	}
	if raw == "" {
		return nil, errMissing
	}
	data, err := base64.RawURLEncoding.DecodeString(raw)
	var claims verifiertest.Claims
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return nil, errBad
	}
	return verifiertest.VerifiedToken(claims), nil
}

var (
	errMissing = &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing}
	errBad     = &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid signature", Reason: verifier.ErrSignatureInvalid}
)

// client is a client, and the test that it is part of.
type client struct {
	Client
	w *world
}

func (w *world) connect(token string) client { return client{w.server.Connect(token), w} }

// enters connects a client that is admitted, and returns its socket.
func (w *world) enters(token string) (client, stay) {
	w.Helper()
	c := w.connect(token)
	c.hears("connect")
	return c, w.begins()
}

func (w *world) begins() stay {
	w.Helper()
	select {
	case s := <-w.begun:
		return s
	case <-time.After(patience):
		w.Fatal("no socket has authenticated")
		panic("unreachable")
	}
}

// next returns what the client hears next.
func (c client) next() Event {
	c.w.Helper()
	e, err := c.Next()
	if err != nil {
		c.w.Fatalf("the client heard nothing more: %v", err)
	}
	return e
}

// hears checks what the client hears next.
func (c client) hears(name string, args ...any) Event {
	c.w.Helper()
	e, err := c.Next()
	if err != nil {
		c.w.Fatalf("the client heard nothing more (%v), want %s", err, name)
	}
	if e.Name != name || len(args) > 0 && !sameJSON(e.Args, args) {
		want, _ := json.Marshal(args)
		c.w.Fatalf("the client heard %v, want %s%s", e, name, want)
	}
	return e
}

// hearsNothingElse checks that the client has heard everything.
func (c client) hearsNothingElse() {
	c.w.Helper()
	if rest := c.Rest(); len(rest) > 0 {
		c.w.Errorf("the client heard %v, want nothing", rest)
	}
}

// told checks that the client is refused by an event, in the right words.
func (c client) told(event string, err *verifier.UnauthorizedError, more ...string) {
	c.w.Helper()
	want := map[string]any{"message": err.Message, "data": err}
	if event != "connect_error" {
		want["inner"] = map[string]any{"message": err.Message}
	}
	for i := 0; i+1 < len(more); i += 2 {
		want[more[i]] = more[i+1]
	}
	c.hears(event, want)
}

// reason checks the reason of a refusal, whatever its words.
func (c client) reason(event string, reason verifier.Reason) {
	c.w.Helper()
	e := c.hears(event)
	var told struct {
		Data struct{ Reason verifier.Reason }
	}
	if len(e.Args) != 1 || json.Unmarshal(e.Args[0], &told) != nil || told.Data.Reason != reason {
		c.w.Fatalf("the client heard %v, want the reason %s", e, reason)
	}
}

func (c client) sends(event, arg string) { _ = c.Emit(false, event, arg) }

func (c client) authenticates(token string) {
	_ = c.Emit(false, socketio.EventAuthenticate, map[string]any{"token": token})
}

// handles checks which event the application handles next.
func (w *world) handles(want string) {
	w.Helper()
	select {
	case got := <-w.handled:
		if got != want {
			w.Fatalf("the application handled %q, want %q", got, want)
		}
	case <-time.After(patience):
		w.Fatalf("the application handled nothing, want %q", want)
	}
}

// arrives waits until a handler runs.
func (w *world) arrives(running <-chan struct{}) {
	w.Helper()
	select {
	case <-running:
	case <-time.After(patience):
		w.Fatal("the application does not handle the event")
	}
}

// ended waits for the end of a session.
func (s stay) ended(w *world) error {
	w.Helper()
	select {
	case <-s.session.Context().Done():
		return context.Cause(s.session.Context())
	case <-time.After(patience):
		w.Fatal("the session does not end")
		return nil
	}
}

func sameJSON(got []json.RawMessage, want []any) bool {
	return slices.EqualFunc(got, want, func(g json.RawMessage, w any) bool {
		data, err := json.Marshal(w)
		var a, b any
		return err == nil && json.Unmarshal(g, &a) == nil && json.Unmarshal(data, &b) == nil && reflect.DeepEqual(a, b)
	})
}
