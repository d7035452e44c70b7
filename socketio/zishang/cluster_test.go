package zishang

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
)

// node is a server of a cluster with one client, whose socket is in the namespace and in
// the room of its user's name.
type node struct {
	cluster *cluster.Cluster
	io      *Server
	nsp     socket.Namespace
	client  *frames
	socket  *socket.Socket
	prefix  string // of the namespace in packets
}

// newNodes makes a cluster of two nodes, one for ada and one for bob.
func newNodes(t *testing.T, namespace string, o *cluster.Options) (ada, bob *node) {
	t.Helper()
	if o == nil {
		o = &cluster.Options{RequestTimeout: time.Minute}
	}
	broker := cluster.NewMemory()
	var nodes [2]*node
	for i := range nodes {
		c, err := cluster.New(broker, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		nodes[i] = newNode(t, c, namespace)
	}
	for i, name := range []string{"ada", "bob"} {
		if err := nodes[i].cluster.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		nodes[i].connect(t, name)
	}
	return nodes[0], nodes[1]
}

func newNode(t *testing.T, c *cluster.Cluster, namespace string) *node {
	t.Helper()
	options := socket.DefaultServerOptions()
	options.SetAdapter(ClusterAdapter(c))
	n := &node{cluster: c, io: NewServer(options)}
	n.nsp = guard(t, n.io, namespace, byName())
	if namespace != "/" {
		n.prefix = namespace + ","
	}
	return n
}

func (n *node) connect(t *testing.T, name string) {
	t.Helper()
	sockets := make(chan *socket.Socket, 1)
	OnAuthenticated(n.nsp, func(s *socket.Socket, _ *socketio.Session) error {
		s.Join(socket.Room(name))
		sockets <- s
		return nil
	})
	n.client = upgrade(t, serveServer(t, n.io))
	n.client.send("40" + n.prefix + `{"token":"` + name + `"}`)
	n.client.expect("40" + n.prefix)
	n.socket = <-sockets
}

// hears returns what the client hears before the event "end".
func (n *node) hears() string {
	var all []string
	for {
		got := strings.Replace(n.client.next(), n.prefix, "", 1)
		if got == `42["end"]` {
			return strings.Join(all, " ")
		}
		all = append(all, got)
	}
}

var namespaces = []string{"/", "/chat"}

// TestClusterBroadcasts: an event reaches the sockets of its target on both nodes, and
// their listeners of outgoing events hear it, on the node that sends it.
func TestClusterBroadcasts(t *testing.T) {
	all := func(n socket.Namespace) *socket.BroadcastOperator { return n.Except() }
	for name, test := range map[string]struct {
		to       func(socket.Namespace) *socket.BroadcastOperator
		args     []any
		ada, bob string
	}{
		"all":       {all, []any{"1", 2.0}, `42["news","1",2]`, `42["news","1",2]`},
		"a room":    {func(n socket.Namespace) *socket.BroadcastOperator { return n.To("bob") }, nil, "", `42["news"]`},
		"its room":  {func(n socket.Namespace) *socket.BroadcastOperator { return n.To("ada") }, nil, `42["news"]`, ""},
		"two rooms": {func(n socket.Namespace) *socket.BroadcastOperator { return n.To("ada", "bob") }, nil, `42["news"]`, `42["news"]`},
		"except":    {func(n socket.Namespace) *socket.BroadcastOperator { return n.Except("bob") }, nil, `42["news"]`, ""},
		"this node": {func(n socket.Namespace) *socket.BroadcastOperator { return n.Local() }, nil, `42["news"]`, ""},
		"binary": {all, []any{[]byte{1}, []byte("/2")},
			`452-["news",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}] ` + "\x01 /2",
			`452-["news",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}] ` + "\x01 /2"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, namespace := range namespaces {
				ada, bob := newNodes(t, namespace, nil)
				noticed := 0
				ada.socket.OnAnyOutgoing(func(...any) { noticed++ })
				if err := test.to(ada.nsp).Emit("news", test.args...); err != nil {
					t.Fatal(err)
				}
				if (noticed == 1) != (test.ada != "") {
					t.Errorf("%s: the listener of outgoing events heard %d", namespace, noticed)
				}
				_ = ada.nsp.Emit("end")
				if got := ada.hears(); got != test.ada {
					t.Errorf("%s: ada hears %q, want %q", namespace, got, test.ada)
				}
				if got := bob.hears(); got != test.bob {
					t.Errorf("%s: bob hears %q, want %q", namespace, got, test.bob)
				}
			}
		})
	}
}

