package cluster_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// malformed are messages that other nodes must survive. Several of them end a process
// of other implementations, and some come from nodes 2.x, which use the same channels
// with other numbers.
var malformed = []struct{ what, kind, data string }{
	{"nothing", "broadcast", ""},
	{"MessagePack nil", "broadcast", "c0"},
	{"JSON", "broadcast", hex.EncodeToString([]byte(`["x",{"type":2,"data":["event"]},{}]`))},
	{"an empty array", "broadcast", "90"},
	{"two elements", "broadcast", "92a178" + "80"},
	{"a uid that is a number", "broadcast", "930183a474797065 02 a464617461 91a6626164626164 a36e7370 a12f 80"},
	{"no packet", "broadcast", "93a178c080"},
	{"a packet without data", "broadcast", "93a17881a47479706502 80"},
	{"a packet without a type", "broadcast", "93a17881a46461746191a3626164 80"},
	{"a packet that is a CONNECT", "broadcast", "93a17882a47479706500a46461746191a3626164 80"},
	{"data that is not an array", "broadcast", "93a17882a47479706502a464617461a3626164 80"},
	{"data without a name", "broadcast", "93a17882a47479706502a46461746190 80"},
	{"a name that is reserved", "broadcast", "93a17882a47479706502a46461746191aa646973636f6e6e656374 80"},
	{"a name that is nil", "broadcast", "93a17882a47479706502a46461746191c0 80"},
	{"options that are nil", "broadcast", "93a17882a47479706502a46461746191a3626164 c0"},
	{"rooms that are nil", "broadcast", "93a17882a47479706502a46461746191a3626164 81a5726f6f6d73c0"},
	{"rooms that are a string", "broadcast", "93a17882a47479706502a46461746191a3626164 81a5726f6f6d73a3616c6c"},
	{"a room that is an array", "broadcast", "93a17882a47479706502a46461746191a3626164 81a5726f6f6d739190"},
	{"except that is a map", "broadcast", "93a17882a47479706502a46461746191a3626164 81a6657863657074 80"},
	{"flags that are a list", "broadcast", "93a17882a47479706502a46461746191a3626164 81a5666c616773 90"},
	{"bytes behind it", "broadcast", "93a17882a47479706502a46461746191a3626164 80 c0"},
	{"nested too deep", "broadcast", strings.Repeat("91", 10_000)},

	{"nothing", "request", ""},
	{"null", "request", hex.EncodeToString([]byte("null"))},
	{"an array", "request", hex.EncodeToString([]byte("[]"))},
	{"an open object", "request", hex.EncodeToString([]byte(`{"type":`))},
	{"MessagePack nil", "request", "c0"},
	{"no type", "request", hex.EncodeToString([]byte(`{"uid":"x"}`))},
	{"a type that is a string", "request", hex.EncodeToString([]byte(`{"uid":"x","type":"4","opts":{},"close":true}`))},
	{"an unknown type", "request", hex.EncodeToString([]byte(`{"uid":"x","type":77}`))},
	{"disconnect without opts", "request", hex.EncodeToString([]byte(`{"uid":"x","type":4,"close":true}`))},
	{"disconnect with opts null", "request", hex.EncodeToString([]byte(`{"uid":"x","type":4,"opts":null,"close":true}`))},
	{"disconnect with rooms null", "request", hex.EncodeToString([]byte(`{"uid":"x","type":4,"opts":{"rooms":null},"close":true}`))},
	{"disconnect with rooms that are a string", "request", hex.EncodeToString([]byte(`{"uid":"x","type":4,"opts":{"rooms":"one"},"close":true}`))},
	{"disconnect with fields in other case", "request", hex.EncodeToString([]byte(`{"uid":"x","TYPE":4,"Opts":{},"close":true}`))},
	{"join without opts", "request", hex.EncodeToString([]byte(`{"uid":"x","type":2,"rooms":["bad"]}`))},
	{"join a room that is an object", "request", hex.EncodeToString([]byte(`{"uid":"x","type":2,"opts":{},"rooms":[{}]}`))},
	{"fetch without opts", "request", hex.EncodeToString([]byte(`{"uid":"x","requestId":"r","type":5}`))},
	{"fetch without a requestId", "request", hex.EncodeToString([]byte(`{"uid":"x","type":5,"opts":{}}`))},
	{"an event without data", "request", hex.EncodeToString([]byte(`{"uid":"x","requestId":"r","type":6}`))},
	{"an event with data null", "request", hex.EncodeToString([]byte(`{"uid":"x","type":6,"data":null}`))},
	{"an event with a reserved name", "request", hex.EncodeToString([]byte(`{"uid":"x","type":6,"data":["disconnect"]}`))},
	{"a broadcast with acknowledgement without packet", "request", hex.EncodeToString([]byte(`{"uid":"x","requestId":"r","type":7,"opts":{}}`))},
	{"a broadcast with acknowledgement without opts", "request", hex.EncodeToString([]byte(`{"uid":"x","requestId":"r","type":7,"packet":{"type":2,"data":["bad"]}}`))},
	{"a broadcast with acknowledgement with packet null", "request", hex.EncodeToString([]byte(`{"uid":"x","requestId":"r","type":7,"packet":null,"opts":{}}`))},
	{"2.x: clients", "request", hex.EncodeToString([]byte(`{"requestid":"r","type":0,"rooms":["one"]}`))},
	{"2.x: remoteJoin", "request", hex.EncodeToString([]byte(`{"requestid":"r","type":3,"sid":"one","room":"bad"}`))},
	{"2.x: remoteLeave", "request", hex.EncodeToString([]byte(`{"requestid":"r","type":4,"sid":"one","room":"bad"}`))},
	{"2.x: customRequest", "request", hex.EncodeToString([]byte(`{"requestid":"r","type":5,"data":"x"}`))},
	{"2.x: remoteDisconnect", "request", hex.EncodeToString([]byte(`{"requestid":"r","type":6,"sid":"one","close":true}`))},

	{"null", "response", hex.EncodeToString([]byte("null"))},
	{"MessagePack nil", "response", "c0"},
	{"no requestId", "response", hex.EncodeToString([]byte(`{"sockets":[]}`))},
	{"an unknown requestId", "response", hex.EncodeToString([]byte(`{"requestId":"x","sockets":[]}`))},
}

