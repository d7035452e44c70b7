package sockettest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
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
