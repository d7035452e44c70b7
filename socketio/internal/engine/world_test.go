package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a server of ours with a library behind it and raw clients in front of
// it, in the time and on the network of a synctest bubble.
type world struct {
	*testing.T
	*Server
	http *http.Server
	pipe *rawclient.Pipe
	web  *http.Client

	mu     sync.Mutex // guards the rest
	log    []string   // what the library was told
	last   *Session   // the session opened last
	root   *Stay      // the stay in the root that began last
	others map[string]*Stay
}

// hooks are what a test's library does. A nil one does what the default does.
type hooks struct {
	Decide       func(ctx context.Context, a *Arrival) Verdict
	Admitted     func(st *Stay)
	Authenticate func(st *Stay, args []json.RawMessage, tooLarge bool)
	Packet       func(st *Stay, p *Packet) bool // reports whether that was all
	Left         func(st *Stay, reason string)
	Done         func(st *Stay, reason string)
	Closed       func(s *Session, reason string)
}

// testLibrary is the library of a world.
type testLibrary struct {
	w *world
	h *hooks
}

func (l testLibrary) Decide(ctx context.Context, a *Arrival) Verdict {
	if l.h.Decide != nil {
		return l.h.Decide(ctx, a)
	}
	switch a.Namespace {
	case "/refused":
		return Refuse(&Refusal{Error: "no " + a.Query.Get("token")})
	case "/pending":
		return Admit(Pending, nil)
	case "/", "/open":
		return Admit(Open, nil)
	}
	return Unknown()
}

func (l testLibrary) Admitted(st *Stay) {
	l.w.mu.Lock()
	l.w.last = st.Session()
	if st.Namespace() == root {
		l.w.root = st
	}
	l.w.others[st.Namespace()] = st
	l.w.mu.Unlock()
	if l.h.Admitted != nil {
		l.h.Admitted(st)
	} else {
		l.w.note("admitted %s", st.Namespace())
	}
	st.Accept("", "")
}

func (l testLibrary) Authenticate(st *Stay, args []json.RawMessage, tooLarge bool) {
	switch {
	case l.h.Authenticate != nil:
		l.h.Authenticate(st, args, tooLarge)
	case tooLarge:
		l.w.note("too large a token in %s", st.Namespace())
	default:
		l.w.note("authenticate %s %s", st.Namespace(), args)
	}
}

func (l testLibrary) Packet(st *Stay, p *Packet) {
	switch {
	case l.h.Packet != nil && l.h.Packet(st, p):
	case p.IsAck:
		l.w.note("acknowledged %v %s", p.Ack, p.Text())
	case p.Event == "say":
		l.w.note("said %s %d", p.Text(), len(p.Attachments))
		p.Acknowledge([]byte(`["grüße"]`), nil)
		p.Acknowledge([]byte(`["twice"]`), nil)
	case p.Event == "close":
		st.Leave("server disconnect", nil)
	case p.Event == "hang":
		<-st.Session().Done()
	}
}

func (l testLibrary) Left(st *Stay, reason string) {
	if l.h.Left != nil {
		l.h.Left(st, reason)
		return
	}
	l.w.note("left %s: %s", st.Namespace(), reason)
}

func (l testLibrary) Done(st *Stay, reason string) {
	if l.h.Done != nil {
		l.h.Done(st, reason)
		return
	}
	l.w.note("done %s: %s", st.Namespace(), reason)
}

func (l testLibrary) Closed(s *Session, reason string) {
	if l.h.Closed != nil {
		l.h.Closed(s, reason)
		return
	}
	l.w.note("closed: %s", reason)
}

// inWorld runs a test in a world. What change may do is set hooks and bounds. In
// the root every client is behind an open gate, in /pending behind a closed one,
// and /refused and all others are not for it.
func inWorld(t *testing.T, change func(w *world, c *Config, h *hooks), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, pipe: rawclient.NewPipe(), others: make(map[string]*Stay)}
		w.web = w.pipe.Client()
		var c Config
		h := new(hooks)
		if change != nil {
			change(w, &c, h)
		}
		var err error
		if w.Server, err = New(c, testLibrary{w, h}); err != nil {
			t.Fatal(err)
		}
		w.http = &http.Server{Handler: w.Server}
		go func() { _ = w.http.Serve(w.pipe) }()
		defer func() {
			if err := w.Shutdown(context.Background(), nil); err != nil {
				t.Error(err)
			}
			w.web.CloseIdleConnections()
			_ = w.http.Close()
			time.Sleep(time.Second) // net/http takes its time to close; it costs us none
			synctest.Wait()
			if n := w.handshakes.Load(); n != 0 {
				t.Errorf("%d handshakes are still counted", n)
			}
			if n := w.refused.Load(); n != 0 {
				t.Errorf("%d clients are still held", n)
			}
		}()
		test(w)
	})
}

// admitAll lets every client into the root behind a gate.
func admitAll(g Gate) func(context.Context, *Arrival) Verdict {
	return func(_ context.Context, a *Arrival) Verdict {
		switch a.Namespace {
		case root:
			return Admit(g, nil)
		case "/pending":
			return Admit(Pending, nil)
		}
		return Unknown()
	}
}

// refuseAll refuses every client.
func refuseAll(r *Refusal) func(context.Context, *Arrival) Verdict {
	return func(context.Context, *Arrival) Verdict { return Refuse(r) }
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

// until reads until a packet has come.
func (s *socket) until(packet string) {
	s.w.Helper()
	for {
		_ = s.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := s.Read()
		if err != nil {
			s.w.Fatalf("expected %q: %v", packet, err)
		}
		if got == packet {
			return
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
	e, err := New(Config{WriteTimeout: time.Second, CloseTimeout: 10 * time.Millisecond}, testLibrary{&world{T: t, others: make(map[string]*Stay)}, new(hooks)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Shutdown(context.Background(), nil); err != nil {
			t.Error(err)
		}
	}()
	test(e)
}
