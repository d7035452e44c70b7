package sockettest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"

	gosio "github.com/googollee/go-socket.io"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestBroadcasts: which sockets each selection reaches, once each.
func TestBroadcasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sockettest.NewServer(as(map[string]any{"sub": "ada"}))
		conns := map[string]*sockettest.Conn{}
		s.OnEvent("rooms", func(c *sockettest.Conn, name string, rooms []string) {
			conns[name] = c
			for _, room := range rooms {
				c.Join(room)
			}
		})
		clients := map[string]*sockettest.Client{}
		for name, rooms := range map[string][]string{"a": {"red"}, "b": {"red", "blue"}, "c": {"blue"}, "d": {}} {
			clients[name] = s.Connect(nil)
			clients[name].Authenticate("whatever")
			clients[name].Emit("rooms", name, rooms)
		}
		clients["pending"] = s.Connect(nil)
		for _, c := range clients {
			c.Received()
		}
		for what, test := range map[string]struct {
			to   interface{ Emit(string, ...any) }
			want string
		}{
			"all":                        {s.To(), "abcd"},
			"a room":                     {s.To("red"), "ab"},
			"two rooms":                  {s.To("red", "blue"), "abc"},
			"two rooms, one by one":      {s.To("red").To("blue"), "abc"},
			"no such room":               {s.To("green"), ""},
			"a room but another":         {s.To("red").Except("blue"), "a"},
			"all but a room":             {s.Except("red"), "cd"},
			"all but two rooms":          {s.Except("red", "blue"), "d"},
			"a socket":                   {s.To(conns["c"].ID()), "c"},
			"all but a socket":           {s.Except(conns["c"].ID()), "abd"},
			"the others":                 {conns["a"].To(), "bcd"},
			"the others of a room":       {conns["a"].To("red"), "b"},
			"a room of others":           {conns["a"].To("blue"), "bc"},
			"others but those of a room": {conns["a"].To().Except("blue"), "d"},
		} {
			test.to.Emit("news", what)
			got := ""
			for _, name := range []string{"a", "b", "c", "d", "pending"} {
				for _, e := range clients[name].Received() {
					if e.String() != fmt.Sprintf("news %q", what) {
						t.Errorf("%s: %s saw %v", what, name, e)
					}
					got += name
				}
			}
			if got != test.want {
				t.Errorf("%s: %q saw it, want %q", what, got, test.want)
			}
		}
	})
}

// TestRoomsOfASocket: joining, leaving and the end of the socket.
func TestRoomsOfASocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server *sockettest.Server
		var c *sockettest.Conn
		client := signedIn(t, func(s *sockettest.Server) {
			server = s
			s.OnEvent("keep", func(conn *sockettest.Conn) { c = conn })
		}, socketio.AllowRoom("chat:*"))
		client.Emit("keep")
		in := func(what string, want ...string) {
			t.Helper()
			if got := c.Rooms(); !slices.Equal(got, want) {
				t.Errorf("%s: the rooms are %q, want %q", what, got, want)
			}
		}
		in("at first", c.ID())
		c.Join("chat:b")
		c.Join("chat:a")
		c.Join("chat:a")
		in("joined", "chat:a", "chat:b", c.ID())
		c.Join("secret")
		saw(t, client, "unauthorized forbidden")
		in("refused", "chat:a", "chat:b", c.ID())
		c.Leave("chat:a")
		c.Leave("chat:z")
		in("left one", "chat:b", c.ID())
		if n := server.RoomLen("chat:b"); n != 1 {
			t.Errorf("%d are in the room", n)
		}
		c.LeaveAll()
		in("left all")
		server.Except(c.ID()).Emit("news")
		saw(t, client, "")
		c.Join("chat:a")
		client.Disconnect()
		c.Join("chat:c")
		in("gone")
		if n := server.RoomLen("chat:a"); n != 0 {
			t.Errorf("%d are in the room of a socket that is gone", n)
		}
	})
}

