package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/leaktest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

func TestMain(m *testing.M) {
	code := jsclient.Main(m)
	if code == 0 {
		if err := leaktest.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// server is a node without clients: a cluster.Local whose sockets just note what they
// would be sent.
type server struct {
	t       testing.TB
	cluster *cluster.Cluster
	*cluster.Namespace
	log *logBuffer

	mu      sync.Mutex // guards the rest
	sockets map[string]*fakeSocket
	events  []string // of other servers
	changed chan struct{}
}

type fakeSocket struct {
	cluster.Socket
	rooms  map[string]bool
	heard  []string
	answer any // to an event that asks for an acknowledgement; nil: none
	gone   string
}

var _ cluster.Local = (*server)(nil)

// join makes a server of a cluster.
func join(t testing.TB, b cluster.Broker, o *cluster.Options, ids ...string) *server {
	t.Helper()
	s := &server{t: t, sockets: make(map[string]*fakeSocket), changed: make(chan struct{}), log: newLog()}
	var options cluster.Options
	if o != nil {
		options = *o
	}
	options.Logger = slog.New(slog.NewTextHandler(s.log, nil))
	c, err := cluster.New(b, &options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s.cluster = c
	for _, id := range ids {
		s.sockets[id] = &fakeSocket{Socket: cluster.Socket{ID: id}, rooms: map[string]bool{id: true}, answer: "ack of " + id}
	}
	if s.Namespace, err = c.Namespace("/", s); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// selected returns the sockets of a target, in the order of their IDs. The mutex is
// held.
func (s *server) selected(to cluster.Target) []*fakeSocket {
	var list []*fakeSocket
	for _, id := range slices.Sorted(maps.Keys(s.sockets)) {
		k := s.sockets[id]
		in := func(room string) bool { return k.rooms[room] }
		if k.gone == "" && (len(to.Rooms) == 0 || slices.ContainsFunc(to.Rooms, in)) && !slices.ContainsFunc(to.Except, in) {
			list = append(list, k)
		}
	}
	return list
}

func (s *server) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *server) HasRoom(room string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.selected(cluster.Target{Rooms: []string{room}})) > 0
}

func (s *server) Broadcast(event cluster.Payload, to cluster.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.note()
	for _, k := range s.selected(to) {
		k.heard = append(k.heard, show(event))
	}
}

func (s *server) BroadcastWithAck(_ context.Context, event cluster.Payload, to cluster.Target, answer func(cluster.Payload)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.note()
	list := s.selected(to)
	for _, k := range list {
		k.heard = append(k.heard, show(event))
		if k.answer != nil {
			p, err := cluster.NewValue(k.answer)
			if err != nil {
				s.t.Error(err)
			}
			go answer(p)
		}
	}
	return len(list)
}

func (s *server) Sockets(to cluster.Target) []cluster.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []cluster.Socket
	for _, k := range s.selected(to) {
		d := k.Socket
		d.Rooms = slices.Sorted(maps.Keys(k.rooms))
		list = append(list, d)
	}
	return list
}

func (s *server) Join(to cluster.Target, rooms []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.note()
	for _, k := range s.selected(to) {
		for _, r := range rooms {
			k.rooms[r] = true
		}
	}
}

func (s *server) Leave(to cluster.Target, rooms []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.note()
	for _, k := range s.selected(to) {
		for _, r := range rooms {
			delete(k.rooms, r)
		}
	}
}

func (s *server) Disconnect(to cluster.Target, closeConnection bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.note()
	for _, k := range s.selected(to) {
		k.gone = fmt.Sprint("gone ", closeConnection)
	}
}

// ServerSideEmit answers the event "question" with its own name.
func (s *server) ServerSideEmit(event cluster.Payload, ack func(cluster.Payload)) {
	name, args, err := event.Event()
	if err != nil {
		s.t.Error(err)
	}
	if name == "panic" {
		panic("a bug in the application")
	}
	s.mu.Lock()
	s.events = append(s.events, show(event))
	s.note()
	s.mu.Unlock()
	if ack == nil || name != "question" {
		return
	}
	answer := map[string]any{"node": "go", "args": args}
	if len(event.Attachments) > 0 {
		answer["echo"] = event.Attachments[0]
	}
	p, err := cluster.NewValue(answer)
	if err != nil {
		s.t.Error(err)
	}
	ack(p)
	ack(p) // twice is once
}

// show is a payload as text, with binary values as <hex>.
func show(p cluster.Payload) string {
	v, err := p.Value()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(readable(v))
}

func readable(v any) any {
	switch v := v.(type) {
	case []byte:
		return fmt.Sprintf("<%x>", v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = fmt.Sprint(readable(e))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, fmt.Sprint(k, ":", readable(v[k])))
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return v
}

// until waits until the condition, which is called with the mutex held, is true. What
// is written to the log wakes it too.
func (s *server) until(what string, condition func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		ok, changed := condition(), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-s.log.written:
		case <-deadline:
			s.t.Fatalf("not seen: %s\n%s", what, s.describe())
		}
	}
}

func (s *server) describe() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for id, k := range s.sockets {
		fmt.Fprintf(&b, "%s in %v heard %q %s\n", id, slices.Sorted(maps.Keys(k.rooms)), k.heard, k.gone)
	}
	fmt.Fprintf(&b, "events %q\n%s", s.events, s.log)
	return b.String()
}

// heard returns what a socket has heard up to the event "end", which is left out.
func (s *server) heard(id string) []string {
	s.t.Helper()
	k := s.sockets[id]
	s.until(id+" hears the end", func() bool { return slices.Contains(k.heard, "[end]") })
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(k.heard, "[end]")
	got := slices.Clone(k.heard[:i])
	k.heard = slices.Delete(k.heard, 0, i+1)
	return got
}

// serverEvents returns the events of other servers up to "news end".
func (s *server) serverEvents() []string {
	s.t.Helper()
	s.until("the end of the news", func() bool { return slices.Contains(s.events, "[news end]") })
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.events, "[news end]")
	got := slices.Clone(s.events[:i])
	s.events = slices.Delete(s.events, 0, i+1)
	return got
}

func event(t testing.TB, name string, args ...any) cluster.Payload {
	t.Helper()
	p, err := cluster.NewPayload(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rooms(names ...string) cluster.Target { return cluster.Target{Rooms: names} }

func shows(list []cluster.Payload) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = show(p)
	}
	slices.Sort(out)
	return out
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// expect compares lists.
func expect(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	logtest.Buffer
	written chan struct{} // has a token when there is more
}

func (l *logBuffer) Write(p []byte) (int, error) {
	defer func() {
		select {
		case l.written <- struct{}{}:
		default:
		}
	}()
	return l.Buffer.Write(p)
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
