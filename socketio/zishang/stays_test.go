package zishang

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

var chaos = flag.Duration("chaos", 2*time.Second, "how long the chaos of stays lasts")

// burst holds what is written until it is flushed: the packets then arrive in one segment.
type burst struct {
	net.Conn
	mu   sync.Mutex
	held *bytes.Buffer // nil: nothing is held
}

func (b *burst) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held != nil {
		return b.held.Write(p)
	}
	return b.Conn.Write(p)
}

func (b *burst) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = new(bytes.Buffer)
}

func (b *burst) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.Conn.Write(b.held.Bytes())
	b.held = nil
	return err
}

// TestChaosOfStays: bursts of CONNECT, DISCONNECT, "authenticate" and events in one
// segment, with the tokens of three users. Every handler runs for the user whose token
// opened the stay, nobody hears what another stay was sent, and nothing is left.
func TestChaosOfStays(t *testing.T) {
	for _, mode := range []string{"by handshake", "by event"} {
		for _, protocol := range []string{"EIO=4", "EIO=3"} {
			t.Run(mode+"/"+protocol, func(t *testing.T) { chaosOfStays(t, mode == "by event", protocol) })
		}
	}
}

func chaosOfStays(t *testing.T, byEvent bool, protocol string) {
	registry := socketio.NewRegistry(nil)
	var handled, began atomic.Int64
	options := []socketio.Option{
		socketio.WithRegistry(registry), socketio.MaxFailures(0, 0),
	}
	if byEvent {
		options = append(options, socketio.ByEvent())
	}
	var namespaces sync.Map // to broadcast in
	web := serve(t, withOld(), func(io *Server) {
		guard(t, io, "/", spelled(t), socketio.ByHandshake(), socketio.Optional())
		for _, name := range []string{"/a", "/b"} {
			n := guard(t, io, name, spelled(t), options...)
			namespaces.Store(name, n)
			OnAuthenticated(n, func(s *socket.Socket, session *socketio.Session) error {
				began.Add(1)
				token := session.Token()
				_ = s.On("message", func(args ...any) {
					handled.Add(1)
					if SessionOf(s) != session || session.Token().Subject != token.Subject {
						t.Error("a socket has another session")
					}
					if text := args[0].(string); text != token.Subject+"."+token.ID {
						t.Errorf("what %s said was handled for %s.%s", text, token.Subject, token.ID)
					}
				})
				_ = s.Emit("secret", token.Subject+"."+token.ID)
				s.Join(socket.Room("user " + token.Subject))
				return nil
			})
		}
	})
	end := time.Now().Add(*chaos / 4)
	goesOn := func() bool { // also on a machine that is busy
		return time.Now().Before(end) || (began.Load() == 0 || handled.Load() == 0) && time.Now().Before(end.Add(20*time.Second))
	}
	var clients sync.WaitGroup
	clients.Go(func() {
		for goesOn() {
			namespaces.Range(func(_, n any) bool {
				for _, user := range []string{"ada", "bob", "eve"} {
					_ = n.(socket.Namespace).To(socket.Room("user "+user)).Emit("secret", user+".")
				}
				return true
			})
			for s := range registry.Sessions(socketio.Filter{Subject: "eve"}) {
				if rand.N(20) == 0 {
					s.End(errBadToken)
				}
			}
			<-time.After(time.Millisecond)
		}
	})
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/socket.io/?transport=websocket&" + protocol
	for i := range 20 {
		clients.Go(func() {
			for life := 0; goesOn(); life++ {
				oneLife(t, url, protocol, byEvent, fmt.Sprint(i, "-", life))
			}
		})
	}
	clients.Wait()
	for deadline := time.Now().Add(10 * time.Second); registry.Count(socketio.Filter{}) > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are left", registry.Count(socketio.Filter{}))
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Logf("%d stays, %d events", began.Load(), handled.Load())
	if began.Load() == 0 || handled.Load() == 0 {
		t.Error("nobody got in, or nothing was handled")
	}
}

