package interop

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"
)

// recovers has a client without manners recover a session: it looks at every
// packet. It returns those that came before the server answered its CONNECT, and
// the answer.
func (r *recoveryServer) recovers(t *testing.T, token string) []string {
	t.Helper()
	dial := func() *websocket.Conn {
		c, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(r.url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	read := func(c *websocket.Conn) string {
		_, text, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	c := dial()
	defer c.Close()
	_ = c.WriteMessage(websocket.TextMessage, []byte("40"+authPayload(alice)))
	read(c) // open
	var session struct {
		Pid    string `json:"pid"`
		Offset string `json:"offset"`
		Token  string `json:"token"`
	}
	if err := json.Unmarshal([]byte(read(c)[2:]), &session); err != nil {
		t.Fatal(err)
	}
	var welcome []string
	if err := json.Unmarshal([]byte(read(c)[2:]), &welcome); err != nil {
		t.Fatal(err)
	}
	<-r.connected
	session.Offset, session.Token = welcome[1], token
	_ = c.Close()
	<-r.disconnected
	r.tell("of the past")

	c = dial()
	defer c.Close()
	auth, err := json.Marshal(session)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.WriteMessage(websocket.TextMessage, append([]byte("40"), auth...))
	read(c) // open
	var seen []string
	for {
		text := read(c)
		seen = append(seen, text)
		if strings.HasPrefix(text, "40") || strings.HasPrefix(text, "44") {
			return seen
		}
	}
}

// TestRecoveryBeforeTheAnswer: the missed packets are not sent before the token
// is verified, as the library does even where it asks the middlewares.
func TestRecoveryBeforeTheAnswer(t *testing.T) {
	stock := stockRecovery(t, stockAuthorize(t), func(*socket.Socket) string { return "" })
	stock.io.Opts().ConnectionStateRecovery().SetSkipMiddlewares(false)
	if seen := stock.recovers(t, "a.forged.token"); len(seen) != 2 || !strings.Contains(seen[0], "of the past") || !strings.HasPrefix(seen[1], "44") {
		t.Errorf("the library by itself sent %q: has it been mended?", seen)
	}
	ours := ourRecovery(t, byHandshake())
	if seen := ours.recovers(t, "a.forged.token"); len(seen) != 1 || !strings.HasPrefix(seen[0], "44") {
		t.Errorf("a forged token was sent %q", seen)
	}
	ours = ourRecovery(t, byHandshake())
	if seen := ours.recovers(t, alice); len(seen) != 1 || !strings.HasPrefix(seen[0], "40") {
		t.Errorf("a good token was sent %q: the missed packets follow", seen)
	}
}
