package zishang

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// fetch lists the sockets that an adapter knows.
func fetch(t *testing.T, a socket.Adapter, opts *socket.BroadcastOptions) (list []socket.SocketDetails) {
	t.Helper()
	done := make(chan error, 1)
	a.FetchSockets(opts)(func(all []socket.SocketDetails, err error) {
		list = all
		done <- err
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return list
}

func ids(list []socket.SocketDetails) (ids []socket.SocketId) {
	for _, s := range list {
		ids = append(ids, s.Id())
	}
	slices.Sort(ids)
	return ids
}

// TestClusterFetch: a server sees the sockets of the other one, with their rooms, data
// and handshake, but not their tokens.
func TestClusterFetch(t *testing.T) {
	ada, bob := newNodes(t, "/chat", nil)
	a := ada.nsp.Adapter()
	both := []socket.SocketId{ada.socket.Id(), bob.socket.Id()}
	slices.Sort(both)
	here := []socket.SocketId{ada.socket.Id()}
	for _, test := range []struct {
		opts *socket.BroadcastOptions
		want []socket.SocketId
	}{
		{nil, both},
		{&socket.BroadcastOptions{}, both},
		{&socket.BroadcastOptions{Flags: &socket.BroadcastFlags{}}, both},
		{&socket.BroadcastOptions{Flags: &socket.BroadcastFlags{Local: true}}, here},
		{&socket.BroadcastOptions{Rooms: newRooms("ada")}, here},
		{&socket.BroadcastOptions{Except: newRooms("bob")}, here},
	} {
		if got := ids(fetch(t, a, test.opts)); !slices.Equal(got, test.want) {
			t.Errorf("%+v: got %v, want %v", test.opts, got, test.want)
		}
	}
	toBob := &socket.BroadcastOptions{Rooms: newRooms("bob")}
	if s := fetch(t, a, toBob)[0]; fmt.Sprint(s.Data()) != "map[]" {
		t.Errorf("the data of a socket without data: %#v", s.Data())
	}
	bob.socket.SetData(map[string]any{"n": 1})
	s := fetch(t, a, toBob)[0]
	h := s.Handshake()
	host, _ := h.Headers["host"].(string)
	if h.Url != "/socket.io/?EIO=4&transport=websocket" || fmt.Sprint(h.Query["transport"]) != "[websocket]" || host == "" || h.Issued != bob.socket.Handshake().Issued || len(h.Auth) > 0 {
		t.Errorf("the handshake of a socket of another node: %+v", h)
	}
	if rooms := s.Rooms(); rooms.Len() != 2 || !rooms.Has("bob") || !rooms.Has(socket.Room(s.Id())) || fmt.Sprint(s.Data()) != "map[n:1]" {
		t.Errorf("a socket of another node is in %v and has the data %v", rooms.Keys(), s.Data())
	}
	bob.socket.SetData(func() {})
	if s := fetch(t, a, toBob)[0]; fmt.Sprint(s.Data()) != "map[]" {
		t.Errorf("data that cannot be encoded: %#v", s.Data())
	}
}

// TestClusterFetchPublic: so it is where sockets have no session.
func TestClusterFetchPublic(t *testing.T) {
	ada, bob := newNodes(t, "/chat", nil)
	const name = "/public"
	public(t, bob.io, name)
	n := public(t, ada.io, name)
	if err := errors.Join(ada.cluster.Ready(t.Context()), bob.cluster.Ready(t.Context())); err != nil {
		t.Fatal(err)
	}
	bob.client.send("40" + name + ",")
	bob.client.expect("40" + name)
	list := fetch(t, n.Adapter(), nil)
	if len(list) != 1 || fmt.Sprint(list[0].Handshake().Query["EIO"]) != "[4]" {
		t.Errorf("the other server shows %v", list)
	}
}

// TestClusterRooms: a server puts sockets of the other one into rooms, takes them out, and
// disconnects them, unless only the sockets of this node are meant.
func TestClusterRooms(t *testing.T) {
	for _, namespace := range namespaces {
		ada, bob := newNodes(t, namespace, nil)
		is := func(n *node, room socket.Room, want bool) {
			t.Helper()
			eventually(t, func() (bool, string) {
				return n.socket.Rooms().Has(room) == want, fmt.Sprintf("%s: in %v, which should have %s: %v", namespace, n.socket.Rooms().Keys(), room, want)
			})
		}
		ada.nsp.Local().SocketsJoin("here")
		ada.nsp.SocketsJoin("red", "blue")
		for _, n := range []*node{ada, bob} {
			is(n, "red", true)
			is(n, "blue", true)
			is(n, "here", n == ada)
		}
		ada.nsp.Local().SocketsLeave("blue")
		ada.nsp.SocketsLeave("red")
		for _, n := range []*node{ada, bob} {
			is(n, "red", false)
			is(n, "blue", n == bob)
		}
		ada.nsp.To("blue").Local().DisconnectSockets(true)
		ada.nsp.To("blue").Emit("end")
		if got := bob.hears(); got != "" {
			t.Errorf("%s: bob hears %s", namespace, got)
		}
		ada.nsp.To("blue").DisconnectSockets(false)
		bob.client.expect("41")
		ada.nsp.Local().DisconnectSockets(false)
		ada.client.expect("41")
	}
}

// TestClusterServerEvents: servers send each other events, and answer them.
func TestClusterServerEvents(t *testing.T) {
	for _, namespace := range namespaces {
		ada, bob := newNodes(t, namespace, nil)
		heard := make(chan string, 9)
		_ = bob.nsp.On("news", func(args ...any) { heard <- show(args, nil) })
		_ = bob.nsp.On("ask", func(args ...any) {
			last := len(args) - 1
			args[last].(socket.Ack)([]any{map[string]any{
				"args": args[:last], "buffer": types.NewBytesBuffer([]byte{8}), "text": types.NewStringBufferString("t"),
				"reader": strings.NewReader("r"), "list": []any{types.NewBytesBuffer([]byte{9})},
			}, "dropped"}, nil)
		})
		_ = ada.nsp.On("news", func(...any) { t.Error("the server hears its own event") })
		if err := errors.Join(ada.nsp.ServerSideEmit("news"), ada.nsp.ServerSideEmit("news", "/1", []byte{7})); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"[] <nil>", "[/1 <07>] <nil>"} {
			if got := <-heard; got != want {
				t.Errorf("%s: got %s, want %s", namespace, got, want)
			}
		}
		answered := make(chan string, 1)
		err := ada.nsp.ServerSideEmitWithAck("ask", 1.0)(func(values []any, err error) { answered <- show(values, err) })
		if err != nil {
			t.Fatal(err)
		}
		if got := <-answered; got != "[map[args:[1] buffer:<08> list:[<09>] reader:r text:t]] <nil>" {
			t.Errorf("%s: the answer is %s", namespace, got)
		}
		if err := ada.nsp.ServerSideEmit("news", make(chan int)); err == nil {
			t.Errorf("%s: an event that cannot be encoded was sent", namespace)
		}
	}
}

// TestClusterServerRefuses: a server that answers with an error has not answered.
func TestClusterServerRefuses(t *testing.T) {
	ada, bob := newNodes(t, "/", &cluster.Options{RequestTimeout: 100 * time.Millisecond})
	refused := errors.New("refused")
	_ = bob.nsp.On("ask", func(args ...any) { args[0].(socket.Ack)([]any{"x"}, refused) })
	answered := make(chan string, 1)
	_ = ada.nsp.ServerSideEmitWithAck("ask")(func(values []any, err error) {
		answered <- fmt.Sprint(values, errors.Is(err, context.DeadlineExceeded))
	})
	if got := <-answered; got != "[] true" {
		t.Errorf("got %s", got)
	}
}

// TestClusterServerCount: servers that close, or have not joined, are not counted.
func TestClusterServerCount(t *testing.T) {
	ada, bob := newNodes(t, "/", nil)
	count := func(n *node) int64 { return n.nsp.Adapter().ServerCount() }
	if n := count(ada); n != 2 {
		t.Errorf("%d servers, want 2", n)
	}
	another := newNode(t, ada.cluster, "/") // the cluster has this namespace
	another.connect(t, "eve")
	if n := count(another); n != 1 {
		t.Errorf("%d servers, want only that which has not joined", n)
	}
	if err := another.nsp.ServerSideEmit("news"); !errors.Is(err, errNotJoined) {
		t.Errorf("an event of a server that has not joined: %v", err)
	}
	if list := fetch(t, another.nsp.Adapter(), nil); len(list) != 1 {
		t.Errorf("a server that has not joined sees %d sockets", len(list))
	}
	_ = another.nsp.Emit("end")
	if got := another.hears(); got != "" {
		t.Errorf("a client of a server that has not joined hears %s", got)
	}
	_ = bob.client.conn.Close()
	if err := bob.io.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, func() (bool, string) { return count(ada) == 1, "the server that is closed is counted" })
	_ = ada.cluster.Close()
	if n := count(ada); n != -1 {
		t.Errorf("%d servers, want -1 for a broker that cannot be asked", n)
	}
}