// TestClusterVolatile: a client that is not ready misses volatile events, and no others.
func TestClusterVolatile(t *testing.T) {
	c, err := cluster.New(cluster.NewMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	n := newNode(t, c, "/")
	polls := dial(t, serveServer(t, n.io))
	polls.send(`40{"token":"ada"}`)
	polls.connected("/")
	_ = n.nsp.Emit("first")
	_ = n.nsp.Volatile().Emit("volatile")
	_ = n.nsp.Emit("last")
	polls.expect(`42["first"]`)
	polls.expect(`42["last"]`)
	polls.send("1")
}

// answer has a client answer the next event with the arguments, which are JSON.
func (n *node) answer(event, args string) {
	n.client.t.Helper()
	packet, kind := n.client.next(), "42"
	if strings.Contains(event, "_placeholder") {
		kind = "451-"
		if got := n.client.next(); got != "\x07" {
			n.client.t.Errorf("the attachment is %q", got)
		}
	}
	id, ok := strings.CutSuffix(strings.TrimPrefix(packet, kind+n.prefix), event)
	if !ok || !strings.HasPrefix(packet, kind) {
		n.client.t.Errorf("got %s, want the event %s", packet, event)
	}
	attached := strings.Contains(args, "_placeholder")
	kind = "43"
	if attached {
		kind = "461-"
	}
	n.client.send(kind + n.prefix + id + args)
	if attached {
		if err := n.client.conn.WriteMessage(websocket.BinaryMessage, []byte{7}); err != nil {
			n.client.t.Error(err)
		}
	}
}

// TestClusterAcknowledgements: the server that asks gets the first value of each client.
func TestClusterAcknowledgements(t *testing.T) {
	for _, test := range []struct{ answer, want string }{
		{`["yes"]`, "yes"},
		{`["yes","no"]`, "yes"},
		{`[]`, "<nil>"},
		{`[{"a":[{"_placeholder":true,"num":0}]}]`, "map[a:[<07>]]"},
	} {
		for _, namespace := range namespaces {
			ada, bob := newNodes(t, namespace, nil)
			ask := func(to *socket.BroadcastOperator) <-chan string {
				result := make(chan string, 1)
				to.Timeout(time.Minute).EmitWithAck("ask", 1.0)(func(values []any, err error) { result <- show(values, err) })
				return result
			}
			result := ask(ada.nsp.Except())
			ada.answer(`["ask",1]`, test.answer)
			bob.answer(`["ask",1]`, test.answer)
			if got, want := <-result, fmt.Sprintf("[%s %[1]s] <nil>", test.want); got != want {
				t.Errorf("%s: %s: both: got %s, want %s", namespace, test.answer, got, want)
			}
			result = ask(ada.nsp.To("bob"))
			bob.answer(`["ask",1]`, test.answer)
			if got, want := <-result, fmt.Sprintf("[%s] <nil>", test.want); got != want {
				t.Errorf("%s: %s: bob: got %s, want %s", namespace, test.answer, got, want)
			}
		}
	}
	ada, bob := newNodes(t, "/", nil)
	result := make(chan string, 1)
	ada.nsp.To("bob").Timeout(time.Minute).EmitWithAck("ask", []byte{7})(func(values []any, err error) { result <- show(values, err) })
	bob.answer(`["ask",{"_placeholder":true,"num":0}]`, `["yes"]`)
	if got := <-result; got != "[yes] <nil>" {
		t.Errorf("a question with an attachment: got %s", got)
	}
}

// TestClusterAsksThisNode: with the flag for this node the other one is not asked.
func TestClusterAsksThisNode(t *testing.T) {
	ada, bob := newNodes(t, "/", nil)
	counts, answers := make(chan uint64, 9), make(chan []any, 9)
	ask := func(opts *socket.BroadcastOptions) {
		p := &parser.Packet{Type: parser.EVENT, Data: []any{"ask"}}
		ada.nsp.Adapter().BroadcastWithAck(p, opts, func(n uint64) { counts <- n }, func(values []any, _ error) { answers <- values })
	}
	long := time.Minute
	ask(&socket.BroadcastOptions{Flags: &socket.BroadcastFlags{Local: true, Timeout: &long}})
	ada.answer(`["ask"]`, `["ada"]`)
	if n, got := <-counts, <-answers; n != 1 || fmt.Sprint(got) != "[ada]" {
		t.Errorf("%d sockets of this node were asked, and answered %v", n, got)
	}
	ask(&socket.BroadcastOptions{Flags: &socket.BroadcastFlags{Timeout: &long}})
	bob.answer(`["ask"]`, `["bob"]`) // the first that it hears
	if n, got := (<-counts)+(<-counts), <-answers; n != 2 || fmt.Sprint(got) != "[bob]" {
		t.Errorf("%d sockets of both nodes were asked, and answered %v", n, got)
	}
	ask(nil)
	if n := <-counts; n != 1 {
		t.Errorf("%d sockets of this node were asked without options", n)
	}
}

// show is what a callback is given, with buffers as <hex>.
func show(v any, err error) string { return fmt.Sprint(bytesOf(v), " ", err) }

func bytesOf(v any) any {
	switch v := v.(type) {
	case types.BufferInterface:
		return fmt.Sprintf("<%x>", v.Bytes())
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = bytesOf(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any)
		for k, e := range v {
			m[k] = bytesOf(e)
		}
		return m
	}
	return v
}
