package googollee_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gosio "github.com/googollee/go-socket.io"
	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMain(m *testing.M) {
	if child, ok := children[os.Getenv(childVariable)]; ok {
		child()
		os.Exit(0)
	}
	if os.Getenv(stockVariable) != "" {
		os.Exit(m.Run()) // the stock library leaves goroutines behind
	}
	goleak.VerifyTestMain(m)
}

const (
	stockVariable = "GOOGOLLEE_TEST_STOCK" // the test whose stock side is to be run
	childVariable = "GOOGOLLEE_TEST_CHILD" // one of children
)

// children are the programs that tests run beside them.
var children = map[string]func(){}

// stock shows a fault in the stock library, in a separate process: f runs there,
// and what it prints must contain want. Our side follows the call.
func stock(t *testing.T, want string, f func(t *testing.T)) {
	t.Helper()
	if os.Getenv(stockVariable) == t.Name() {
		f(t)
		t.SkipNow()
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), stockVariable+"="+t.Name())
	out, _ := cmd.CombinedOutput() // the end of the process may be the fault
	if !bytes.Contains(out, []byte(want)) {
		t.Errorf("the stock library does not show the fault: expected %q in\n%.4000s", want, out)
	}
}

// shown is what the stock side of a fault logs when it shows without ending the
// process.
const shown = "THE FAULT IS THERE"

// stockServer is the stock library on its own transports.
func stockServer(t *testing.T, configure func(s *gosio.Server)) (*gosio.Server, string) {
	s := gosio.NewServer(nil)
	s.OnConnect("/", func(gosio.Conn) error { return nil })
	configure(s)
	go func() { _ = s.Serve() }()
	web := httptest.NewServer(s)
	return s, web.URL
}

// authenticator takes the token "good.alice" for alice.
var authenticator = socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	token, err := verifier.DefaultExtractor().Extract(ctx, h)
	if err != nil {
		return nil, err
	}
	switch subject, ok := strings.CutPrefix(token, "good."); {
	case ok:
		return &verifier.Token{Subject: subject}, nil
	case token == "busy":
		return nil, &verifier.UnauthorizedError{Code: "keys_unavailable", Message: "try again", Reason: "keys_unavailable", Retryable: true}
	case token == "":
		return nil, &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing}
	}
	return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid signature", Reason: "signature_invalid"}
})

var quiet = slog.New(slog.DiscardHandler)

// server is a server of ours and what its application noted.
type server struct {
	*googollee.Server
	*googollee.Namespace // the root, guarded
	*testing.T
	URL string
	web *http.Client

	mu    sync.Mutex // guards notes
	notes []string
	more  chan struct{} // tells that there is one more
}