// oneLife is a connection that sends bursts. Each stay's token has its own id.
func oneLife(t *testing.T, url, protocol string, byEvent bool, name string) {
	var raw *burst
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		raw = &burst{Conn: conn}
		return raw, err
	}}
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	if _, _, err := conn.ReadMessage(); err != nil { // OPEN
		t.Error(err)
		return
	}
	var mu sync.Mutex
	sent := map[string]bool{} // the tokens that this connection sent, by namespace
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		current := map[string]string{} // the token of the stay that the client is in
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			text := string(data)
			if len(text) < 4 || text[2] != '/' {
				continue
			}
			namespace, rest, _ := strings.Cut(text[2:], ",")
			switch {
			case strings.HasPrefix(text, "40"), strings.HasPrefix(text, "41"), strings.HasPrefix(text, "44"):
				namespace, _, _ = strings.Cut(namespace, "?")
				delete(current, namespace)
			case strings.HasPrefix(rest, `["secret"`):
				var event []string
				if json.Unmarshal([]byte(rest), &event) != nil {
					t.Errorf("got %s", text)
					continue
				}
				user, id, _ := strings.Cut(event[1], ".")
				if id != "" {
					mu.Lock()
					ours := sent[namespace+event[1]]
					mu.Unlock()
					if !ours || current[namespace] != "" {
						t.Errorf("connection %s heard %s, in the stay of %q", name, text, current[namespace])
					}
					current[namespace] = event[1]
				} else if stay := current[namespace]; stay == "" || !strings.HasPrefix(stay, user+".") {
					t.Errorf("connection %s in the stay of %q heard %s", name, stay, text)
				}
			}
		}
	}()
	number := 0
	in := map[string]string{} // the last stay in each namespace
	for range 2 + rand.IntN(5) {
		raw.hold()
		units := 2 // one stay in each namespace
		if rand.IntN(5) == 0 {
			units += rand.IntN(12) // of which most end before they are anything
		}
		for unit := range units {
			namespace := []string{"/a", "/b"}[unit%2]
			user := []string{"ada", "bob", "eve", "bad"}[rand.IntN(4)]
			number++
			token := fmt.Sprintf("%s...%s-%d", user, name, number)
			stay := fmt.Sprintf("%s.%s-%d", user, name, number)
			mu.Lock()
			sent[namespace+stay] = true
			mu.Unlock()
			connect := fmt.Sprintf(`40%s,{"token":%q}`, namespace, token)
			if protocol == "EIO=3" {
				connect = fmt.Sprintf(`40%s?token=%s,`, namespace, token)
			}
			if byEvent {
				connect = "40" + namespace + ","
			}
			var packets []string
			if in[namespace] != "" {
				packets = append(packets, "41"+namespace+",")
			}
			packets = append(packets, connect)
			if byEvent {
				packets = append(packets, fmt.Sprintf(`42%s,["authenticate",{"token":%q}]`, namespace, token))
			}
			packets = append(packets, fmt.Sprintf(`42%s,["message",%q]`, namespace, stay))
			in[namespace] = stay
			switch rand.IntN(100) {
			case 0:
				packets = append(packets, connect) // nothing of this stay follows
			case 1:
				packets = append(packets, "43"+namespace+",1[]")
			}
			for _, packet := range packets {
				if strings.Contains(packet, "message") && rand.IntN(2) == 0 {
					packet = strings.Replace(packet, `["message"`, `1["message"`, 1)
				}
				_ = conn.WriteMessage(websocket.TextMessage, []byte(packet))
			}
		}
		if raw.flush() != nil {
			break
		}
		pause := time.Duration(rand.IntN(20)) * time.Millisecond
		if byEvent {
			pause *= 4 // for the answer that a token follows
		}
		<-time.After(pause)
		for namespace, stay := range in { // by now it is connected
			if byEvent {
				token := strings.Replace(stay, ".", "...", 1)
				_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `42%s,["authenticate",{"token":%q}]`, namespace, token))
			}
			_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `42%s,["message",%q]`, namespace, stay))
		}
	}
	<-time.After(20 * time.Millisecond)
	_ = conn.Close()
	<-reading
}
