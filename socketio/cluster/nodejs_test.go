package cluster_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsserver"
)

// TestEmitter: npm's redis-emitter, a program without a server, reaches Go nodes.
func TestEmitter(t *testing.T) {
	address := needRedis(t)
	js := jsserver.Start(t, jsserver.Options{Redis: address})
	s := join(t, broker(t, address), nil, "one", "two")
	p := goPeer{s}
	p.members()[1].joinItself(t, "r1")
	emit := func(to cluster.Target, args ...any) {
		js.Do(t, jsserver.Command{Op: "emitterEmit", Rooms: to.Rooms, Except: to.Except, Args: args}, nil)
	}
	emit(cluster.Target{}, "event", 1)
	emit(rooms("r1"), "event", 2)
	emit(rooms("r1", "r2"), "event", 3)
	emit(cluster.Target{Except: []string{"r1"}}, "event", 4)
	emit(rooms("one"), "event", map[string]any{"$bin": "AQI="})
	emit(rooms("r2"), "event", 6)
	js.Do(t, jsserver.Command{Op: "emitterJoin", Rooms: []string{"one"}, Names: []string{"r2"}}, nil)
	emit(rooms("r2"), "event", 7)
	js.Do(t, jsserver.Command{Op: "emitterLeave", Names: []string{"r2"}}, nil)
	emit(rooms("r2"), "event", 8)
	js.Do(t, jsserver.Command{Op: "emitterServerSideEmit", Args: []any{"news", "x"}}, nil)
	js.Do(t, jsserver.Command{Op: "emitterServerSideEmit", Args: []any{"news", "end"}}, nil)
	emit(cluster.Target{}, "end")
	expect(t, "one", s.heard("one"), "[event 1]", "[event 4]", "[event <0102>]", "[event 7]")
	expect(t, "two", s.heard("two"), "[event 1]", "[event 2]", "[event 3]")
	expect(t, "the server", s.serverEvents(), "[news x]")
	js.Do(t, jsserver.Command{Op: "emitterDisconnect", Rooms: []string{"r1"}, Close: true}, nil)
	p.members()[1].awaitGone(t)
}

// TestNodeJSOnly are things that only JavaScript does: rooms that are numbers, dates
// and binary values in events of servers, acknowledgements without a value.
func TestNodeJSOnly(t *testing.T) {
	address := needRedis(t)
	js := jsserver.Start(t, jsserver.Options{Redis: address})
	s := join(t, broker(t, address), nil, "one")
	goPeer{s}.members()[0].joinItself(t, "12")
	js.Do(t, jsserver.Command{Op: "emit", Args: []any{"event", map[string]any{"$date": 1500}, map[string]any{"$date": -1}}}, nil)
	if _, err := js.Try(jsserver.Command{Op: "emitToNumber"}); err != nil {
		t.Fatal(err)
	}
	js.Do(t, jsserver.Command{Op: "emit", Args: []any{"end"}}, nil)
	expect(t, "one", s.heard("one"), "[event 1970-01-01T00:00:01.500Z 1969-12-31T23:59:59.999Z]", "[event to 12]", "[event to 12 and 13]")

	answers, err := s.ServerSideEmitWithAck(within(t, patience), event(t, "question", []byte{1, 2}))
	if got := shows(answers); err != nil || len(got) != 1 || got[0] != "{args:[<0102>] node:node.js}" && !strings.Contains(got[0], "Buffer") {
		t.Errorf("binary in an event of servers: %v, %v", got, err)
	}
	if err := s.Namespace.ServerSideEmit(event(t, "news", []byte{3})); err != nil {
		t.Fatal(err)
	}
	if err := s.Namespace.ServerSideEmit(event(t, "news", "end")); err != nil {
		t.Fatal(err)
	}
	expect(t, "news", (&jsPeer{Server: js}).news(t), "[question <0102>]", "[news <03>]")

	var nodes int
	js.Do(t, jsserver.Command{Op: "count"}, &nodes)
	if n, err := s.Nodes(within(t, patience)); err != nil || n != 2 || nodes != 2 {
		t.Errorf("there are %d nodes, %v, and %d by Node.js, want 2", n, err, nodes)
	}
	var all []string
	js.Do(t, jsserver.Command{Op: "allRooms"}, &all)
	slices.Sort(all)
	expect(t, "allRooms", all, "12", "one")
}

