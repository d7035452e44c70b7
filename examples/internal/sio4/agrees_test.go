package sio4_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/sio4"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// step is something a client does.
type step struct{ do, token string }

const (
	connect, authenticate, say = "connect", "authenticate", "message"

	end = "end" // is done to it
)

// TestTheFakeAgrees: a client of package sockettest sees what a real one does,
// whose server has the same options and handlers.
func TestTheFakeAgrees(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://issuer.test/")
	v, err := verifier.New(issuer, verifier.Audience("chat"))
	if err != nil {
		t.Fatal(err)
	}
	token := func(subject, audience string) string {
		return issuer.Token(verifiertest.Claims{"sub": subject, "aud": audience})
	}
	ada, again, grace, other, banned := token("ada", "chat"), token("ada", "chat"), token("grace", "chat"), token("ada", "mail"), token("mallory", "chat")
	byEvent, byHandshake, optional := socketio.ByEvent(), socketio.ByHandshake(), socketio.Optional()
	for name, test := range map[string]struct {
		options []socketio.Option
		script  []step
	}{
		"handshake":                      {[]socketio.Option{byHandshake}, []step{{connect, ada}, {say, ""}}},
		"handshake without a token":      {[]socketio.Option{byHandshake}, []step{{connect, ""}}},
		"handshake with a bad one":       {[]socketio.Option{byHandshake}, []step{{connect, other}}},
		"handshake of a banned user":     {[]socketio.Option{byHandshake}, []step{{connect, banned}}},
		"renewed":                        {[]socketio.Option{byHandshake}, []step{{connect, ada}, {authenticate, again}, {say, ""}}},
		"not renewed by another user":    {[]socketio.Option{byHandshake}, []step{{connect, ada}, {authenticate, grace}, {say, ""}}},
		"ended":                          {[]socketio.Option{byHandshake}, []step{{connect, ada}, {end, ""}}},
		"event":                          {[]socketio.Option{byEvent}, []step{{connect, ""}, {authenticate, ada}, {say, ""}}},
		"event, bad, then good":          {[]socketio.Option{byEvent}, []step{{connect, ""}, {authenticate, other}, {authenticate, ada}, {say, ""}}},
		"event, bad, at once":            {[]socketio.Option{byEvent, socketio.DisconnectNow()}, []step{{connect, ""}, {authenticate, other}}},
		"event, bad too often":           {[]socketio.Option{byEvent, socketio.MaxAttempts(2)}, []step{{connect, ""}, {authenticate, other}, {authenticate, "a.b"}}},
		"event of a banned user":         {[]socketio.Option{byEvent}, []step{{connect, ""}, {authenticate, banned}}},
		"a guest, and later a user":      {[]socketio.Option{byHandshake, optional}, []step{{connect, ""}, {say, ""}, {authenticate, other}, {authenticate, ada}, {say, ""}, {end, ""}}},
		"no guest because of a bad one":  {[]socketio.Option{byHandshake, optional}, []step{{connect, other}}},
		"a guest by event, later a user": {[]socketio.Option{byEvent, optional}, []step{{connect, ""}, {say, ""}, {authenticate, ada}, {say, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			var want [][]string
			synctest.Test(t, func(*testing.T) { want = fake(v, test.options, test.script) })
			if got := realClient(t, v, test.options, test.script, want); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("a real client saw, step by step,\n\t%q\nthe fake one\n\t%q", got, want)
			}
		})
	}
}

// entered and said are the application.
func entered(s *socketio.Session, emit func(string, ...any)) error {
	if s.Token().Subject == "mallory" {
		return &verifier.UnauthorizedError{Code: "banned", Message: "you are banned", Reason: "banned"}
	}
	emit("welcome", s.Token().Subject)
	return nil
}

func said(s *socketio.Session, emit func(string, ...any)) {
	if s == nil {
		emit("echo", "a guest")
		return
	}
	emit("echo", s.Token().Subject)
}

