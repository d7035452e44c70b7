package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsserver"
)

// A peer is a node of any kind in a test: one that acts on the cluster, and has
// members, its sockets.
type peer interface {
	emit(t testing.TB, to cluster.Target, event string, args ...any)
	emitWithAck(t testing.TB, to cluster.Target, timeout time.Duration, event string, args ...any) ([]string, error)
	fetch(t testing.TB, to cluster.Target) []cluster.Socket
	join(t testing.TB, to cluster.Target, rooms ...string)
	leave(t testing.TB, to cluster.Target, rooms ...string)
	disconnect(t testing.TB, to cluster.Target)
	serverSideEmit(t testing.TB, event string, args ...any)
	serverSideEmitWithAck(t testing.TB, event string, args ...any) []string
	news(t testing.TB) []string // events of other servers up to "news end"
	members() []member
}

// A member is a socket of a peer.
type member interface {
	id() string
	heard(t testing.TB) []string // what it was sent up to the event "end"
	awaitGone(t testing.TB)
	joinItself(t testing.TB, room string)
	acknowledge(t testing.TB) // the next event "ask", with "ack of " and its ID
	stayMute()                // from now on, nothing is acknowledged
}

// goPeer is a node without real clients.
type goPeer struct{ *server }

type goMember struct {
	*server
	name string
}

func (p goPeer) emit(t testing.TB, to cluster.Target, name string, args ...any) {
	t.Helper()
	if err := p.Namespace.Broadcast(event(t, name, args...), to); err != nil {
		t.Fatal(err)
	}
}

func (p goPeer) emitWithAck(t testing.TB, to cluster.Target, timeout time.Duration, name string, args ...any) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	answers, err := p.Namespace.BroadcastWithAck(ctx, event(t, name, args...), to)
	return shows(answers), err
}

func (p goPeer) fetch(t testing.TB, to cluster.Target) []cluster.Socket {
	t.Helper()
	sockets, err := p.Namespace.Sockets(within(t, patience), to)
	if err != nil {
		t.Fatal(err)
	}
	return sockets
}

func (p goPeer) join(t testing.TB, to cluster.Target, rooms ...string) {
	t.Helper()
	if err := p.Namespace.Join(to, rooms...); err != nil {
		t.Fatal(err)
	}
}

func (p goPeer) leave(t testing.TB, to cluster.Target, rooms ...string) {
	t.Helper()
	if err := p.Namespace.Leave(to, rooms...); err != nil {
		t.Fatal(err)
	}
}

func (p goPeer) disconnect(t testing.TB, to cluster.Target) {
	t.Helper()
	if err := p.Namespace.Disconnect(to, true); err != nil {
		t.Fatal(err)
	}
}

func (p goPeer) serverSideEmit(t testing.TB, name string, args ...any) {
	t.Helper()
	if err := p.Namespace.ServerSideEmit(event(t, name, args...)); err != nil {
		t.Fatal(err)
	}
}

func (p goPeer) serverSideEmitWithAck(t testing.TB, name string, args ...any) []string {
	t.Helper()
	answers, err := p.Namespace.ServerSideEmitWithAck(within(t, patience), event(t, name, args...))
	if err != nil {
		t.Fatal(err)
	}
	return shows(answers)
}

func (p goPeer) news(t testing.TB) []string {
	t.Helper()
	return p.serverEvents()
}

func (p goPeer) members() []member {
	var list []member
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(p.sockets)) {
		list = append(list, goMember{p.server, id})
	}
	return list
}

func (m goMember) id() string { return m.name }

func (m goMember) heard(t testing.TB) []string {
	t.Helper()
	return m.server.heard(m.name)
}

func (m goMember) awaitGone(t testing.TB) {
	t.Helper()
	k := m.sockets[m.name]
	m.until(m.name+" is disconnected", func() bool { return k.gone == "gone true" })
}

func (m goMember) joinItself(_ testing.TB, room string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sockets[m.name].rooms[room] = true
}

func (m goMember) acknowledge(testing.TB) {} // it does so by itself

func (m goMember) stayMute() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sockets[m.name].answer = nil
}

// jsPeer is a server on Node.js, with its own clients.
type jsPeer struct {
	*jsserver.Server
	clients []*jsMember
}

// jsMember is a JavaScript client of any server.
type jsMember struct {
	client *jsclient.Client
	socket string // its ID at the server
	passed int    // events that heard has returned
}

// connect connects a client and makes a member of it: the server joins sockets to
// rooms, and tells them their ID, when they emit "join".
func connect(t testing.TB, o jsclient.Options) *jsMember {
	t.Helper()
	m := &jsMember{client: jsclient.Start(t).Connect(t, o)}
	m.client.Expect(t, "connect")
	args := m.client.EmitAck(t, "join", "everybody").Wait(t)
	if len(args) != 1 || json.Unmarshal(args[0], &m.socket) != nil || m.socket == "" {
		t.Fatalf("the acknowledgement of join is %s, want the ID of the socket", args)
	}
	return m
}

func (m *jsMember) id() string { return m.socket }

