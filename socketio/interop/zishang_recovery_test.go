package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/socketio/zishang"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// recoveryServer is a server with connection-state recovery, whose sockets are
// put into a room with a secret.
type recoveryServer struct {
	io           *socket.Server
	url          string
	disconnected chan struct{}
	connected    chan string // who, and whether the socket is a recovered one
	away         atomic.Bool // whether clients are turned away, to reconnect later
}

// newRecovery makes a server, and returns its options. SkipMiddlewares is set, as it is
// by default where the library's own adapter is used.
func newRecovery() (*recoveryServer, *socket.ServerOptions) {
	r := &recoveryServer{disconnected: make(chan struct{}, 9), connected: make(chan string, 9)}
	recovery := socket.DefaultConnectionStateRecovery()
	recovery.SetSkipMiddlewares(true)
	recovery.SetMaxDisconnectionDuration(60_000)
	options := socket.DefaultServerOptions()
	options.SetConnectionStateRecovery(recovery)
	options.SetAllowRequest(func(*types.HttpContext) error {
		if r.away.Load() {
			return errors.New("not now")
		}
		return nil
	})
	return r, options
}

// serve runs the server.
func (r *recoveryServer) serve(t *testing.T, handler http.Handler, who func(*socket.Socket) string) *recoveryServer {
	t.Helper()
	_ = r.io.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("disconnect", func(...any) { r.disconnected <- struct{}{} })
		if !s.Recovered() {
			s.Join("secret-room")
			_ = s.Emit("welcome") // gives the client an offset to recover from
		}
		r.connected <- fmt.Sprintf("%s, recovered: %v", who(s), s.Recovered())
	})
	web := httptest.NewServer(handler)
	r.url = web.URL
	t.Cleanup(func() {
		r.io.Close(nil)
		web.Close()
	})
	return r
}

// stockRecovery is the library by itself.
func stockRecovery(t *testing.T, authorize socket.NamespaceMiddleware, who func(*socket.Socket) string) *recoveryServer {
	r, options := newRecovery()
	r.io = socket.NewServer(nil, options)
	r.io.Use(authorize)
	return r.serve(t, r.io.ServeHandler(nil), who)
}

func (r *recoveryServer) tell(secret string) { _ = r.io.To("secret-room").Emit("secret", secret) }

// stockAuthorize is a middleware as applications write it: it verifies the
// token, and keeps it with the socket.
func stockAuthorize(t *testing.T) socket.NamespaceMiddleware {
	v := policy{}.authenticator(t)
	return func(s *socket.Socket, next func(*socket.ExtendedError)) {
		h := verifier.HandshakeFromRequest(s.Request().Request())
		h.Auth = s.Handshake().Auth
		token, err := v.Authenticate(context.Background(), h)
		if err != nil {
			u := verifier.AsUnauthorized(err)
			next(socket.NewExtendedError(u.Message, u))
			return
		}
		s.SetData(token.Subject)
		next(nil)
	}
}

// ourRecovery is a server guarded by package zishang.
func ourRecovery(t *testing.T, p policy) *recoveryServer {
	r, options := newRecovery()
	server := zishang.NewServer(options, zishang.RefusalDelay(100*time.Millisecond))
	if _, err := server.Authorize("/", p.authenticator(t), p.options...); err != nil {
		t.Fatal(err)
	}
	r.io = server.IO()
	return r.serve(t, server, func(s *socket.Socket) string { return who(zishang.SessionOf(s)) })
}

// comesAgain connects alice, cuts her off, has the server tell a secret
// meanwhile, and lets the client come back with another token.
func (r *recoveryServer) comesAgain(t *testing.T, d *jsclient.Driver, token string, authenticate bool) *jsclient.Client {
	t.Helper()
	c := d.Connect(t, jsclient.Options{
		Version: jsclient.V4, URL: r.url, Transports: jsclient.Websocket, Auth: map[string]any{"token": alice},
		Extra: map[string]any{"reconnectionDelay": 20, "reconnectionDelayMax": 20},
	})
	c.Expect(t, "connect")
	if authenticate {
		c.Emit(t, "authenticate", map[string]any{"token": alice})
		c.Expect(t, "authenticated")
	}
	c.Expect(t, "welcome")
	<-r.connected
	r.away.Store(true)
	c.Present(t, map[string]any{"token": token}, nil)
	c.Drop(t)
	<-r.disconnected
	r.tell("of the past")
	r.away.Store(false)
	return c
}

