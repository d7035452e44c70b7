package cluster_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// anyToken accepts every token but "bad" and takes it for the subject.
type anyToken struct{}

func (anyToken) Authenticate(_ context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	m, _ := h.Auth.(map[string]any)
	subject, _ := m["token"].(string)
	if subject == "" || subject == "bad" {
		return nil, errors.New("no")
	}
	return &verifier.Token{Subject: subject, ExpiresAt: time.Now().Add(time.Hour)}, nil
}

// joinCluster makes a cluster that the test closes.
func joinCluster(t testing.TB, redis string, log *logBuffer) *cluster.Cluster {
	t.Helper()
	c, err := cluster.New(broker(t, redis), &cluster.Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// guardedServer is what servers of both bindings have in common in these tests: real
// clients, and the events of other servers.
type guardedServer struct {
	url     string
	clients []*jsMember
	pending []*jsclient.Client // that do not authenticate

	mu     sync.Mutex // guards events
	events []string
}

// googolleePeer is a server of package googollee.
type googolleePeer struct {
	n *googollee.Namespace
	guardedServer
}

// guarded starts a server, of a cluster unless redis is empty, to which clients
// authenticate by event.
func guarded(t testing.TB, redis string) *googolleePeer {
	t.Helper()
	var c *cluster.Cluster
	if redis != "" {
		c = joinCluster(t, redis, newLog())
	}
	server, err := googollee.NewServer(&googollee.Options{Cluster: c})
	if err != nil {
		t.Fatal(err)
	}
	p := &googolleePeer{}
	p.n, err = server.Authorize("/", anyToken{}, socketio.ByEvent(), socketio.Timeout(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	p.n.OnEvent("join", func(c *googollee.Conn, room string) string {
		c.Join(room)
		return c.ID()
	})
	for _, name := range []string{"news", "question"} {
		p.n.OnServerSideEmit(name, p.handle)
	}
	web := httptest.NewServer(server)
	t.Cleanup(func() {
		_ = server.Close()
		web.Close()
	})
	p.url = web.URL
	if c != nil {
		if err := c.Ready(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	p.connectAll(t)
	return p
}

// connectAll connects a client of 4.8.4 and one of 2.5.0 that authenticate, and one of
// each that do not.
func (p *guardedServer) connectAll(t testing.TB) {
	t.Helper()
	for _, v := range []jsclient.Version{jsclient.V4, jsclient.V2} {
		p.clients = append(p.clients, authenticate(t, p.url, v))
		stranger := jsclient.Start(t).Connect(t, jsclient.Options{Version: v, URL: p.url, Transports: jsclient.Websocket})
		stranger.Expect(t, "connect")
		p.pending = append(p.pending, stranger)
	}
}

// authenticate connects a client that authenticates by event.
func authenticate(t testing.TB, url string, v jsclient.Version) *jsMember {
	t.Helper()
	m := &jsMember{client: jsclient.Start(t).Connect(t, jsclient.Options{
		Version: v, URL: url, Transports: jsclient.Websocket,
		OnConnect: []jsclient.Emission{{Event: "authenticate", Args: []any{map[string]string{"token": "ada"}}}},
	})}
	m.client.Expect(t, "authenticated")
	args := m.client.EmitAck(t, "join", "everybody").Wait(t)
	if len(args) != 1 || json.Unmarshal(args[0], &m.socket) != nil || m.socket == "" {
		t.Fatalf("the acknowledgement of join is %s, want the ID of the socket", args)
	}
	return m
}

func (p *guardedServer) hear(event string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, event)
}

func (p *googolleePeer) handle(e cluster.Payload) any {
	p.hear(show(e))
	_, args, err := e.Event()
	if err != nil {
		return err.Error()
	}
	return map[string]any{"node": "go", "args": args}
}

func (p *googolleePeer) operator(to cluster.Target) googollee.BroadcastOperator {
	return p.n.To(to.Rooms...).Except(to.Except...)
}

// attachments makes of []byte what go-socket.io sends as an attachment.
func attachments(args []any) []any {
	out := slices.Clone(args)
	for i, a := range out {
		if b, ok := a.([]byte); ok {
			out[i] = &parser.Buffer{Data: b}
		}
	}
	return out
}

func (p *googolleePeer) emit(_ testing.TB, to cluster.Target, event string, args ...any) {
	p.operator(to).Emit(event, attachments(args)...)
}

func (p *googolleePeer) emitWithAck(_ testing.TB, to cluster.Target, timeout time.Duration, event string, args ...any) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	answers, err := p.operator(to).EmitWithAck(ctx, event, args...)
	return shows(answers), err
}

func (p *googolleePeer) fetch(t testing.TB, to cluster.Target) []cluster.Socket {
	t.Helper()
	list, err := p.operator(to).Sockets(within(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (p *googolleePeer) join(t testing.TB, to cluster.Target, rooms ...string) {
	t.Helper()
	if err := p.operator(to).Join(rooms...); err != nil {
		t.Fatal(err)
	}
}

func (p *googolleePeer) leave(t testing.TB, to cluster.Target, rooms ...string) {
	t.Helper()
	if err := p.operator(to).Leave(rooms...); err != nil {
		t.Fatal(err)
	}
}

func (p *googolleePeer) disconnect(t testing.TB, to cluster.Target) {
	t.Helper()
	if err := p.operator(to).Disconnect(true); err != nil {
		t.Fatal(err)
	}
}

func (p *googolleePeer) serverSideEmit(t testing.TB, event string, args ...any) {
	t.Helper()
	if err := p.n.ServerSideEmit(event, args...); err != nil {
		t.Fatal(err)
	}
}

func (p *googolleePeer) serverSideEmitWithAck(t testing.TB, event string, args ...any) []string {
	t.Helper()
	answers, err := p.n.ServerSideEmitWithAck(within(t, patience), event, args...)
	if err != nil {
		t.Fatal(err)
	}
	return shows(answers)
}

func (p *guardedServer) news(t testing.TB) []string {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		i := slices.Index(p.events, "[news end]")
		got := slices.Clone(p.events)
		p.mu.Unlock()
		if i >= 0 {
			return got[:i]
		}
	}
	t.Fatal("no end of the news")
	return nil
}

func (p *guardedServer) members() []member {
	list := make([]member, len(p.clients))
	for i, c := range p.clients {
		list[i] = c
	}
	return list
}

// unauthenticated clients are the clients of a peer that have not authenticated.
func (p *guardedServer) unauthenticated() []*jsclient.Client { return p.pending }

// checkUnauthenticated: clients that have not authenticated have heard nothing and are still
// connected, whatever was sent to all.
func checkUnauthenticated(t *testing.T, peers ...peer) {
	t.Helper()
	for _, p := range peers {
		s, ok := p.(interface{ unauthenticated() []*jsclient.Client })
		if !ok {
			continue
		}
		for _, c := range s.unauthenticated() {
			c.Barrier(t)
			for _, e := range c.Seen() {
				if e.Name != "connect" && !strings.HasPrefix(e.Name, "engine:") {
					t.Errorf("a client that has not authenticated hears %s\n%s", e, c.Log())
				}
			}
		}
	}
}

func newLog() *logBuffer { return &logBuffer{written: make(chan struct{}, 1)} }

// TestAlone: a server without a cluster does the same with its own sockets.
func TestAlone(t *testing.T) {
	p := guarded(t, "")
	one, two := p.clients[0], p.clients[1]
	p.join(t, rooms(one.socket), "r1", "r2")
	p.leave(t, cluster.Target{}, "r2")
	p.emit(t, rooms("r1"), "event", 1)
	p.emit(t, rooms("r2"), "event", 2)
	p.emit(t, cluster.Target{Except: []string{"r1"}}, "event", 3)
	p.n.To(two.socket, "r1").Local().Emit("event", 4)
	p.n.BroadcastTo("r1", "event", 5)
	p.n.Broadcast("event", make(chan int)) // cannot be encoded
	p.n.Broadcast("end")
	expect(t, "one", one.heard(t), "[event 1]", "[event 4]", "[event 5]")
	expect(t, "two", two.heard(t), "[event 3]", "[event 4]")
	if list := p.fetch(t, rooms("r1")); len(list) != 1 || list[0].ID != one.socket {
		t.Errorf("the sockets of a room: %+v", list)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		one.acknowledge(t)
		two.acknowledge(t)
	}()
	got, err := p.emitWithAck(t, cluster.Target{}, patience, "ask")
	<-done
	if err != nil || len(got) != 2 {
		t.Errorf("acknowledgements: %q, %v", got, err)
	}
	var missing *cluster.MissingError
	if got, err := p.emitWithAck(t, cluster.Target{}, 100*time.Millisecond, "ask"); !errors.As(err, &missing) || missing.Expected != 2 || len(got) != 0 {
		t.Errorf("no acknowledgement: %q, %v", got, err)
	}
	if got := p.serverSideEmitWithAck(t, "question"); len(got) != 0 {
		t.Errorf("the answers of nobody: %q", got)
	}
	p.serverSideEmit(t, "news", "x")
	checkUnauthenticated(t, p)
	p.disconnect(t, rooms(one.socket))
	one.awaitGone(t)
	if err := p.n.To(two.socket).Disconnect(false); err != nil {
		t.Error(err)
	}
	two.awaitGone(t)
	if len(p.events) > 0 {
		t.Errorf("the server heard itself: %q", p.events)
	}
}

// TestUnauthenticated: what Node.js does to all sockets, or to those that have not
// authenticated yet by name, does not happen to them: nor does it when they
// have authenticated afterwards.
func TestUnauthenticated(t *testing.T) {
	t.Run("googollee", func(t *testing.T) {
		address := needRedis(t)
		p := guarded(t, address)
		unauthenticated(t, nodeJS(t, address), p, &p.guardedServer)
	})
	t.Run("zishang", func(t *testing.T) {
		address := needRedis(t)
		p := guardedZishang(t, address)
		unauthenticated(t, nodeJS(t, address), p, &p.guardedServer)
	})
}

func unauthenticated(t *testing.T, js *jsPeer, own peer, p *guardedServer) {
	t.Helper()
	everybody := cluster.Target{}
	for _, c := range p.pending {
		id := c.State(t).ID
		if id == "" {
			t.Fatal("a client does not know its ID")
		}
		js.emit(t, rooms(id), "event")
		js.emit(t, everybody, "event", []byte{1})
		js.join(t, everybody, "secret")
		js.join(t, rooms(id), "secret")
		js.disconnect(t, rooms(id))
		if list := js.fetch(t, rooms(id)); len(list) > 0 {
			t.Errorf("an unauthenticated client is shown: %+v", list)
		}
		if list := own.fetch(t, rooms(id)); len(list) > 0 {
			t.Errorf("an unauthenticated client is shown by its server: %+v", list)
		}
		if got, err := js.emitWithAck(t, rooms(id), patience, "ask"); err != nil || len(got) > 0 {
			t.Errorf("an unauthenticated client is asked: %q, %v", got, err)
		}
	}
	js.emit(t, everybody, "end")
	for _, m := range p.clients {
		m.heard(t)
	}
	checkUnauthenticated(t, own)
	for _, c := range p.pending {
		c.Emit(t, "authenticate", map[string]string{"token": "grace"})
		c.Expect(t, "authenticated")
		m := &jsMember{client: c, socket: c.State(t).ID, passed: len(c.Seen())}
		js.emit(t, rooms("secret"), "event", "secret")
		js.emit(t, everybody, "event", "all")
		js.emit(t, everybody, "end")
		expect(t, "who has authenticated since", m.heard(t), "[event all]")
		if list := js.fetch(t, rooms(m.socket)); len(list) != 1 || slices.Contains(list[0].Rooms, "secret") {
			t.Errorf("who has authenticated since: %+v", list)
		}
	}
}
