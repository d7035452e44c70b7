package socketio_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

// noticed keeps the notices that its client gets.
type noticed struct {
	rooming
	mutex   sync.Mutex // guards the rest
	notices []string
}

func (n *noticed) Emit(event string, ack func(), args ...any) {
	n.rooming.Emit(event, ack, args...)
	if text, err := json.Marshal(args); err == nil && event == socketio.EventTokenExpiring {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		n.notices = append(n.notices, string(text))
	}
}

// want compares the notices since the last call.
func (n *noticed) want(t *testing.T, notices ...string) {
	t.Helper()
	synctest.Wait()
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if !slices.Equal(n.notices, notices) {
		t.Errorf("at %v the notices are %q, want %q", time.Now(), n.notices, notices)
	}
	n.notices = nil
}

// TestRoomTokenNotice: a client is told once before a room token expires: a minute before,
// or when half of its time has passed. A new token brings a new notice.
func TestRoomTokenNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &noticed{}
		g := ruled(t, rawTokens(t), socketio.RoomTokens(rawTokens(t))).Attach(s, handshake, nil)
		g.Authenticate(token(signed(`{"sub":"ada"}`)))
		join := func(room string, seconds int) {
			t.Helper()
			exp := time.Now().Unix() + int64(seconds)
			if err := s.join(g, room, signed(fmt.Sprintf(`{"sub":"ada","room":%q,"exp":%d}`, room, exp))); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		join("vip", 60)
		join("staff", 300)
		time.Sleep(29 * time.Second)
		s.want(t)
		time.Sleep(time.Second)
		s.want(t, `[{"expires_in":30,"room":"vip"}]`)
		time.Sleep(20 * time.Second)
		s.want(t)
		join("vip", 1000)
		time.Sleep(190 * time.Second)
		s.want(t, `[{"expires_in":60,"room":"staff"}]`)
		time.Sleep(60 * time.Second)
		if got := s.in(); got != "vip vip" { // joined twice
			t.Errorf("in %q", got)
		}
		time.Sleep(690 * time.Second)
		s.want(t, `[{"expires_in":60,"room":"vip"}]`)
		g.Closed()
		time.Sleep(time.Hour)
		s.want(t)
	})
}