// serve starts a server whose root is guarded. configure may be nil. The
// application notes who comes, what is said and who goes.
func serve(t *testing.T, o *googollee.Options, configure func(s *server), options ...socketio.Option) *server {
	t.Helper()
	if o == nil {
		o = &googollee.Options{}
	}
	if o.Logger == nil {
		o.Logger = quiet
	}
	if o.RefusalDelay == 0 {
		o.RefusalDelay = 20 * time.Millisecond
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	s := &server{T: t, more: make(chan struct{}, 1), web: &http.Client{Transport: transport}}
	var err error
	if s.Server, err = googollee.NewServer(o); err != nil {
		t.Fatal(err)
	}
	// The race detector on a busy machine makes five seconds short.
	options = append([]socketio.Option{socketio.Timeout(time.Minute)}, options...)
	if s.Namespace, err = s.Authorize("/", authenticator, options...); err != nil {
		t.Fatal(err)
	}
	s.Namespace.OnAuthenticated(func(_ *googollee.Conn, session *socketio.Session) error {
		s.note("hello " + session.Token().Subject)
		return nil
	})
	s.Namespace.OnDisconnect(func(c *googollee.Conn, reason string) { s.note("left " + subject(c) + ": " + reason) })
	s.Namespace.OnEvent("say", func(c *googollee.Conn, text string) string {
		s.note(subject(c) + " says " + text)
		return "heard"
	})
	s.Namespace.OnEvent("echo", func(_ *googollee.Conn, v any) any { return v })
	if configure != nil {
		configure(s)
	}
	web := httptest.NewServer(s.Server)
	s.URL = web.URL
	t.Cleanup(func() {
		if err := s.Server.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		web.Close()
	})
	return s
}

func subject(c *googollee.Conn) string {
	if c.Session() == nil {
		return "guest"
	}
	return c.Session().Token().Subject
}

func (s *server) note(line string) {
	s.mu.Lock()
	s.notes = append(s.notes, line)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// want waits until just these lines have been noted, in any order, and forgets
// them.
func (s *server) want(lines ...string) {
	s.Helper()
	slices.Sort(lines)
	timeout := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		got := slices.Sorted(slices.Values(s.notes))
		if slices.Equal(got, lines) {
			s.notes = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-s.more:
		case <-timeout:
			s.Fatalf("got\n\t%s\nexpected\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
		}
	}
}

// eventually waits for a condition.
func (s *server) eventually(what string, f func() bool) {
	s.Helper()
	for start := time.Now(); !f(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			s.Fatal(what)
		}
	}
}

func (s *server) client() *rawclient.Session {
	return &rawclient.Session{URL: s.URL, HTTP: s.web}
}

// socket is a raw websocket of a client.
type socket struct {
	*rawclient.Websocket
	t testing.TB
}

// dial connects by websocket.
func dial(t testing.TB, c *rawclient.Session) *socket {
	t.Helper()
	ws, res, err := c.Dial(t.Context())
	if err != nil {
		t.Fatalf("dial: %v %v", err, res)
	}
	t.Cleanup(func() { ws.Close() })
	if c.SID == "" {
		if err := c.ReadOpen(ws); err != nil {
			t.Fatal(err)
		}
	}
	return &socket{ws, t}
}

// join connects and authenticates by event.
func (s *server) join(subject string) *socket {
	s.Helper()
	ws := dial(s, s.client())
	ws.read("40")
	ws.write(`42["authenticate",{"token":"good.` + subject + `"}]`)
	ws.read(`42["authenticated"]`)
	s.want("hello " + subject)
	return ws
}

func (ws *socket) read(packets ...string) {
	ws.t.Helper()
	for _, want := range packets {
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		if got, err := ws.Read(); err != nil || got != want {
			ws.t.Fatalf("got %q, %v, expected %q", got, err, want)
		}
	}
}

func (ws *socket) write(packets ...string) {
	ws.t.Helper()
	for _, p := range packets {
		if err := ws.Write(p); err != nil {
			ws.t.Fatal(err)
		}
	}
}

// rest reads to the end.
func (ws *socket) rest() []string {
	ws.t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	var all []string
	for {
		p, err := ws.Read()
		if err != nil {
			if strings.Contains(err.Error(), "timeout") {
				ws.t.Fatalf("the connection did not end; it brought %q", all)
			}
			return all
		}
		all = append(all, p)
	}
}

// request is a GET or a POST of a client's.
func request(t testing.TB, f func() (rawclient.Reply, error)) rawclient.Reply {
	t.Helper()
	r, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// poll connects by polling, with a token in the handshake.
func (s *server) poll(subject string) *rawclient.Session {
	s.Helper()
	c := s.client()
	c.Query = url.Values{"token": {"good." + subject}}
	s.Cleanup(func() { _, _ = c.Post(context.Background(), "1") })
	if r := request(s, func() (rawclient.Reply, error) { return c.Get(s.Context()) }); r.Status != http.StatusOK || strings.Contains(r.Body, "UnauthorizedError") {
		s.Fatalf("got %v", r)
	}
	return c
}