// TestRoomTokens: a room token admits to no other room.
func TestRoomTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rooms := verifiertest.NewIssuer("https://rooms.test/")
		client := signedIn(t, func(s *sockettest.Server) {
			s.OnEvent("join", func(c *sockettest.Conn, room, token string) []string {
				_ = c.JoinWith(room, token)
				return c.Rooms()[:len(c.Rooms())-1] // without that of its ID
			})
		}, socketio.AllowRoom("none"), socketio.RoomTokens(verifier.Must(verifier.New(rooms))))
		token := rooms.Token(verifiertest.Claims{"sub": "ada", "room": "doc:1"})
		client.EmitWithAck("join", "doc:1", "")
		saw(t, client, "unauthorized forbidden ack []")
		client.EmitWithAck("join", "doc:1", token)
		saw(t, client, `ack ["doc:1"]`)
	})
}

// TestOnDisconnect: it runs once, after OnAuthenticated, with the reason that package
// googollee has, and for no socket that OnAuthenticated did not run for.
func TestOnDisconnect(t *testing.T) {
	for want, end := range map[string]func(*sockettest.Client, *sockettest.Conn){
		"client namespace disconnect": func(c *sockettest.Client, _ *sockettest.Conn) { c.Disconnect(); c.Disconnect() },
		"server disconnect":           func(_ *sockettest.Client, c *sockettest.Conn) { _ = c.Close(); _ = c.Close() },
		"maintenance": func(_ *sockettest.Client, c *sockettest.Conn) {
			c.Session().End(&verifier.UnauthorizedError{Message: "bye", Reason: "maintenance"})
		},
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ends []string
				var conn *sockettest.Conn
				s := sockettest.NewServer(as(map[string]any{"sub": "ada"}))
				s.OnAuthenticated(func(c *sockettest.Conn, _ *socketio.Session) error {
					c.SetContext("ada's")
					c.Join("lobby")
					conn = c
					return nil
				})
				s.OnDisconnect(func(c *sockettest.Conn, reason string) {
					ends = append(ends, fmt.Sprint(c.Context(), c.Rooms(), c.Session().Token().Subject, " ", reason))
					s.BroadcastTo("lobby", "left")
				})
				other, pending := s.Connect(nil), s.Connect(nil)
				other.Authenticate("whatever")
				c := s.Connect(nil)
				c.Authenticate("whatever")
				other.Received()
				c.Received()
				end(c, conn)
				pending.Disconnect()
				synctest.Wait()
				if len(ends) != 1 || ends[0] != "ada's[]ada "+want {
					t.Errorf("the ends are %q", ends)
				}
				saw(t, other, "left")
				if seen := c.Received(); seen[len(seen)-1].Name != "disconnect" {
					t.Errorf("the client saw %v", seen)
				}
			})
		})
	}
	t.Run("while OnAuthenticated runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var order []string
			s := sockettest.NewServer(as(map[string]any{"sub": "ada"}))
			s.OnAuthenticated(func(c *sockettest.Conn, session *socketio.Session) error {
				<-session.Context().Done()
				order = append(order, "authenticated")
				return nil
			})
			s.OnDisconnect(func(*sockettest.Conn, string) { order = append(order, "disconnected") })
			c := s.Connect(nil)
			c.Authenticate("whatever")
			c.Disconnect()
			if fmt.Sprint(order) != "[authenticated disconnected]" {
				t.Errorf("the order is %v", order)
			}
		})
	})
}

// TestConn: handlers that take a Conn of go-socket.io's find what the client presented.
func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sockettest.NewServer(as(map[string]any{"sub": "ada"}), socketio.Optional())
		s.OnGuestEvent("about", func(c gosio.Conn) string {
			u := c.URL()
			return fmt.Sprint(c.Namespace(), " ", u.Path, " ", c.RemoteHeader().Get("X"), " ", c.RemoteAddr(), " ", c.LocalAddr(), " ", c.Context() == nil)
		})
		c := s.Connect(&verifier.Handshake{
			URL: &url.URL{Path: "/socket.io/"}, Header: http.Header{"X": {"y"}}, Host: "chat.test", Namespace: "/chat",
		})
		c.EmitWithAck("about")
		saw(t, c, `connect ack "/chat /socket.io/ y 192.0.2.1:1234 chat.test true"`)
		c = s.Connect(nil)
		c.EmitWithAck("about")
		saw(t, c, `connect ack "/   192.0.2.1:1234  true"`)
	})
}