// TestFaultsA8: no node learns a socket's token, whichever node asks, wherever
// the client presented it.
func TestFaultsA8(t *testing.T) {
	const secret, opaque = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl", "opaque+token/with=specials"
	address := needRedis(t)
	js := jsserver.Start(t, jsserver.Options{Redis: address})
	s := join(t, broker(t, address), nil, "one")
	other := join(t, broker(t, address), nil)
	s.mu.Lock()
	s.sockets["one"].Secrets = []string{opaque}
	s.sockets["one"].Handshake = cluster.Handshake{
		Headers: map[string]string{
			"authorization": "Bearer " + secret, "cookie": "theme=dark; jwt=" + secret, "sec-websocket-protocol": "bearer, abc",
			"x-mine": opaque, "x-yours": "a " + secret, "referer": "https://chat.example/?access_token=abc", "dpop": "x.y.z",
			"user-agent": "a browser", "origin": "https://chat.example", "x-long": strings.Repeat("v1.2.3 ", 3),
		},
		Query: map[string]string{"token": "abc", "id_token": "abc", "EIO": "4", "mine": opaque, secret: "1", "room": "blue"},
		URL:   "/socket.io/?EIO=4&token=abc&mine=opaque%2Btoken%2Fwith%3Dspecials&room=blue&x=" + secret,
	}
	s.mu.Unlock()
	var raw json.RawMessage
	js.Do(t, jsserver.Command{Op: "fetch"}, &raw)
	remote, err := other.Namespace.Sockets(within(t, patience), cluster.Target{})
	if err != nil {
		t.Fatal(err)
	}
	local, err := s.Namespace.Sockets(within(t, patience), cluster.Target{})
	if err != nil {
		t.Fatal(err)
	}
	for who, told := range map[string]string{"Node.js": string(raw), "a Go node": text(remote), "the node itself": text(local)} {
		for _, part := range []string{secret, "abc", opaque, "opaque", "c2lnbmF0dXJl", "x.y.z", "theme"} {
			if strings.Contains(told, part) {
				t.Errorf("%s is told %q: %s", who, part, told)
			}
		}
		for _, part := range []string{"a browser", "https://chat.example", "v1.2.3", "blue", `"EIO":"4"`, "/socket.io/?EIO=4", `"auth":{}`} {
			if !strings.Contains(told, part) {
				t.Errorf("%s is not told %q: %s", who, part, told)
			}
		}
	}
}

// TestRedisRestarts: nodes find each other again, what is asked meanwhile is an error
// and no answer, and no message that waited comes twice.
func TestRedisRestarts(t *testing.T) {
	redis := startRedis(t)
	one := join(t, broker(t, redis.Address()), nil, "one")
	two := join(t, broker(t, redis.Address()), nil, "two")
	redis.Stop()
	for begin := time.Now(); one.cluster.Err() == nil || two.cluster.Err() == nil; time.Sleep(time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("the nodes do not notice that Redis is gone")
		}
	}
	withoutRedis(t, one)
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*server{one, two} {
		if err := s.cluster.Ready(within(t, patience)); err != nil {
			t.Fatal(err)
		}
	}
	goPeer{one}.emit(t, cluster.Target{}, "event", "again")
	goPeer{one}.emit(t, cluster.Target{}, "end")
	expect(t, "two", two.heard("two"), "[event again]")
	expect(t, "one", one.heard("one"), "[event lost]", "[event again]")
	if n, err := one.Nodes(within(t, patience)); err != nil || n != 2 {
		t.Errorf("%d nodes, %v", n, err)
	}
}

// withoutRedis: own sockets hear a broadcast, and whatever asks other nodes is an error.
func withoutRedis(t *testing.T, one *server) {
	t.Helper()
	if err := one.Namespace.Broadcast(event(t, "event", "lost"), cluster.Target{}); err != nil {
		t.Errorf("a broadcast without Redis: %v", err)
	}
	if list, err := one.Namespace.Sockets(within(t, patience), cluster.Target{}); !errors.Is(err, cluster.ErrUnavailable) || len(list) != 1 {
		t.Errorf("Sockets without Redis: %v, %v", list, err)
	}
	if _, err := one.Namespace.BroadcastWithAck(within(t, patience), event(t, "event"), cluster.Target{}); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("BroadcastWithAck without Redis: %v", err)
	}
	if _, err := one.Nodes(within(t, patience)); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("Nodes without Redis: %v", err)
	}
	one.until("the loss is in the log", func() bool { return strings.Contains(one.log.String(), "did not reach other nodes") })
}