var channels = map[string]string{
	"broadcast": "socket.io#/#", "request": "socket.io-request#/#", "response": "socket.io-response#/#",
}

// TestMalformed: a message that is invalid changes nothing, is logged without its
// content and in bounds, and the next one is handled.
func TestMalformed(t *testing.T) {
	m := cluster.NewMemory()
	one, two := join(t, m, nil, "one"), join(t, m, nil, "two")
	// A request of this node waits meanwhile, so that responses are looked at.
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	one.mu.Lock()
	one.sockets["one"].answer = nil
	one.mu.Unlock()
	go func() {
		defer close(waiting)
		_, _ = one.Namespace.BroadcastWithAck(ctx, event(t, "waiting"), rooms("one"))
	}()
	defer func() { cancel(); <-waiting }()
	one.until("the request waits", func() bool { return len(one.sockets["one"].heard) > 0 })
	for _, tt := range malformed {
		data, err := hex.DecodeString(strings.ReplaceAll(tt.data, " ", ""))
		if err != nil {
			t.Fatal(tt.what, err)
		}
		if err := m.Publish(t.Context(), cluster.Message{Channel: channels[tt.kind], Data: data}); err != nil {
			t.Fatal(err)
		}
		if err := two.Namespace.Broadcast(event(t, "end"), cluster.Target{}); err != nil {
			t.Fatal(err)
		}
		expect(t, tt.kind+": "+tt.what, two.heard("two"))
		for _, h := range one.heard("one") {
			if h != "[waiting]" {
				t.Errorf("%s: %s: one heard %s", tt.kind, tt.what, h)
			}
		}
		one.isUnchanged(tt.kind + ": " + tt.what)
		two.isUnchanged(tt.kind + ": " + tt.what)
	}
	log := one.log.String()
	if lines := strings.Count(log, "a message was dropped"); lines < 10 || lines > len(malformed)-20 {
		t.Errorf("%d lines about %d messages, want the first ten and then one a second:\n%s", lines, len(malformed), log)
	}
	if strings.Contains(log, "bad") || strings.Contains(log, "panic") {
		t.Errorf("the log has content, or a panic:\n%s", log)
	}
}

// isUnchanged: every socket is there, in its own room, and other servers emitted nothing.
func (s *server) isUnchanged(after string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, k := range s.sockets {
		if k.gone != "" || len(k.rooms) != 1 || len(s.events) > 0 {
			s.t.Errorf("%s: %s is %q in %v, events %q", after, id, k.gone, k.rooms, s.events)
		}
	}
}

