package googollee_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/rawclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// burst is a network connection that holds back what is written, so that many
// packets go out in one segment.
type burst struct {
	net.Conn
	mu   sync.Mutex // guards held and hold
	held []byte
	hold bool
}

func (b *burst) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hold {
		b.held = append(b.held, p...)
		return len(p), nil
	}
	return b.Conn.Write(p)
}

// burster is a client that sends packets in bursts, and its protocol's grammar.
type burster struct {
	*rawclient.Websocket
	conn *burst
	eio  string

	mu sync.Mutex // held while writing
}

func dialBurst(t testing.TB, url, eio string) *burster {
	t.Helper()
	b := &burster{eio: eio}
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		b.conn = &burst{Conn: c}
		return b.conn, err
	}}
	c, _, err := d.DialContext(t.Context(), "ws"+strings.TrimPrefix(url, "http")+"/socket.io/?transport=websocket&EIO="+eio, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Websocket = &rawclient.Websocket{Conn: c}
	t.Cleanup(func() { c.Close() })
	if err := b.send("40"); err != nil { // the root, where a client 2.x is already
		t.Fatal(err)
	}
	b.until(t, "40")
	return b
}

// send sends packets in one segment.
func (b *burster) send(packets ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conn.mu.Lock()
	b.conn.hold = true
	b.conn.mu.Unlock()
	for _, p := range packets {
		if err := b.Write(p); err != nil {
			return err
		}
	}
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	b.conn.hold = false
	held := b.conn.held
	b.conn.held = nil
	_, err := b.conn.Conn.Write(held)
	return err
}

// connect is a CONNECT packet with a token, "" for none.
func (b *burster) connect(nsp, token string) string {
	switch {
	case token == "":
		return "40" + nsp + ","
	case b.eio == "4":
		return fmt.Sprintf(`40%s,{"token":%q}`, nsp, token)
	}
	return fmt.Sprintf("40%s?token=%s,", nsp, token)
}

// slowly is an observer that takes its time.
var slowly = socketio.Observe(socketio.Observer{
	Began: func(*verifier.Handshake, *verifier.Token) { time.Sleep(time.Millisecond) },
	Ended: func(*verifier.Handshake, *verifier.Token, time.Duration, error) { time.Sleep(time.Millisecond) },
})

// bothProtocols runs a test for clients 2.x and 4.x.
func bothProtocols(t *testing.T, test func(t *testing.T, eio string)) {
	for _, eio := range []string{"3", "4"} {
		t.Run("EIO "+eio, func(t *testing.T) { test(t, eio) })
	}
}

// public serves a public root and a guarded /admin.
func admin(t *testing.T, configure func(n *googollee.Namespace), options ...socketio.Option) (*googollee.Server, *googollee.Namespace, string) {
	t.Helper()
	s, err := googollee.NewServer(&googollee.Options{Logger: quiet, RefusalDelay: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Public("/"); err != nil {
		t.Fatal(err)
	}
	n, err := s.Authorize("/admin", authenticator, options...)
	if err != nil {
		t.Fatal(err)
	}
	if configure != nil {
		configure(n)
	}
	return s, n, serveHTTP(t, s)
}

// serveHTTP serves until the test ends.
func serveHTTP(t testing.TB, s *googollee.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: s}
	go func() { _ = web.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return "http://" + l.Addr().String()
}

// until reads until a packet has the prefix.
func (b *burster) until(t testing.TB, prefix string) string {
	t.Helper()
	_ = b.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		p, err := b.Read()
		if err != nil {
			t.Fatalf("expected %q: %v", prefix, err)
		}
		if strings.HasPrefix(p, prefix) {
			return p
		}
	}
}

// TestFaultsA1NoHandshake: clients that enter and leave in bursts leave no guard
// behind that has no handshake, whose deadline would end the process.
func TestFaultsA1NoHandshake(t *testing.T) {
	bothProtocols(t, func(t *testing.T, eio string) {
		for name, options := range map[string][]socketio.Option{
			"by event":     {socketio.ByEvent(), socketio.Timeout(200 * time.Millisecond)},
			"by handshake": {socketio.ByHandshake(), slowly},
		} {
			t.Run(name, func(t *testing.T) {
				var late atomic.Int64
				options := append(options, socketio.OnFailure(func(h *verifier.Handshake, err *verifier.UnauthorizedError) {
					if h == nil || h.Namespace != "/admin" {
						t.Errorf("a guard has the handshake %v", h)
					}
					if errors.Is(err, socketio.ErrTimeout) {
						late.Add(1)
					}
				}))
				_, n, url := admin(t, nil, options...)
				token := ""
				if name == "by handshake" {
					token = "good.a"
				}
				var wg sync.WaitGroup
				for range 8 {
					c := dialBurst(t, url, eio)
					go func() { // takes the answers
						for {
							if _, err := c.Read(); err != nil {
								return
							}
						}
					}()
					wg.Go(func() {
						for range 3 { // fewer than a connection may ask for at once
							var packets []string
							for range 3 {
								packets = append(packets, c.connect("/admin", token), "41/admin,")
							}
							_ = c.send(append(packets, c.connect("/admin", token))...)
						}
					})
				}
				wg.Wait()
				if token != "" {
					return // what is left ends with the server
				}
				for start := time.Now(); late.Load() == 0 || n.Count() > 0; time.Sleep(time.Millisecond) {
					if time.Since(start) > 20*time.Second {
						t.Fatalf("%d timed out, %d are left", late.Load(), n.Count())
					}
				}
			})
		}
	})
}

// TestFaultsA2Identity: of stays that follow each other at once, each runs as the
// token it came with.
func TestFaultsA2Identity(t *testing.T) {
	bothProtocols(t, func(t *testing.T, eio string) {
		registry := socketio.NewRegistry(nil)
		_, _, url := admin(t, func(n *googollee.Namespace) {
			n.OnAuthenticated(func(c *googollee.Conn, s *socketio.Session) error {
				c.Emit("you are", s.Token().Subject)
				return nil
			})
			n.OnEvent("who", func(c *googollee.Conn) string { return subject(c) })
		}, socketio.ByHandshake(), socketio.WithRegistry(registry), slowly)
		for range 50 {
			c := dialBurst(t, url, eio)
			var packets []string
			for range 3 {
				packets = append(packets, c.connect("/admin", "good.a"), "41/admin,")
			}
			if err := c.send(append(packets, c.connect("/admin", "good.b"))...); err != nil {
				t.Fatal(err)
			}
			c.until(t, `42/admin,["you are","b"]`)
			if err := c.Write(`42/admin,7["who"]`); err != nil {
				t.Fatal(err)
			}
			if got := c.until(t, "43/admin,7"); got != `43/admin,7["b"]` {
				t.Fatalf("got %s", got)
			}
			c.Close()
		}
		for start := time.Now(); registry.Count(socketio.Filter{}) > 0; time.Sleep(time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				t.Fatalf("%d sessions are left", registry.Count(socketio.Filter{}))
			}
		}
	})
}

