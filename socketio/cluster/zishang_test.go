package cluster_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
)

// zishangPeer is a server of package zishang.
type zishangPeer struct {
	io *socket.Server
	guardedServer
}

// newZishang makes a server whose root namespace is guarded, and a function that ends
// it.
func newZishang(t testing.TB, options *socket.ServerOptions, auth socketio.Authenticator, o ...socketio.Option) (*socket.Server, http.Handler, func()) {
	t.Helper()
	s := zishang.NewServer(options)
	if _, err := s.Authorize("/", auth, o...); err != nil {
		t.Fatal(err)
	}
	return s.IO(), s, func() { _ = s.Close() }
}

// guardedZishang starts a server of a cluster to which clients authenticate by event.
func guardedZishang(t testing.TB, redis string) *zishangPeer {
	t.Helper()
	c := joinCluster(t, redis, newLog())
	options := socket.DefaultServerOptions()
	options.SetAllowEIO3(true)
	options.SetAdapter(zishang.ClusterAdapter(c))
	p := &zishangPeer{}
	io, handler, end := newZishang(t, options, anyToken{}, socketio.ByEvent(), socketio.Timeout(time.Minute))
	p.io = io
	_ = io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("join", func(args ...any) {
			s.Join(socket.Room(args[0].(string)))
			args[1].(socket.Ack)([]any{string(s.Id())}, nil)
		})
	})
	for _, name := range []string{"news", "question"} {
		_ = io.Sockets().On(name, func(args ...any) { p.handle(name, args) })
	}
	web := httptest.NewServer(handler)
	t.Cleanup(func() {
		end()
		web.Close()
	})
	p.url = web.URL
	if err := c.Ready(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	p.connectAll(t)
	return p
}

// handle notes an event of another server, and answers it.
func (p *zishangPeer) handle(name string, args []any) {
	var ack socket.Ack
	if n := len(args); n > 0 {
		if f, ok := args[n-1].(socket.Ack); ok {
			ack, args = f, args[:n-1]
		}
	}
	p.hear(fmt.Sprint(readable(append([]any{name}, args...))))
	if ack != nil {
		ack([]any{map[string]any{"node": "go", "args": args}}, nil)
	}
}

func (p *zishangPeer) operator(to cluster.Target) *socket.BroadcastOperator {
	return p.io.Sockets().To(socketRooms(to.Rooms)...).Except(socketRooms(to.Except)...)
}

func (p *zishangPeer) emit(t testing.TB, to cluster.Target, event string, args ...any) {
	t.Helper()
	if err := p.operator(to).Emit(event, args...); err != nil {
		t.Fatal(err)
	}
}

// result is what the library calls back with.
type result[T any] struct {
	values []T
	err    error
}

func (p *zishangPeer) emitWithAck(t testing.TB, to cluster.Target, timeout time.Duration, event string, args ...any) ([]string, error) {
	t.Helper()
	done := make(chan result[any], 1)
	p.operator(to).Timeout(timeout).EmitWithAck(event, args...)(func(values []any, err error) { done <- result[any]{values, err} })
	r := <-done
	return readables(r.values), r.err
}

func readables(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if b, ok := v.(types.BufferInterface); ok {
			v = b.Bytes()
		}
		out[i] = fmt.Sprint(readable(v))
	}
	slices.Sort(out)
	return out
}

func (p *zishangPeer) fetch(t testing.TB, to cluster.Target) []cluster.Socket {
	t.Helper()
	done := make(chan result[*socket.RemoteSocket], 1)
	p.operator(to).FetchSockets()(func(list []*socket.RemoteSocket, err error) { done <- result[*socket.RemoteSocket]{list, err} })
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	var list []cluster.Socket
	for _, s := range r.values {
		d := cluster.Socket{ID: string(s.Id())}
		for _, room := range s.Rooms().Keys() {
			d.Rooms = append(d.Rooms, string(room))
		}
		list = append(list, d)
	}
	return list
}

func socketRooms(names []string) []socket.Room {
	var rooms []socket.Room
	for _, n := range names {
		rooms = append(rooms, socket.Room(n))
	}
	return rooms
}

func (p *zishangPeer) join(_ testing.TB, to cluster.Target, rooms ...string) {
	p.operator(to).SocketsJoin(socketRooms(rooms)...)
}

func (p *zishangPeer) leave(_ testing.TB, to cluster.Target, rooms ...string) {
	p.operator(to).SocketsLeave(socketRooms(rooms)...)
}

func (p *zishangPeer) disconnect(_ testing.TB, to cluster.Target) {
	p.operator(to).DisconnectSockets(true)
}

func (p *zishangPeer) serverSideEmit(t testing.TB, event string, args ...any) {
	t.Helper()
	if err := p.io.Sockets().ServerSideEmit(event, args...); err != nil {
		t.Fatal(err)
	}
}

func (p *zishangPeer) serverSideEmitWithAck(t testing.TB, event string, args ...any) []string {
	t.Helper()
	done := make(chan result[any], 1)
	err := p.io.Sockets().ServerSideEmitWithAck(event, args...)(func(values []any, err error) { done <- result[any]{values, err} })
	if err != nil {
		t.Fatal(err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(errors.Join(r.err))
	}
	return readables(r.values)
}