// TestPanics: a bug in the local part, or in a handler of another server's events,
// costs one message.
func TestPanics(t *testing.T) {
	m := cluster.NewMemory()
	one, two := join(t, m, nil, "one"), join(t, m, nil, "two")
	if err := two.Namespace.ServerSideEmit(event(t, "panic")); err != nil {
		t.Fatal(err)
	}
	if err := two.Namespace.ServerSideEmit(event(t, "news", "end")); err != nil {
		t.Fatal(err)
	}
	expect(t, "the events after the panic", one.serverEvents())
	one.until("the panic is in the log", func() bool { return strings.Contains(one.log.String(), "a bug in the application") })

	one.mu.Lock()
	one.sockets["one"] = nil // the next broadcast panics
	one.mu.Unlock()
	if err := two.Namespace.Publish(event(t, "event"), cluster.Target{}); err != nil {
		t.Fatal(err)
	}
	one.until("the panic is in the log", func() bool { return strings.Contains(one.log.String(), "handling it panicked") })
	one.mu.Lock()
	one.sockets["one"] = &fakeSocket{rooms: map[string]bool{}}
	one.mu.Unlock()
	if err := two.Namespace.Publish(event(t, "end"), cluster.Target{}); err != nil {
		t.Fatal(err)
	}
	expect(t, "after the panic", one.heard("one"))
}

