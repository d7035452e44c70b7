package zishang

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// connected is a CONNECT packet of the server's.
func (c *client) connected(namespace string) {
	c.t.Helper()
	prefix := "40"
	if namespace != "/" {
		prefix += namespace + ","
	}
	if got := c.next(); !strings.HasPrefix(got, prefix+`{"sid":"`) {
		c.t.Fatalf("got %s, want a CONNECT of %s", got, namespace)
	}
}

func TestAuthorizeMisuse(t *testing.T) {
	for want, f := range map[string]func(*Server) (socket.Namespace, error){
		"the authenticator is nil":     func(s *Server) (socket.Namespace, error) { return s.Authorize("/", nil) },
		"expected a positive duration": func(s *Server) (socket.Namespace, error) { return s.Authorize("/", byName(), socketio.Timeout(-1)) },
		"declared already": func(s *Server) (socket.Namespace, error) {
			guard(t, s, "/", byName())
			return s.Public("/")
		},
		"does not begin with a slash":     func(s *Server) (socket.Namespace, error) { return s.Public("admin") },
		"expected a string":               func(s *Server) (socket.Namespace, error) { return s.Public(7) },
		"or a func(string) bool":          func(s *Server) (socket.Namespace, error) { return s.Public((*regexp.Regexp)(nil)) },
		"reads tokens of up to 99999 byt": func(s *Server) (socket.Namespace, error) { return s.Authorize("/", greedy{byName()}) },
	} {
		if _, err := f(NewServer(nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

type greedy struct{ socketio.Authenticator }

func (greedy) TokenLimit() int { return 99999 }

// payloads are those that have crashed servers, and their answers.
var payloads = []struct {
	name, auth string
	want       *verifier.UnauthorizedError
}{
	{"none", ``, errNoToken},
	{"an empty one", `{}`, errNoToken},
	{"null", `{"token":null}`, errNoToken},
	{"an empty token", `{"token":""}`, errNoToken},
	{"a number", `{"token":123}`, errDatatype},
	{"a boolean", `{"token":true}`, errDatatype},
	{"an array", `{"token":["a"]}`, errDatatype},
	{"an object", `{"token":{"token":{"token":"a"}}}`, errDatatype},
	{"a buffer", `{"token":{"type":"Buffer","data":[1,2,3]}}`, errDatatype},
	{"a bad token", `{"token":"bad"}`, errBadToken},
	{"a bad token as Bearer", `{"token":"BEARER bad"}`, errBadToken},
	{"a private id of another type", `{"token":"bad","pid":[[1]],"offset":{}}`, errBadToken},
}

func TestPayloads(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectTimeout(200 * time.Millisecond)
	web := serve(t, options, func(io *Server) {
		guard(t, io, "/", byName())
		_ = io.IO().On("connection", func(...any) { t.Error("a socket has connected") })
	})
	for _, row := range payloads {
		t.Run(row.name, func(t *testing.T) {
			c := dial(t, web)
			c.send("40" + row.auth)
			c.expect(refusalPacket("/", row.want))
		})
	}
	t.Run("900 kB", func(t *testing.T) {
		c := dial(t, web)
		c.send(`40{"token":123,"padding":"` + strings.Repeat("x", 900_000) + `"}`)
		c.expect(refusalPacket("/", errTokenTooLong))
	})
	// What is not a packet of Socket.IO's ends the connection, and nothing else.
	for _, packet := range []string{
		`40"a string"`, `40[1]`, `40{`, `450-["a"]`, `451-{"token":1}`, `40/,`, `4`, `49`, `42["message"]`, `4`, `40` + strings.Repeat("[", 100_000),
	} {
		t.Run(packet[:min(9, len(packet))], func(t *testing.T) {
			c := dial(t, web)
			_ = c.post(packet)
			if got, err := c.poll(); err == nil && !strings.HasPrefix(got, "44") {
				t.Errorf("got %s", got)
			}
			c = dial(t, web)
			c.send("40" + `{"token":"bad"}`)
			c.expect(refusalPacket("/", errBadToken))
		})
	}
}

// FuzzPayload: whatever is in a CONNECT packet, the server refuses it in its
// words or ends the connection. It accepts nobody, and goes on.
func FuzzPayload(f *testing.F) {
	for _, row := range payloads {
		f.Add(row.auth)
	}
	f.Add(`/admin,{"token":1}`)
	f.Add(`"a string"`)
	f.Add("{\"token\":\"\xff\"}")
	web := serve(f, nil, func(io *Server) {
		guard(f, io, "/", socketio.AuthenticatorFunc(nobody))
		guard(f, io, "/admin", socketio.AuthenticatorFunc(nobody))
	})
	f.Fuzz(func(t *testing.T, auth string) {
		if strings.Contains(auth, "\x1e") || !utf8.ValidString(auth) {
			t.Skip("more than one packet, or no text")
		}
		c := dial(t, web)
		_ = c.post("40" + auth)
		got, err := c.poll()
		var refusal struct {
			Message string `json:"message"`
			Data    struct {
				Type, Code, Reason string
			} `json:"data"`
		}
		switch {
		case err != nil: // the connection is closed
		case !strings.HasPrefix(got, "44"):
			t.Errorf("%q was answered %q", auth, got)
		case strings.Contains(got, "Invalid namespace"):
		default:
			text := got[strings.Index(got, "{"):]
			if json.Unmarshal([]byte(text), &refusal) != nil || refusal.Message == "" || refusal.Data.Type != "UnauthorizedError" {
				t.Errorf("%q was answered %q", auth, got)
			}
		}
		var object map[string]any
		if json.Unmarshal([]byte(auth), &object) == nil && object != nil && (err != nil || refusal.Message == "") {
			t.Errorf("%q, which is an object, was answered %q, %v", auth, got, err)
		}
	})
}

// TestLastWords: a client whose session ends is told why after everything that
// was emitted before, and nothing comes after it, no matter which code emits.
func TestLastWords(t *testing.T) {
	sockets := make(chan *socket.Socket, 1)
	web := serve(t, nil, func(io *Server) {
		guard(t, io, "/", byName())
		_ = io.IO().On("connection", func(args ...any) { sockets <- args[0].(*socket.Socket) })
	})
	for range 20 {
		c := dial(t, web)
		c.send(`40{"token":"alice"}`)
		c.connected("/")
		s := <-sockets
		_ = s.Emit("before", 1)
		stop := make(chan struct{})
		var emitters sync.WaitGroup
		for range 3 {
			emitters.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = s.Emit("noise")
						_ = s.Nsp().Emit("noise", []byte("in an attachment"))
					}
				}
			})
		}
		SessionOf(s).End(errBadToken)
		for range 100 {
			_ = s.Emit("noise")
		}
		close(stop)
		emitters.Wait()
		var seen []string
		for {
			packet := c.next()
			if strings.Contains(packet, "noise") || strings.HasPrefix(packet, "b") {
				continue
			}
			seen = append(seen, packet)
			if packet == "41" {
				break
			}
		}
		if len(seen) != 3 || seen[0] != `42["before",1]` || !strings.HasPrefix(seen[1], `421073741824["unauthorized",{"message":"invalid signature"`) {
			t.Errorf("the client saw %q", seen)
		}
		c.send(`40{"token":"bad"}`)
		c.expect(refusalPacket("/", errBadToken)) // and nothing between
	}
}

