package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gosio "github.com/googollee/go-socket.io"
	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee/internal/rawclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server of ours with go-socket.io behind it and raw clients in front
// of it, in the time and on the network of a synctest bubble.
type world struct {
	*testing.T
	*Server
	lib  *gosio.Server
	http *http.Server
	pipe *rawclient.Pipe
	web  *http.Client

	mu   sync.Mutex // guards log
	log  []string   // what hooks and handlers were told
	last *Session   // the session opened last
}

// inWorld runs a test in a world. What change may do is set hooks and bounds. In
// the root every client is behind an open gate, in /pending behind a closed one,
// and /refused and all others are not for it.
func inWorld(t *testing.T, change func(w *world, c *Config, h *Hooks), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, pipe: rawclient.NewPipe()}
		w.web = w.pipe.Client()
		var c Config
		h := Hooks{
			Handshake: func(*http.Request) (Verdict, any) { return Admit(Open), nil },
			Opened:    func(s *Session) { w.note("opened"); w.mu.Lock(); w.last = s; w.mu.Unlock() },
			Connect: func(_ *Session, nsp string, q url.Values) Verdict {
				switch nsp {
				case "/refused":
					return Refuse(&Refusal{Error: "no " + q.Get("token")})
				case "/pending":
					return Admit(Pending)
				case "/", "/open":
					return Admit(Open)
				}
				return Unknown()
			},
			Connected: func(_ *Session, nsp string) { w.note("connected %s", nsp) },
			Authenticate: func(_ *Session, nsp string, args []json.RawMessage, ack func(...any)) {
				w.note("authenticate %s %s", nsp, args)
				if ack != nil {
					ack("seen")
				}
			},
			NamespaceClosed: func(_ *Session, nsp string, _ any, reason string) { w.note("left %s: %s", nsp, reason) },
			Closed:          func(_ *Session, reason string) { w.note("closed: %s", reason) },
		}
		if change != nil {
			change(w, &c, &h)
		}
		var err error
		if w.Server, err = New(c, h); err != nil {
			t.Fatal(err)
		}
		w.lib = gosio.NewServer(w.Options())
		for _, nsp := range []string{"/", "/open", "/pending"} {
			w.handle(nsp)
		}
		w.Mount(w.lib)
		go func() { _ = w.lib.Serve() }()
		w.http = &http.Server{Handler: w.Server}
		go func() { _ = w.http.Serve(w.pipe) }()
		defer func() {
			if err := w.Shutdown(context.Background(), nil); err != nil {
				t.Error(err)
			}
			_ = w.lib.Close()
			w.web.CloseIdleConnections()
			_ = w.http.Close()
			time.Sleep(time.Second) // net/http takes its time to close; it costs us none
			synctest.Wait()
			if n := w.handshakes.Load(); n != 0 {
				t.Errorf("%d handshakes are still counted", n)
			}
			if n := w.lib.Count(); n != 0 {
				t.Errorf("go-socket.io has %d connections left", n)
			}
		}()
		test(w)
	})
}

// handle has the library's handlers do what those of package googollee do.
func (w *world) handle(nsp string) {
	take := func(c gosio.Conn) (*Session, *Handling) {
		s := w.Session(c.ID())
		if s == nil {
			return nil, nil
		}
		return s, s.Handling(nsp)
	}
	w.lib.OnConnect(nsp, func(gosio.Conn) error { w.note("library: connected %s", nsp); return nil })
	w.lib.OnDisconnect(nsp, func(_ gosio.Conn, reason string) { w.note("library: left %s: %s", nsp, reason) })
	w.lib.OnEvent(nsp, "say", func(c gosio.Conn) {
		if _, h := take(c); h != nil {
			w.note("said %s %d", h.Text, len(h.Attachments))
			h.Acknowledge([]byte(`["grüße"]`), nil)
			h.Acknowledge([]byte(`["twice"]`), nil)
		}
	})
	w.lib.OnEvent(nsp, AckEvent, func(c gosio.Conn) {
		if _, h := take(c); h != nil && h.Ack != nil {
			w.note("acknowledged %v %s", h.Ack, h.Text)
		}
	})
	w.lib.OnEvent(nsp, "close", func(c gosio.Conn) { _ = c.Close() })
	w.lib.OnEvent(nsp, "hang", func(c gosio.Conn) {
		s, _ := take(c)
		<-s.Done()
	})
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// noted returns what was noted since it was asked last, once all is quiet.
func (w *world) noted() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}

