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
			disturb(&namespaces, registry)
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
	eventually(t, func() (bool, string) {
		n := registry.Count(socketio.Filter{})
		return n == 0, fmt.Sprintf("%d sessions are left", n)
	})
	t.Logf("%d stays, %d events", began.Load(), handled.Load())
	if began.Load() == 0 || handled.Load() == 0 {
		t.Error("nobody got in, or nothing was handled")
	}
}

// disturb broadcasts to the rooms of all users, and ends some sessions.
func disturb(namespaces *sync.Map, registry *socketio.Registry) {
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
}

// life is a connection that sends bursts. Each stay's token has its own id.
type life struct {
	t              *testing.T
	conn           *websocket.Conn
	raw            *burst
	protocol, name string
	byEvent        bool

	mu   sync.Mutex
	sent map[string]bool // the tokens that this connection sent, by namespace
}

func oneLife(t *testing.T, url, protocol string, byEvent bool, name string) {
	l := &life{t: t, protocol: protocol, name: name, byEvent: byEvent, sent: map[string]bool{}}
	dialer := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		l.raw = &burst{Conn: conn}
		return l.raw, err
	}}
	conn, _, err := dialer.Dial(url, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	l.conn = conn
	if _, _, err := conn.ReadMessage(); err != nil { // OPEN
		t.Error(err)
		return
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		l.read()
	}()
	number := 0
	in := map[string]string{} // the last stay in each namespace
	for range 2 + rand.IntN(5) {
		l.raw.hold()
		units := 2 // one stay in each namespace
		if rand.IntN(5) == 0 {
			units += rand.IntN(12) // of which most end before they are anything
		}
		for unit := range units {
			number++
			l.enters([]string{"/a", "/b"}[unit%2], number, in)
		}
		if l.raw.flush() != nil {
			break
		}
		l.followUp(in)
	}
	<-time.After(20 * time.Millisecond)
	_ = conn.Close()
	<-reading
}

// read checks what the client hears, until the connection ends.
func (l *life) read() {
	current := map[string]string{} // the token of the stay that the client is in
	for {
		_, data, err := l.conn.ReadMessage()
		if err != nil {
			return
		}
		text := string(data)
		if len(text) < 4 || text[2] != '/' {
			continue
		}
		namespace, rest, _ := strings.Cut(text[2:], ",")
		if strings.Contains("40 41 44", text[:2]) {
			namespace, _, _ = strings.Cut(namespace, "?")
			delete(current, namespace)
		} else if strings.HasPrefix(rest, `["secret"`) {
			var event []string
			if json.Unmarshal([]byte(rest), &event) != nil {
				l.t.Errorf("got %s", text)
				continue
			}
			l.heard(event[1], namespace, current)
		}
	}
}

// heard checks a secret: that of a user, or of one stay, with its id.
func (l *life) heard(secret, namespace string, current map[string]string) {
	user, id, _ := strings.Cut(secret, ".")
	stay := current[namespace]
	if id == "" {
		if stay == "" || !strings.HasPrefix(stay, user+".") {
			l.t.Errorf("connection %s in the stay of %q heard %s in %s", l.name, stay, secret, namespace)
		}
		return
	}
	l.mu.Lock()
	ours := l.sent[namespace+secret]
	l.mu.Unlock()
	if !ours || stay != "" {
		l.t.Errorf("connection %s heard %s in %s, in the stay of %q", l.name, secret, namespace, stay)
	}
	current[namespace] = secret
}

// enters sends what a client sends that enters a namespace, and leaves its former stay.
func (l *life) enters(namespace string, number int, in map[string]string) {
	user := []string{"ada", "bob", "eve", "bad"}[rand.IntN(4)]
	token := fmt.Sprintf("%s...%s-%d", user, l.name, number)
	stay := fmt.Sprintf("%s.%s-%d", user, l.name, number)
	l.mu.Lock()
	l.sent[namespace+stay] = true
	l.mu.Unlock()
	connect := fmt.Sprintf(`40%s,{"token":%q}`, namespace, token)
	if l.protocol == "EIO=3" {
		connect = fmt.Sprintf(`40%s?token=%s,`, namespace, token)
	}
	if l.byEvent {
		connect = "40" + namespace + ","
	}
	var packets []string
	if in[namespace] != "" {
		packets = append(packets, "41"+namespace+",")
	}
	packets = append(packets, connect)
	if l.byEvent {
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
		_ = l.conn.WriteMessage(websocket.TextMessage, []byte(packet))
	}
}

// followUp sends more when the stays are connected.
func (l *life) followUp(in map[string]string) {
	pause := time.Duration(rand.IntN(20)) * time.Millisecond
	if l.byEvent {
		pause *= 4 // for the answer that a token follows
	}
	<-time.After(pause)
	for namespace, stay := range in {
		if l.byEvent {
			token := strings.Replace(stay, ".", "...", 1)
			_ = l.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `42%s,["authenticate",{"token":%q}]`, namespace, token))
		}
		_ = l.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `42%s,["message",%q]`, namespace, stay))
	}
}