func endAll(registry *socketio.Registry) {
	for s := range registry.Sessions(socketio.Filter{}) {
		s.End(&verifier.UnauthorizedError{Message: "bye", Reason: "bye"})
	}
}

// fake returns what the fake client saw at each step.
func fake(auth socketio.Authenticator, options []socketio.Option, script []step) (saw [][]string) {
	server := sockettest.NewServer(auth, options...)
	server.OnAuthenticated(func(c *sockettest.Conn, s *socketio.Session) error { return entered(s, c.Emit) })
	server.OnGuestEvent(say, func(c *sockettest.Conn, _ ...any) { said(c.Session(), c.Emit) })
	var c *sockettest.Client
	for _, s := range script {
		switch s.do {
		case connect:
			h := &verifier.Handshake{}
			if s.token != "" {
				h.Auth = map[string]any{"token": s.token}
			}
			c = server.Connect(h)
		case authenticate:
			c.Authenticate(s.token)
		case end:
			endAll(server.Registry())
		default:
			c.Emit(s.do)
		}
		var seen []string
		for _, e := range c.Received() {
			seen = append(seen, line(e))
		}
		saw = append(saw, seen)
	}
	return saw
}

// line is an event with all that it says.
func line(e sockettest.Event) string {
	if r := e.Refusal(); r != nil {
		return fmt.Sprintf("%s %s/%s/%s/%v", e.Name, r.Code, r.Message, r.Reason, r.Retryable)
	}
	if e.Name == "disconnect" {
		return e.Name
	}
	return fmt.Sprintf("%s %s", e.Name, e.Args)
}

// realClient returns what a real one saw: at each step as many events as the fake
// one.
func realClient(t *testing.T, auth socketio.Authenticator, options []socketio.Option, script []step, want [][]string) (saw [][]string) {
	registry := socketio.NewRegistry(nil)
	server := zishang.NewServer(nil, zishang.RefusalDelay(time.Millisecond))
	root, err := server.Authorize("/", auth, append([]socketio.Option{socketio.WithRegistry(registry)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	emitter := func(s *socket.Socket) func(string, ...any) {
		return func(event string, args ...any) { _ = s.Emit(event, args...) }
	}
	_ = root.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On(say, func(...any) { said(zishang.SessionOf(s), emitter(s)) })
	})
	zishang.OnAuthenticated(root, func(s *socket.Socket, session *socketio.Session) error { return entered(session, emitter(s)) })
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()

	var c *sio4.Client
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for i, s := range script {
		var seen []string
		switch s.do {
		case connect:
			var answer string
			c, answer, err = connectAs(t, web.URL, s.token)
			seen = append(seen, answer)
		case authenticate:
			err = c.Emit(authenticate, map[string]string{"token": s.token})
		case end:
			endAll(registry)
		default:
			err = c.Emit(s.do)
		}
		if err != nil {
			t.Fatal(err)
		}
		for len(seen) < len(want[i]) {
			event, args, err := c.Next()
			if errors.Is(err, sio4.ErrDisconnected) {
				event = "disconnect"
			} else if err != nil {
				t.Fatalf("after %q at step %d: %v", seen, i, err)
			}
			seen = append(seen, line(sockettest.Event{Name: event, Args: args}))
		}
		saw = append(saw, seen)
	}
	return saw
}

// connectAs connects with a token, "" for none, and returns the answer as a line.
func connectAs(t *testing.T, url, token string) (c *sio4.Client, answer string, err error) {
	var payload any
	if token != "" {
		payload = map[string]any{"token": token}
	}
	c, err = sio4.Connect(t.Context(), url, payload)
	var refusal *sio4.ConnectError
	if errors.As(err, &refusal) {
		data, _ := json.Marshal(refusal) // it was decoded from JSON
		return c, line(sockettest.Event{Name: "connect_error", Args: []json.RawMessage{data}}), nil
	}
	return c, "connect []", err
}
