package sockettest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func Example() {
	synctest.Test(&testing.T{}, func(t *testing.T) { // in a test: its own t
		claims := verifiertest.Claims{"sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
		server := sockettest.NewServer(verifiertest.Accept(claims))
		server.OnAuthenticated(func(c *sockettest.Conn, s *socketio.Session) error {
			c.Emit("welcome", s.Token().Subject)
			return nil
		})
		client := server.Connect(nil)
		client.Authenticate("whatever")
		fmt.Println(client.Received())
		time.Sleep(time.Hour) // takes none
		fmt.Println(client.Received())
	})
	// Output:
	// [connect authenticated welcome "alice"]
	// [token_expiring {"expires_in":60} unauthorized token_expired disconnect]
}

// conn is what the handlers of the chat need: a *googollee.Conn has it, and so does a
// *sockettest.Conn. Room stands for what their To returns.
type conn[Room emitter] interface {
	Session() *socketio.Session
	JoinWith(room, token string) error
	To(rooms ...string) Room
}

type emitter interface {
	Emit(event string, args ...any)
}

// register registers the handlers, on a real server by
// register[*googollee.Conn](namespace.OnEvent).
func register[Conn conn[Room], Room emitter](on func(event string, handler any)) {
	on("join", func(c Conn, room string) string {
		if err := c.JoinWith(room, ""); err != nil {
			return "refused"
		}
		return "joined"
	})
	on("say", func(c Conn, room, text string) string {
		c.To(room).Emit("said", c.Session().Token().Subject, text)
		return "sent"
	})
}

// A chat with rooms for each organization: who may join, who hears what, and what the
// handlers acknowledge.
func Example_chat() {
	synctest.Test(&testing.T{}, func(t *testing.T) { // in a test: its own t
		issuer := verifiertest.NewIssuer("https://issuer.test/")
		server := sockettest.NewServer(verifier.Must(verifier.New(issuer)), socketio.ByHandshake(), socketio.AllowRoom("{org}:*"))
		register[*sockettest.Conn](server.OnEvent)
		connect := func(name, org string) *sockettest.Client {
			token := issuer.Token(verifiertest.Claims{"sub": name, "org": org})
			return server.Connect(&verifier.Handshake{Auth: map[string]any{"token": token}})
		}
		ada, bob, eve := connect("ada", "red"), connect("bob", "red"), connect("eve", "blue")
		for _, c := range []*sockettest.Client{ada, bob, eve} {
			c.EmitWithAck("join", "red:lobby")
		}
		ada.EmitWithAck("say", "red:lobby", "hello")
		fmt.Println(ada.Received())
		fmt.Println(bob.Received())
		fmt.Println(eve.Received())
	})
	// Output:
	// [connect ack "joined" ack "sent"]
	// [connect ack "joined" said "ada" "hello"]
	// [connect unauthorized forbidden ack "refused"]
}

// A handler that asks the client, which answers once and then no longer.
func ExampleClient_Acknowledge() {
	synctest.Test(&testing.T{}, func(t *testing.T) { // in a test: its own t
		server := sockettest.NewServer(verifiertest.Accept(verifiertest.Claims{"sub": "ada"}))
		server.OnEvent("buy", func(c *sockettest.Conn, lot string) string {
			ctx, cancel := context.WithTimeout(c.Session().Context(), 10*time.Second)
			defer cancel()
			answer, err := c.EmitWithAck(ctx, "sure?", lot)
			var sure bool
			if err != nil || json.Unmarshal(answer.JSON, &sure) != nil || !sure {
				return "not bought"
			}
			return "bought"
		})
		client := server.Connect(nil)
		client.Authenticate("whatever")
		client.Received()

		client.EmitWithAck("buy", "7")
		client.Acknowledge("sure?", true)
		fmt.Println(client.Received())
		client.EmitWithAck("buy", "8")
		time.Sleep(10 * time.Second) // takes none
		fmt.Println(client.Received())
	})
	// Output:
	// [sure? "7" ack "bought"]
	// [sure? "8" ack "not bought"]
}
