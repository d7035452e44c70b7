package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"
	gosio "github.com/googollee/go-socket.io"
	"github.com/zishang520/socket.io/servers/socket/v3"
)

// What follows is what is found in programs today: the libraries as they are and
// golang-jwt in their callbacks. It verifies what the others verify, and does
// nothing of what comes after: no deadline, no expiry, no revocation, no session.

// checker verifies a token with golang-jwt.
func (s setup) checker() (func(token string) error, error) {
	var key any = []byte(s.Secret)
	if s.Algorithm != "HS256" {
		public, err := jwt.ParseRSAPublicKeyFromPEM([]byte(s.Secret))
		if err != nil {
			return nil, err
		}
		key = public
	}
	p := jwt.NewParser(jwt.WithValidMethods([]string{s.Algorithm}), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	return func(token string) error {
		_, err := p.Parse(token, func(*jwt.Token) (any, error) { return key, nil })
		return err
	}, nil
}

func nobody(string, time.Duration) (int, error) { return 0, nil }

// serveGoogolleeHandwritten is go-socket.io with a hand-written check.
func serveGoogolleeHandwritten(set setup) (*app, error) {
	check, err := set.checker()
	if err != nil {
		return nil, err
	}
	s := gosio.NewServer(nil)
	s.OnConnect("/", func(c gosio.Conn) error {
		if set.mode == "event" {
			return nil
		}
		u := c.URL()
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return err
		}
		if err := check(query.Get("token")); err != nil {
			return err
		}
		authenticated.Add(1)
		return nil
	})
	s.OnEvent("/", "authenticate", func(c gosio.Conn, data map[string]any) {
		token, _ := data["token"].(string)
		if err := check(token); err != nil {
			c.Emit("unauthorized", err.Error())
			_ = c.Close()
			return
		}
		authenticated.Add(1)
		c.SetContext(true)
		c.Emit("authenticated")
	})
	s.OnEvent("/", "chat", func(gosio.Conn, string) {})
	s.OnEvent("/", "echo", func(_ gosio.Conn, text string) string { return text })
	s.OnEvent("/", "join", func(c gosio.Conn) string { c.Join("crowd"); return "" })
	s.OnError("/", func(gosio.Conn, error) {})
	s.OnDisconnect("/", func(gosio.Conn, string) {})
	go func() { _ = s.Serve() }() // until it is closed
	broadcast := func(crowd bool) {
		if crowd {
			s.BroadcastToRoom("/", "crowd", "news", news)
		} else {
			s.BroadcastToNamespace("/", "news", news)
		}
	}
	return &app{Handler: s, sessions: s.Count, broadcast: broadcast, revoke: nobody, close: s.Close}, nil
}

// serveBare is the least that can be done with net/http: it verifies nothing, and
// answers every websocket with the same words and a close frame. It is what of a
// refusal no server of Go's is spared.
func serveBare(setup) (*app, error) {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	frame := func(text string) string { return string([]byte{0x81, byte(len(text))}) + text }
	words := frame(`0{"sid":"denied","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`) + frame(`44{"message":"jwt expired"}`) + frame("41") + "\x88\x02\x03\xe8"
	return &app{sessions: func() int { return 0 }, revoke: nobody, close: func() error { return nil }, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + guid))
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
			base64.StdEncoding.EncodeToString(key[:]), words)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.Copy(io.Discard, conn) // what was written last would be lost otherwise
	})}, nil
}

// serveZishangHandwritten is socket.io for Go with a hand-written check.
func serveZishangHandwritten(set setup) (*app, error) {
	check, err := set.checker()
	if err != nil {
		return nil, err
	}
	handler := func(io *socket.Server) http.Handler { return io.ServeHandler(nil) }
	return newZishang(socket.DefaultServerOptions(), handler, nobody, func(io *socket.Server) {
		if set.mode == "event" {
			_ = io.On("connection", func(args ...any) {
				s := args[0].(*socket.Socket)
				_ = s.On("authenticate", func(args ...any) {
					var token string
					if len(args) > 0 {
						if data, ok := args[0].(map[string]any); ok {
							token, _ = data["token"].(string)
						}
					}
					if err := check(token); err != nil {
						_ = s.Emit("unauthorized", err.Error())
						s.Disconnect(true)
						return
					}
					authenticated.Add(1)
					s.SetData(true)
					_ = s.Emit("authenticated")
				})
				_ = s.On("chat", func(...any) {})
				listen(s)
			})
			return
		}
		io.Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
			token := s.Request().Request().URL.Query().Get("token")
			if auth, ok := s.Handshake().Auth["token"].(string); ok {
				token = auth
			}
			if err := check(token); err != nil {
				next(socket.NewExtendedError(fmt.Sprint("unauthorized: ", err), nil))
				return
			}
			next(nil)
		})
		_ = io.On("connection", func(args ...any) {
			authenticated.Add(1)
			s := args[0].(*socket.Socket)
			_ = s.On("chat", func(...any) {})
			listen(s)
		})
	}), nil
}