// TestHeld: until a socket has authenticated the library knows nothing of it.
func TestHeld(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, fmt.Sprintf(format, args...))
	}
	var server *socket.Server
	handled := make(chan struct{})
	web := serve(t, nil, func(io *Server) {
		server = io.IO()
		guard(t, io, "/", byName(), socketio.ByEvent())
		_ = io.IO().On("connection", func(args ...any) {
			s := args[0].(*socket.Socket)
			note("connection of %s", SessionOf(s).Token().Subject)
			s.OnAny(func(args ...any) { note("any %v", args[0]) })
			_ = s.On("message", func(args ...any) {
				note("message %v", args[0])
				if args[0] == 4.0 { // the third may come before the token is verified, or after
					close(handled)
				}
			})
		})
	})
	c := dial(t, web)
	c.send("40")
	c.connected("/")
	if n := server.Sockets().Sockets().Len(); n != 0 {
		t.Errorf("the namespace has %d sockets", n)
	}
	if n := server.Sockets().Adapter().Sids().Len(); n != 0 {
		t.Errorf("the adapter has %d sockets", n)
	}
	server.SocketsJoin("room")
	server.Emit("broadcast")
	// An event with attachments, an acknowledgement, a second CONNECT: all of it
	// is for nobody.
	c.send(`42["message",1]`, `450-["message",2]`, `451-["message",{"_placeholder":true,"num":0}]`, "bAQID", `430[]`, "40",
		`42["authenticate",{"token":"bad"}]`)
	if got := c.next(); !strings.HasPrefix(got, "42") || !strings.Contains(got, `["unauthorized",{"message":"invalid signature"`) {
		t.Fatalf("got %s", got)
	}
	c.send(`42 [ "\u0061uthenticate" , {"token":"alice"} ]`, `42["message",3]`)
	c.expect(`42["authenticated"]`)
	c.send(`42["message",4]`)
	<-handled
	mu.Lock()
	defer mu.Unlock()
	if got := strings.Join(calls, ", "); !strings.HasPrefix(got, "connection of alice, ") || strings.Contains(got, "authenticate ") ||
		strings.Contains(got, "message 1") || strings.Contains(got, "message 2") {
		t.Errorf("called: %s", got)
	}
}

