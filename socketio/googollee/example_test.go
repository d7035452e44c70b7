package googollee_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// A chat whose sockets authenticate by event. The client here is written out; a
// JavaScript client says
//
//	socket.on('connect', () => socket.emit('authenticate', {token}))
func Example() {
	issuer := verifiertest.NewIssuer("https://tenant.example/") // in production: keys or jwks
	v := verifier.Must(verifier.New(issuer, verifier.Issuer(issuer.URL()), verifier.Audience("chat")))
	server := verifier.Must(googollee.NewServer(nil))
	chat := verifier.Must(server.Authorize("/", v))
	chat.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
		c.Join("lobby")
		c.Emit("welcome", s.Token().Subject)
		return nil
	})
	chat.OnEvent("message", func(c *googollee.Conn, text string) {
		chat.BroadcastTo("lobby", "message", c.Session().Token().Subject, text)
	})
	gone := make(chan string)
	chat.OnDisconnect(func(c *googollee.Conn, reason string) { gone <- reason })
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	web := httptest.NewServer(mux)
	defer web.Close()
	defer server.Close()

	client, _, err := websocket.DefaultDialer.Dial("ws"+web.URL[4:]+"/socket.io/?EIO=3&transport=websocket", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	token := issuer.Token(verifiertest.Claims{"sub": "alice", "aud": "chat"})
	for _, packet := range []string{
		`42["message","nobody hears this"]`, `42["authenticate",{"token":"` + token + `"}]`,
	} {
		_ = client.WriteMessage(websocket.TextMessage, []byte(packet))
	}
	for range 5 { // OPEN, and what is printed below
		_, packet, err := client.ReadMessage()
		if err != nil {
			fmt.Println(err)
			return
		}
		if packet[0] != '0' { // which holds the session's id
			fmt.Println(string(packet))
		}
		if string(packet) == `42["welcome","alice"]` {
			_ = client.WriteMessage(websocket.TextMessage, []byte(`42["message","hello"]`))
		}
	}
	client.Close()
	fmt.Println(<-gone)
	// Output:
	// 40
	// 42["authenticated"]
	// 42["welcome","alice"]
	// 42["message","alice","hello"]
	// transport close
}