// TestFaultsA3FormerStay: what is left of a stay that is over reaches nobody who
// comes after it, whatever ended it and whichever client comes.
func TestFaultsA3FormerStay(t *testing.T) {
	for _, next := range []string{"good.b", "good.a", ""} { // another user, the same user again, a guest
		for _, ended := range []string{"left", "revoked"} {
			t.Run(fmt.Sprintf("%s, then %q", ended, next), func(t *testing.T) {
				bothProtocols(t, func(t *testing.T, eio string) { formerStay(t, eio, ended, next) })
			})
		}
	}
}

func formerStay(t *testing.T, eio, ended, next string) {
	came := make(chan *googollee.Conn, 2)
	gone := make(chan struct{}, 2)
	acknowledged := make(chan string, 2)
	var stays atomic.Int64
	_, n, url := admin(t, func(n *googollee.Namespace) {
		n.OnConnect(func(c *googollee.Conn) error { came <- c; return nil })
		n.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error {
			if stays.Add(1) == 1 {
				c.Join("first")
				c.Emit("ask", func(string) { acknowledged <- "the first" })
			}
			came <- c
			return nil
		})
		n.OnDisconnect(func(*googollee.Conn, string) { gone <- struct{}{} })
	}, socketio.ByHandshake(), socketio.Optional())
	c := dialBurst(t, url, eio)
	if err := c.send(c.connect("/admin", "good.a")); err != nil {
		t.Fatal(err)
	}
	former := <-came
	ask := c.until(t, "42/admin,")
	id := ask[len("42/admin,"):strings.IndexByte(ask, '[')]
	if ended == "left" {
		_ = c.send("41/admin,")
	} else {
		former.Session().End(&verifier.UnauthorizedError{Code: "revoked", Message: "revoked", Reason: socketio.ErrTokenRevoked})
		c.until(t, "41/admin")
	}
	<-gone
	if err := c.send(c.connect("/admin", next)); err != nil {
		t.Fatal(err)
	}
	present := <-came
	c.until(t, "40/admin,")
	if former == present {
		t.Fatal("the former stay is the present one")
	}
	useFormer(t, former, present)
	n.BroadcastTo("first", "for a only")
	n.BroadcastTo("late", "for a only")
	if len(former.Rooms()) != 0 || n.RoomLen("late") != 0 || n.RoomLen("first") != 0 || n.RoomLen(present.ID()) != 1 {
		t.Errorf("the former stay has the rooms %q, the namespace %q", former.Rooms(), n.Rooms())
	}
	present.Emit("last")
	if got := c.until(t, "4"); got != `42/admin,["last"]` {
		t.Errorf("got %s", got)
	}
	// What the former stay asked for is not answered by the present one.
	_ = c.send("43/admin,"+id+`["stolen"]`, `42/admin,9["nothing"]`)
	_ = c.send("41/admin,")
	<-gone
	select {
	case who := <-acknowledged:
		t.Errorf("%s got an acknowledgement", who)
	default:
	}
}

// useFormer does with a stay that has ended what must not affect the present one.
func useFormer(t *testing.T, former, present *googollee.Conn) {
	former.Emit("for a only")
	former.Emit("for a only", func(string) { t.Error("an acknowledgement of nothing") })
	former.Join("late")
	former.Leave(present.ID())
	former.LeaveAll()
	_ = former.Close()
	former.Session().End(nil)
}