// want checks that just these lines, in any order, were noted.
func (w *world) want(lines ...string) {
	w.Helper()
	got := w.noted()
	slices.Sort(got)
	slices.Sort(lines)
	if !slices.Equal(got, lines) {
		w.Errorf("got\n\t%s\nexpected\n\t%s", strings.Join(got, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// forget drops what was noted.
func (w *world) forget() { w.noted() }

func (w *world) client() *rawclient.Session {
	return &rawclient.Session{URL: "http://127.0.0.1:1", HTTP: w.web}
}

// poll gets and checks the packets.
func (w *world) poll(c *rawclient.Session, packets ...string) {
	w.Helper()
	r, err := c.Get(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	if len(packets) > 0 && packets[0] == "0" && len(r.Packets) > 0 {
		packets[0] = r.Packets[0] // OPEN
	}
	if r.Status != http.StatusOK || !slices.Equal(r.Packets, packets) {
		w.Fatalf("got %d %q, expected %q", r.Status, r.Packets, packets)
	}
}

// polling is a client connected by polling.
func (w *world) polling() *rawclient.Session {
	w.Helper()
	c := w.client()
	w.poll(c, "0", "40")
	return c
}

// post sends packets and checks the status.
func (w *world) post(c *rawclient.Session, status int, packets ...string) {
	w.Helper()
	r, err := c.Post(w.Context(), packets...)
	if err != nil {
		w.Fatal(err)
	}
	if r.Status != status || status == http.StatusOK && r.Body != "ok" {
		w.Fatalf("a POST of %q was answered %d %s, expected %d", packets, r.Status, r.Body, status)
	}
}

// socket is a raw websocket with its packets.
type socket struct {
	*rawclient.Websocket
	w *world
}

func (w *world) dial(c *rawclient.Session) *socket {
	w.Helper()
	ws, res, err := c.Dial(w.Context())
	if err != nil {
		w.Fatalf("dial: %v %v", err, res)
	}
	return &socket{ws, w}
}

// websocket is a client connected by websocket.
func (w *world) websocket() (*rawclient.Session, *socket) {
	w.Helper()
	c := w.client()
	s := w.dial(c)
	if err := c.ReadOpen(s.Websocket); err != nil {
		w.Fatal(err)
	}
	s.read("40")
	return c, s
}

// read checks the next packets.
func (s *socket) read(packets ...string) {
	s.w.Helper()
	for _, want := range packets {
		_ = s.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := s.Read()
		if err != nil || got != want {
			s.w.Fatalf("got %q, %v, expected %q", got, err, want)
		}
	}
}

func (s *socket) write(packets ...string) {
	s.w.Helper()
	for _, p := range packets {
		if err := s.Write(p); err != nil {
			s.w.Fatal(err)
		}
	}
}

// readEnd checks that the server closes, and how: with a close frame or without.
func (s *socket) readEnd(code int) {
	s.w.Helper()
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	p, err := s.Read()
	if err == nil {
		s.w.Fatalf("got %q, expected the end", p)
	}
	if code != 0 && !isClose(err, code) || code == 0 && isTimeout(err) {
		s.w.Fatalf("got the end %v, expected %d", err, code)
	}
	_ = s.Conn.Close()
}

// upgrade changes a polling client to a websocket.
func (w *world) upgrade(c *rawclient.Session) *socket {
	w.Helper()
	s := w.dial(c)
	s.write("2probe")
	s.read("3probe")
	s.write("5")
	synctest.Wait()
	return s
}

// async makes a request in the background.
func (w *world) async(f func() (rawclient.Reply, error)) <-chan rawclient.Reply {
	c := make(chan rawclient.Reply, 1)
	go func() {
		r, err := f()
		if err != nil {
			r.Body = err.Error()
		}
		c <- r
	}()
	synctest.Wait()
	return c
}

func contextWithTimeout(w *world, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.Context(), d)
}

// inRealTime runs a test with a server outside of a bubble.
func inRealTime(t *testing.T, test func(e *Server)) {
	t.Helper()
	e, err := New(Config{WriteTimeout: time.Second, CloseTimeout: 10 * time.Millisecond}, Hooks{Handshake: func(*http.Request) (Verdict, any) { return Admit(Open), nil }})
	if err != nil {
		t.Fatal(err)
	}
	lib := gosio.NewServer(e.Options())
	lib.OnConnect("/", func(gosio.Conn) error { return nil })
	e.Mount(lib)
	served := make(chan struct{})
	go func() { defer close(served); _ = lib.Serve() }()
	defer func() {
		if err := e.Shutdown(context.Background(), nil); err != nil {
			t.Error(err)
		}
		_ = lib.Close()
		<-served
	}()
	test(e)
}