// TestOtherMiddlewares: those behind ours run when the socket has authenticated,
// and their refusals end its session.
func TestOtherMiddlewares(t *testing.T) {
	for _, mode := range []socketio.Option{socketio.ByHandshake(), socketio.ByEvent()} {
		sessions := make(chan *socketio.Session, 1)
		web := serve(t, nil, func(io *Server) {
			guard(t, io, "/", byName(), mode)
			io.IO().Use(func(s *socket.Socket, next func(*socket.ExtendedError)) {
				sessions <- SessionOf(s)
				go next(socket.NewExtendedError("no room", nil)) // as one that asks a database
			})
			_ = io.IO().On("connection", func(...any) { t.Error("a socket has connected") })
		})
		c := dial(t, web)
		c.send(`40{"token":"alice"}`)
		if got := c.next(); strings.HasPrefix(got, "40") {
			c.send(`42["authenticate",{"token":"alice"}]`)
			c.expect(`42["authenticated"]`)
			if got := c.next(); !strings.HasPrefix(got, `421073741824["unauthorized",{"message":"no room"`) {
				t.Errorf("got %s", got)
			}
			c.expect("41")
		} else if got != `44{"message":"no room","data":null}` {
			t.Errorf("got %s", got)
		}
		s := <-sessions
		if s == nil || s.Token().Subject != "alice" {
			t.Fatalf("the session is %v", s)
		}
		<-s.Context().Done()
	}
}

// TestDynamicNamespaces: one middleware guards the namespaces that match.
func TestDynamicNamespaces(t *testing.T) {
	names := make(chan string, 1)
	web := serve(t, nil, func(io *Server) {
		tenants := guard(t, io, regexp.MustCompile(`^/tenant-\d+$`), byName())
		OnAuthenticated(tenants, func(s *socket.Socket, session *socketio.Session) error {
			names <- session.Token().Subject + " in " + session.Namespace()
			return nil
		})
	})
	c := dial(t, web)
	c.send(`40/tenant-7,{"token":"bad"}`)
	c.expect(refusalPacket("/tenant-7", errBadToken))
	for _, name := range []string{"/tenant-7", "/tenant-8"} {
		c.send("40" + name + `,{"token":"alice"}`)
		c.connected(name)
		if got := <-names; got != "alice in "+name {
			t.Errorf("got %s", got)
		}
	}
	c.send(`40/another,{"token":"alice"}`)
	c.expect(`44/another,{"message":"Invalid namespace"}`)
}

// TestRefusalsAreCounted: a connection is refused so many times, and then closed.
func TestRefusalsAreCounted(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectTimeout(time.Hour) // which would close it too
	web := serve(t, options, func(io *Server) { guard(t, io, "/", byName()) })
	c := dial(t, web)
	for range maxRefusals {
		c.send(`40{"token":"bad"}`)
		c.expect(refusalPacket("/", errBadToken))
	}
	_ = c.post(`40{"token":"bad"}`)
	for {
		if _, err := c.poll(); err != nil {
			if !errors.Is(err, errClosedByServer) {
				t.Error(err)
			}
			return
		}
	}
}

// TestIdlePackets: a client in no namespace may ask the library for so many
// things, and a client that is accepted for as many as it likes.
func TestIdlePackets(t *testing.T) {
	web := serve(t, nil, func(io *Server) { guard(t, io, "/", byName(), socketio.ByEvent()) })
	for name, packet := range map[string]string{
		"namespaces": "40/nowhere,", "acknowledgements": "437[]", "events": `42["event"]`, "pongs": "3",
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, web)
			c.send("40")
			c.connected("/")
			all := slices.Repeat([]string{packet}, maxIdle+1)
			_ = c.post(append(all, all...)...)
			for {
				if _, err := c.poll(); err != nil {
					if !errors.Is(err, errClosedByServer) {
						t.Error(err)
					}
					break
				}
			}
			if name == "namespaces" {
				return // nobody has reason to ask for so many
			}
			c = dial(t, web)
			c.send("40")
			c.connected("/")
			c.send(`42["authenticate",{"token":"alice"}]`)
			c.expect(`42["authenticated"]`)
			c.send(append(all, all...)...)
			c.send(`42["authenticate",{"token":"alice"}]`)
			for c.next() != `42["authenticated"]` { // the library's answers
			}
		})
	}
}

// TestConnectTimeout: a connection that enters no namespace is closed.
func TestConnectTimeout(t *testing.T) {
	options := socket.DefaultServerOptions()
	options.SetConnectTimeout(50 * time.Millisecond)
	web := serve(t, options, func(io *Server) { guard(t, io, "/", byName()) })
	if _, err := dial(t, web).poll(); !errors.Is(err, errClosedByServer) {
		t.Error(err)
	}
}