func (m *jsMember) heard(t testing.TB) []string {
	t.Helper()
	m.client.Expect(t, "end")
	var list []string
	for i, e := range m.client.Seen() {
		if i < m.passed || strings.HasPrefix(e.Name, "engine:") || e.Name == "connect" || e.Name == "authenticated" {
			continue
		}
		if e.Name == "end" {
			m.passed = i + 1
			break
		}
		list = append(list, "["+strings.Join(append([]string{e.Name}, decoded(t, e.Args)...), " ")+"]")
	}
	return list
}

// decoded shows what a client saw as show does.
func decoded(t testing.TB, args []json.RawMessage) []string {
	t.Helper()
	out := make([]string, len(args))
	for i, a := range args {
		var v any
		if err := json.Unmarshal(a, &v); err != nil {
			t.Fatal(err)
		}
		out[i] = fmt.Sprint(readable(binary(v)))
	}
	return out
}

// binary makes []byte of the form in which the drivers pass it on.
func binary(v any) any {
	switch w := v.(type) {
	case []any:
		for i, e := range w {
			w[i] = binary(e)
		}
	case map[string]any:
		if _, ok := w["$bin"]; ok && len(w) == 1 {
			var b jsclient.Binary
			if json.Unmarshal([]byte(text(v)), &b) == nil {
				return []byte(b)
			}
		}
		for k, e := range w {
			w[k] = binary(e)
		}
	}
	return v
}

func (m *jsMember) awaitGone(t testing.TB) {
	t.Helper()
	m.client.Expect(t, "disconnect")
}

func (m *jsMember) joinItself(t testing.TB, room string) {
	t.Helper()
	m.client.EmitAck(t, "join", room).Wait(t)
}

func (m *jsMember) acknowledge(t testing.TB) {
	t.Helper()
	m.client.Expect(t, "ask").Ack(t, "ack of "+m.socket)
}

func (m *jsMember) stayMute() {}

func (p *jsPeer) command(op string, to cluster.Target, args ...any) jsserver.Command {
	for i, a := range args {
		if b, ok := a.([]byte); ok {
			args[i] = jsclient.Binary(b)
		}
	}
	return jsserver.Command{Op: op, Rooms: to.Rooms, Except: to.Except, Volatile: to.Volatile, Args: args}
}

func (p *jsPeer) emit(t testing.TB, to cluster.Target, event string, args ...any) {
	t.Helper()
	p.Do(t, p.command("emit", to, append([]any{event}, args...)...), nil)
}

func (p *jsPeer) emitWithAck(t testing.TB, to cluster.Target, timeout time.Duration, event string, args ...any) ([]string, error) {
	t.Helper()
	c := p.command("emitWithAck", to, append([]any{event}, args...)...)
	c.Timeout = int(timeout.Milliseconds())
	result, err := p.Try(c)
	if err != nil {
		return nil, err
	}
	return answersOf(t, result), nil
}

func answersOf(t testing.TB, result json.RawMessage) []string {
	t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal(result, &list); err != nil {
		t.Fatal(err)
	}
	out := decoded(t, list)
	slices.Sort(out)
	return out
}

func (p *jsPeer) fetch(t testing.TB, to cluster.Target) []cluster.Socket {
	t.Helper()
	var list []cluster.Socket
	p.Do(t, p.command("fetch", to), &list)
	return list
}

func (p *jsPeer) join(t testing.TB, to cluster.Target, rooms ...string) {
	t.Helper()
	c := p.command("join", to)
	c.Names = rooms
	p.Do(t, c, nil)
}

func (p *jsPeer) leave(t testing.TB, to cluster.Target, rooms ...string) {
	t.Helper()
	c := p.command("leave", to)
	c.Names = rooms
	p.Do(t, c, nil)
}

func (p *jsPeer) disconnect(t testing.TB, to cluster.Target) {
	t.Helper()
	c := p.command("disconnect", to)
	c.Close = true
	p.Do(t, c, nil)
}

func (p *jsPeer) serverSideEmit(t testing.TB, event string, args ...any) {
	t.Helper()
	p.Do(t, p.command("serverSideEmit", cluster.Target{}, append([]any{event}, args...)...), nil)
}

func (p *jsPeer) serverSideEmitWithAck(t testing.TB, event string, args ...any) []string {
	t.Helper()
	var result json.RawMessage
	p.Do(t, p.command("serverSideEmitWithAck", cluster.Target{}, append([]any{event}, args...)...), &result)
	return answersOf(t, result)
}

func (p *jsPeer) news(t testing.TB) []string {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(10 * time.Millisecond) {
		var list []json.RawMessage
		p.Do(t, jsserver.Command{Op: "heard"}, &list)
		got := decoded(t, list)
		if i := slices.Index(got, "[news end]"); i >= 0 {
			return got[:i]
		}
	}
	t.Fatal("Node.js heard no end of the news")
	return nil
}

func (p *jsPeer) members() []member {
	list := make([]member, len(p.clients))
	for i, c := range p.clients {
		list[i] = c
	}
	return list
}

// nodeJS starts a server on Node.js with a client of 4.8.4 and one of 2.5.0.
func nodeJS(t testing.TB, redis string) *jsPeer {
	t.Helper()
	p := &jsPeer{Server: jsserver.Start(t, jsserver.Options{Redis: redis})}
	for _, v := range []jsclient.Version{jsclient.V4, jsclient.V2} {
		p.clients = append(p.clients, connect(t, jsclient.Options{Version: v, URL: p.URL, Transports: jsclient.Websocket}))
	}
	return p
}
