package googollee_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/cluster"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
)

// nodes starts servers of one cluster, or one server without a cluster. Each notes the events
// of the others.
func nodes(t *testing.T, n int) []*server {
	t.Helper()
	broker := cluster.NewMemory()
	var all []*server
	for i := range n {
		var o googollee.Options
		if n > 1 {
			c, err := cluster.New(broker, &cluster.Options{Logger: quiet, RequestTimeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			o.Cluster = c
		}
		all = append(all, serve(t, &o, func(s *server) {
			for event, answer := range map[string]any{"question": i, "unencodable": make(chan int)} {
				s.OnServerSideEmit(event, func(p cluster.Payload) any {
					s.note(string(p.JSON))
					return answer
				})
			}
		}))
		if o.Cluster != nil {
			if err := o.Cluster.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// joined starts nodes with a client each.
func joined(t *testing.T, n int) (all []*server, sockets []*socket) {
	t.Helper()
	all = nodes(t, n)
	for i, s := range all {
		sockets = append(sockets, s.join(fmt.Sprint("user", i)))
	}
	return all, sockets
}

// count counts the sockets of an operator.
func count(t *testing.T, b googollee.BroadcastOperator) int {
	t.Helper()
	list, err := b.Sockets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func succeeds(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestOperatorRooms: the sockets of all nodes, or of this one, join rooms and leave them.
func TestOperatorRooms(t *testing.T) {
	for n := 1; n <= 2; n++ {
		all, _ := joined(t, n)
		first := all[0]
		if here, everywhere := count(t, first.To().Local()), count(t, first.To()); here != 1 || everywhere != n {
			t.Errorf("%d sockets here and %d on %d nodes", here, everywhere, n)
		}
		succeeds(t, first.To().Local().Join("here"))
		succeeds(t, first.To().Join("den"))
		first.eventually("not all are in the room", func() bool { return count(t, first.To("den")) == n })
		if got := count(t, first.To("here")); got != 1 {
			t.Errorf("%d sockets are in the room of this node", got)
		}
		succeeds(t, first.To().Local().Leave("here"))
		if got := count(t, first.To("here")); got != 0 {
			t.Errorf("%d sockets have not left", got)
		}
		succeeds(t, first.To().Leave("den"))
		first.eventually("not all have left", func() bool { return count(t, first.To("den")) == 0 })
	}
}

// TestOperatorEmit: events reach the sockets of all nodes, or of this one, and so does the
// end.
func TestOperatorEmit(t *testing.T) {
	for n := 1; n <= 2; n++ {
		all, sockets := joined(t, n)
		first := all[0]
		succeeds(t, first.To().Join("den"))
		first.eventually("not all are in the room", func() bool { return count(t, first.To("den")) == n })
		first.To("den").Emit("to the room")
		first.To("den").Local().Emit("here")
		first.Broadcast("to all")
		for i, ws := range sockets {
			ws.read(`42["to the room"]`)
			if i == 0 {
				ws.read(`42["here"]`)
			}
			ws.read(`42["to all"]`)
		}
		answered := make(chan error, 1)
		go func() {
			answers, err := first.To("den").EmitWithAck(t.Context(), "ask")
			if err == nil && len(answers) != n {
				err = fmt.Errorf("got %d answers on %d nodes", len(answers), n)
			}
			answered <- err
		}()
		for _, ws := range sockets {
			ws.read(`421073741825["ask"]`)
			ws.write(`431073741825["yes"]`)
		}
		succeeds(t, <-answered)
		succeeds(t, first.To().Disconnect(false))
		for i, s := range all {
			if got := sockets[i].rest(); !slices.Equal(got, []string{"41"}) {
				t.Errorf("got %q", got)
			}
			s.want(fmt.Sprintf("left user%d: server disconnect", i))
		}
	}
}

// TestDisconnect: a socket of a client 3.x or 4.x is disconnected alone, or with its
// connection.
func TestDisconnect(t *testing.T) {
	for _, whole := range []bool{false, true} {
		s := serve(t, nil, nil)
		ws := dial(t, &rawclient.Session{URL: s.URL, HTTP: s.web, EIO: "4"})
		enter := func() {
			t.Helper()
			ws.write("40")
			if p, err := ws.Read(); err != nil || !strings.HasPrefix(p, `40{"sid":`) {
				t.Fatalf("got %q, %v, expected to connect", p, err)
			}
		}
		enter()
		ws.write(`42["authenticate",{"token":"good.alice"}]`)
		ws.read(`42["authenticated"]`)
		s.want("hello alice")
		if err := s.To().Disconnect(whole); err != nil {
			t.Error(err)
		}
		if whole {
			if got := ws.rest(); !slices.Equal(got, []string{"41"}) {
				t.Errorf("got %q, expected the end of the connection", got)
			}
		} else {
			ws.read("41")
			enter()
		}
		s.want("left alice: server disconnect")
	}
}

// TestServerSideEmit: the events of a server reach the others, which may answer.
func TestServerSideEmit(t *testing.T) {
	for n := 1; n <= 3; n++ {
		all := nodes(t, n)
		first, others := all[0], all[1:]
		if err := first.ServerSideEmit("question", "x"); err != nil {
			t.Error(err)
		}
		for _, s := range others {
			s.want(`["question","x"]`)
		}
		answers, err := first.ServerSideEmitWithAck(t.Context(), "question", 1)
		var got []string
		for _, a := range answers {
			got = append(got, string(a.JSON))
		}
		slices.Sort(got)
		if want := []string{"1", "2"}[:n-1]; err != nil || !slices.Equal(got, want) {
			t.Errorf("%d nodes: got %q, %v, expected %q", n, got, err, want)
		}
		for _, s := range others {
			s.want(`["question",1]`)
		}
		var unsupported *json.UnsupportedTypeError
		if err := first.ServerSideEmit("question", make(chan int)); !errors.As(err, &unsupported) {
			t.Errorf("got %v, expected that a channel cannot be encoded", err)
		}
		if _, err := first.ServerSideEmitWithAck(t.Context(), "question", make(chan int)); !errors.As(err, &unsupported) {
			t.Errorf("got %v, expected that a channel cannot be encoded", err)
		}
		if n == 1 {
			continue
		}
		if err := first.ServerSideEmit("unknown"); err != nil {
			t.Error(err)
		}
		asked, giveUp := context.WithCancel(t.Context())
		missing := make(chan error, 1)
		go func() {
			_, err := first.ServerSideEmitWithAck(asked, "unencodable")
			missing <- err
		}()
		for _, s := range others {
			s.want(`["unencodable"]`)
		}
		giveUp()
		if err := <-missing; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, expected that answers are missing", err)
		}
	}
}

// TestSetData: other nodes are told the data of a socket.
func TestSetData(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, session *socketio.Session) error {
			var unsupported *json.UnsupportedTypeError
			if err := c.SetData(make(chan int)); !errors.As(err, &unsupported) {
				t.Errorf("got %v, expected that a channel cannot be encoded", err)
			}
			if err := c.SetData(map[string]string{"name": session.Token().Subject}); err != nil {
				t.Error(err)
			}
			s.note("hello " + subject(c))
			return nil
		})
	})
	s.join("alice")
	list, err := s.To().Sockets(t.Context())
	if err != nil || len(list) != 1 || string(list[0].Data) != `{"name":"alice"}` || !slices.Equal(list[0].Rooms, []string{list[0].ID}) {
		t.Errorf("got %v, %v", list, err)
	}
}

// TestSocketsOfPublicNamespace: nodes are told of its sockets, and not of their tokens.
func TestSocketsOfPublicNamespace(t *testing.T) {
	var open *googollee.Namespace
	s := serve(t, nil, func(s *server) {
		var err error
		if open, err = s.Public("/open"); err != nil {
			t.Fatal(err)
		}
	})
	c := s.client()
	c.Query = url.Values{"token": {"good.secret"}}
	ws := dial(t, c)
	ws.read("40")
	ws.write("40/open")
	ws.read("40/open,")
	list, err := open.To().Sockets(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != c.SID {
		t.Fatalf("got %v, %v", list, err)
	}
	if text, err := json.Marshal(list[0].Handshake); err != nil || !strings.Contains(string(text), "polling") && !strings.Contains(string(text), "websocket") || strings.Contains(string(text), "secret") {
		t.Errorf("got %s, %v", text, err)
	}
}

// TestWithoutResults: a handler without results acknowledges nothing. Results that no
// client asked for are not encoded.
func TestWithoutResults(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.OnEvent("silent", func(*googollee.Conn) {})
		s.OnEvent("unencodable", func(*googollee.Conn) any { return make(chan int) })
		s.OnError(func(_ *googollee.Conn, err error) { s.note(err.Error()) })
	})
	ws := s.join("alice")
	ws.write(`421["silent"]`, `42["unencodable"]`, `422["unencodable"]`, `423["echo",1]`)
	ws.read(`433[1]`)
	s.want(`googollee: the results of the handler of "unencodable" cannot be encoded: json: unsupported type: chan int`)
}

// TestRefusedAfterItLeft: what a client sent before it left is not handled if
// OnAuthenticated then refuses it.
func TestRefusedAfterItLeft(t *testing.T) {
	release := make(chan struct{})
	refuse := sync.OnceFunc(func() { close(release) })
	s := serve(t, nil, func(s *server) {
		s.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
			c.Emit("question", func() { s.note("answered") })
			<-release
			return errors.New("no")
		})
		s.OnDisconnect(func(*googollee.Conn, string) { s.note("left") })
	})
	t.Cleanup(refuse)
	ws := dial(t, s.client())
	ws.read("40")
	ws.write(`42["authenticate",{"token":"good.alice"}]`)
	ws.read(`42["authenticated"]`, `421073741825["question"]`)
	ws.write(`431073741825[]`, `42["say","hello"]`, "41", "2")
	ws.read("3") // the server has read everything
	refuse()
	s.want("left")
}