// hearsSecret expects what the room was told.
func hearsSecret(t *testing.T, c *jsclient.Client, want string) {
	t.Helper()
	if e := c.Expect(t, "secret"); !strings.Contains(e.JSON(), want) {
		t.Errorf("got %s, want %s", e, want)
	}
}

// TestRecoveryStock: what the library does without us. A client that comes back
// with a forged token is given what it missed, stays in its room, and its socket
// is one that no middleware has seen.
func TestRecoveryStock(t *testing.T) {
	d := jsclient.Start(t)
	who := func(s *socket.Socket) string { return fmt.Sprint(s.Data()) }
	r := stockRecovery(t, stockAuthorize(t), who)
	c := r.comesAgain(t, d, "a.forged.token", false)
	c.Expect(t, "connect")
	if got := <-r.connected; got != "alice, recovered: true" {
		t.Errorf("connected %s", got)
	}
	hearsSecret(t, c, "of the past")
	r.tell("of today")
	hearsSecret(t, c, "of today")
}

func TestRecovery(t *testing.T) {
	d := jsclient.Start(t)
	t.Run("the same user", func(t *testing.T) {
		r := ourRecovery(t, byHandshake())
		c := r.comesAgain(t, d, mint(claims{"sub": "alice", "jti": "another"}), false)
		c.Expect(t, "connect")
		if got := <-r.connected; got != "alice, recovered: true" {
			t.Errorf("connected %s", got)
		}
		hearsSecret(t, c, "of the past")
		r.tell("of today")
		hearsSecret(t, c, "of today")
		c.Barrier(t)
		secrets := 0
		for _, e := range c.Seen() {
			if e.Name == "secret" {
				secrets++
			}
		}
		if secrets != 2 {
			t.Errorf("%d secrets came\n%s", secrets, c.Log())
		}
	})

	refusals := []struct {
		name    string
		token   string
		refusal refusal
	}{
		{"a forged token", sign(`{"alg":"HS256"}`, `{"sub":"alice"}`, "another secret"), signature},
		{"an expired token", mint(claims{"sub": "alice", "exp": 1}), expired},
		{"no token", "", noToken},
	}
	for _, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			r := ourRecovery(t, byHandshake())
			c := r.comesAgain(t, d, row.token, false)
			for {
				e := c.Expect(t, "connect_error")
				if e.JSON() == jsclient.Canonical(connectErrorArgs(row.refusal)) {
					break
				}
				if !strings.Contains(e.JSON(), "websocket error") { // of an attempt that was turned away
					t.Fatalf("got %s, want %s", e, connectErrorArgs(row.refusal))
				}
			}
			r.tell("of today")
			noSecret(t, c)
		})
	}

	t.Run("another user begins a session", func(t *testing.T) {
		r := ourRecovery(t, byHandshake())
		c := r.comesAgain(t, d, bob, false)
		c.Expect(t, "connect")
		if got := <-r.connected; got != "bob, recovered: false" {
			t.Errorf("connected %s", got)
		}
		c.ExpectNone(t, "secret")
	})

	t.Run("revoked meanwhile", func(t *testing.T) {
		registry := socketio.NewRegistry(nil)
		r := ourRecovery(t, byHandshake(socketio.WithRegistry(registry)))
		c := d.Connect(t, jsclient.Options{
			Version: jsclient.V4, URL: r.url, Transports: jsclient.Websocket, Auth: map[string]any{"token": alice},
			Extra: map[string]any{"reconnectionDelay": 20, "reconnectionDelayMax": 20},
		})
		c.Expect(t, "welcome")
		<-r.connected
		r.away.Store(true)
		c.Drop(t)
		<-r.disconnected
		r.tell("of the past")
		if err := registry.Revoke(t.Context(), socketio.Revocation{Subject: "alice"}); err != nil {
			t.Fatal(err)
		}
		r.away.Store(false)
		expectRefusal(t, c, "token_revoked")
		noSecret(t, c)
	})

	t.Run("expired meanwhile", func(t *testing.T) {
		var now atomic.Int64
		now.Store(1_000_000_000)
		clock := func() time.Time { return time.Unix(now.Load(), 0) }
		p := byHandshake(socketio.WithClock(clock))
		p.verify = append(p.verify, verifier.WithClock(clock))
		short := mint(claims{"sub": "alice", "exp": 1_000_003_600})
		r := ourRecovery(t, p)
		c := d.Connect(t, jsclient.Options{
			Version: jsclient.V4, URL: r.url, Transports: jsclient.Websocket, Auth: map[string]any{"token": short},
			Extra: map[string]any{"reconnectionDelay": 20, "reconnectionDelayMax": 20},
		})
		c.Expect(t, "welcome")
		<-r.connected
		r.away.Store(true)
		c.Drop(t)
		<-r.disconnected
		r.tell("of the past")
		now.Add(7200)
		r.away.Store(false)
		expectRefusal(t, c, "token_expired")
		noSecret(t, c)
	})

	t.Run("by event", func(t *testing.T) {
		r := ourRecovery(t, byEvent())
		c := r.comesAgain(t, d, "", true)
		c.Expect(t, "connect")
		r.tell("of today")
		c.ExpectNone(t, "secret")
		c.Emit(t, "authenticate", map[string]any{"token": alice})
		c.Expect(t, "authenticated")
		if got := <-r.connected; got != "alice, recovered: true" {
			t.Errorf("connected %s", got)
		}
		for _, want := range []string{"of the past", "of today"} {
			hearsSecret(t, c, want)
		}
	})

	t.Run("by event, another user", func(t *testing.T) {
		r := ourRecovery(t, byEvent())
		c := r.comesAgain(t, d, "", true)
		c.Expect(t, "connect")
		c.Emit(t, "authenticate", map[string]any{"token": bob})
		if e := c.Expect(t, "unauthorized"); !strings.Contains(e.JSON(), "identity_mismatch") {
			t.Errorf("got %s", e)
		}
		c.Expect(t, "disconnect")
		noSecret(t, c)
	})

	t.Run("a guest is not given a session", func(t *testing.T) {
		r := ourRecovery(t, byHandshake(socketio.Optional()))
		c := r.comesAgain(t, d, "", false)
		c.Expect(t, "connect")
		if got := <-r.connected; !strings.HasSuffix(got, "recovered: false") {
			t.Errorf("connected %s", got)
		}
		c.ExpectNone(t, "secret")
	})

	t.Run("an adapter that is set late has every socket refused", func(t *testing.T) {
		r := ourRecovery(t, byHandshake())
		r.io.SetAdapter(&socket.SessionAwareAdapterBuilder{})
		c := d.Connect(t, jsclient.Options{Version: jsclient.V4, URL: r.url, Auth: map[string]any{"token": alice}})
		expectRefusal(t, c, "server_error")
	})
}

// noSecret fails if the client has seen one, once its connection is closed, as
// it closes it itself when it is refused.
func noSecret(t *testing.T, c *jsclient.Client) {
	t.Helper()
	for deadline := time.Now().Add(jsclient.Deadline); c.State(t).Engine == "open"; {
		if time.Now().After(deadline) {
			t.Fatalf("the refused client keeps its connection\n%s", c.Log())
		}
	}
	if c.Saw("secret") {
		t.Errorf("a secret came\n%s", c.Log())
	}
}

// expectRefusal waits for a connect_error for the reason. Attempts that were
// turned away before are passed over.
func expectRefusal(t *testing.T, c *jsclient.Client, reason string) {
	t.Helper()
	for {
		e := c.Expect(t, "connect_error")
		if strings.Contains(e.JSON(), `"reason":"`+reason+`"`) {
			return
		}
		if strings.Contains(e.JSON(), `"reason":`) {
			t.Fatalf("got %s, want the reason %s", e, reason)
		}
	}
}