// TestRefused: what a node does not send.
func TestRefused(t *testing.T) {
	m := cluster.NewMemory()
	s := join(t, m, &cluster.Options{MaxMessage: 1000}, "one")
	other := join(t, m, nil, "two")
	n := s.Namespace
	large := event(t, "event", strings.Repeat("x", 1000))
	ctx := within(t, patience)
	_, ackErr := n.BroadcastWithAck(ctx, event(t, "disconnect"), cluster.Target{})
	_, askErr := n.ServerSideEmitWithAck(ctx, cluster.Payload{JSON: []byte(`{}`)})
	for what, err := range map[string]error{
		"a reserved name":                      n.Broadcast(event(t, "connect"), cluster.Target{}),
		"a reserved name with escapes":         n.Publish(cluster.Payload{JSON: []byte(` [ "disc\u006fnnect"]`)}, cluster.Target{}),
		"a name that is cut off":               n.Publish(cluster.Payload{JSON: []byte(`["x\`)}, cluster.Target{}),
		"a payload that is not an array":       n.Publish(cluster.Payload{JSON: []byte(`"x"`)}, cluster.Target{}),
		"a payload that is not JSON":           n.Publish(cluster.Payload{JSON: []byte(`["x",`)}, cluster.Target{}),
		"an array without a name":              n.Publish(cluster.Payload{JSON: []byte(`[]`)}, cluster.Target{}),
		"a reserved name with acknowledgement": ackErr, "an event of servers that is not an array": askErr,
		"a reserved name between servers": n.ServerSideEmit(event(t, "newListener")),
		"a message that is too large":     n.Publish(large, cluster.Target{}),
	} {
		if err == nil {
			t.Errorf("%s is sent", what)
		}
	}
	if _, err := cluster.NewPayload("x", func() {}); err == nil {
		t.Error("a function is encoded")
	}
	if err := other.Namespace.Publish(large, cluster.Target{}); err != nil {
		t.Error(err)
	}
	if err := other.Namespace.Publish(event(t, "end"), cluster.Target{}); err != nil {
		t.Error(err)
	}
	expect(t, "a message that is too large for its receiver", s.heard("one"))
}

// TestNew: options that are invalid are errors.
func TestNew(t *testing.T) {
	m := cluster.NewMemory()
	for what, o := range map[string]*cluster.Options{
		"prefix": {Prefix: "a#b"}, "timeout": {RequestTimeout: -1}, "a long timeout": {RequestTimeout: time.Hour}, "size": {MaxMessage: -1},
	} {
		if _, err := cluster.New(m, o); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if _, err := cluster.New(nil, nil); err == nil {
		t.Error("no broker: no error")
	}
	c, err := cluster.New(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	if _, err := c.Namespace("/", nil); err == nil {
		t.Error("no local part: no error")
	}
	if _, err := c.Namespace("chat", s); err == nil {
		t.Error("a name without a slash: no error")
	}
	n, err := c.Namespace("/chat", s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Namespace("/chat", s); err == nil {
		t.Error("a namespace twice: no error")
	}
	n.Close()
	if n, err = c.Namespace("/chat", s); err != nil {
		t.Errorf("a namespace again: %v", err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if err := n.Publish(event(t, "x"), cluster.Target{}); !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := c.Namespace("/x", s); !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("a namespace after Close: %v", err)
	}
	if err := c.Ready(within(t, patience)); !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("Ready after Close: %v", err)
	}
}

// blocked is a broker whose Publish waits.
type blocked struct {
	cluster.Broker
	until chan struct{}
}

func (b blocked) Publish(ctx context.Context, m ...cluster.Message) error {
	select {
	case <-b.until:
		return b.Broker.Publish(ctx, m...)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestSlowBroker: broadcasts do not wait for the broker, and what waits is bounded.
func TestSlowBroker(t *testing.T) {
	m := cluster.NewMemory()
	b := blocked{m, make(chan struct{})}
	s, other := join(t, b, nil, "one"), join(t, m, nil, "two")
	sent := 0
	for ; ; sent++ {
		err := s.Namespace.Publish(event(t, "event", sent), cluster.Target{})
		if errors.Is(err, cluster.ErrOverloaded) {
			break
		}
		if err != nil || sent > 100_000 {
			t.Fatal(sent, err)
		}
	}
	close(b.until)
	for {
		err := s.Namespace.Publish(event(t, "end"), cluster.Target{})
		if err == nil {
			break
		}
		if !errors.Is(err, cluster.ErrOverloaded) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if got := other.heard("two"); len(got) != sent || got[0] != "[event 0]" || sent < 1000 {
		t.Errorf("%d of %d messages arrived", len(got), sent)
	}
}

// TestInterrupted: a link that is lost is opened again, and a request that waits for
// an answer ends in time.
func TestInterrupted(t *testing.T) {
	m := cluster.NewMemory()
	one, two := join(t, m, nil, "one"), join(t, m, nil, "two")
	m.Interrupt()
	for _, s := range []*server{one, two} {
		s.until("the loss is in the log", func() bool { return strings.Contains(s.log.String(), "no link to the broker") })
		if err := s.cluster.Ready(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	goPeer{one}.emit(t, cluster.Target{}, "end")
	expect(t, "two", two.heard("two"))
	if list := (goPeer{one}).fetch(t, cluster.Target{}); len(list) != 2 {
		t.Errorf("%d sockets", len(list))
	}
}

// TestCloseEndsRequests: who waits for an answer is told that the namespace is
// closed, and what was sent before Close arrives.
func TestCloseEndsRequests(t *testing.T) {
	m := cluster.NewMemory()
	one, two := join(t, m, nil, "one"), join(t, m, nil, "two")
	two.mu.Lock()
	two.sockets["two"].answer = nil
	two.mu.Unlock()
	result := make(chan error, 1)
	go func() {
		_, err := one.Namespace.BroadcastWithAck(context.Background(), event(t, "ask"), rooms("two"))
		result <- err
	}()
	two.until("two is asked", func() bool { return len(two.sockets["two"].heard) > 0 })
	goPeer{one}.emit(t, cluster.Target{}, "end")
	if err := one.cluster.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, cluster.ErrClosed) {
		t.Errorf("BroadcastWithAck: %v", err)
	}
	expect(t, "two", two.heard("two"), "[ask]")
	if n, err := two.Nodes(within(t, patience)); err != nil || n != 1 {
		t.Errorf("%d nodes are left, %v", n, err)
	}
}

// TestNamespaces do not hear each other, whatever they are called.
func TestNamespaces(t *testing.T) {
	m := cluster.NewMemory()
	one, two := join(t, m, nil, "one"), join(t, m, nil, "two")
	var all []*cluster.Namespace
	names := []string{"/a", "/a#b", "/#", "/*"}
	for _, s := range []*server{one, two} {
		for _, name := range names {
			local := &server{t: t, sockets: map[string]*fakeSocket{}, changed: make(chan struct{}), log: s.log}
			local.sockets["x"] = &fakeSocket{rooms: map[string]bool{"x": true}}
			n, err := s.cluster.Namespace(name, local)
			if err != nil {
				t.Fatal(err)
			}
			local.Namespace = n
			all = append(all, n)
			t.Cleanup(func() {
				if got := local.heard("x"); len(got) != 1 || got[0] != "[event "+name+"]" {
					t.Errorf("%s heard %q", name, got)
				}
			})
		}
		if err := s.cluster.Ready(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range names {
		for _, p := range []cluster.Payload{event(t, "event", name), event(t, "end")} {
			if err := all[i].Broadcast(p, cluster.Target{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	goPeer{one}.emit(t, cluster.Target{}, "end")
	expect(t, "the root", two.heard("two"))
}
