package sockettest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// saw checks what a client has received since.
func saw(t *testing.T, c *sockettest.Client, want string) {
	t.Helper()
	if got := fmt.Sprint(c.Received()); got != "["+want+"]" {
		t.Errorf("the client saw %s, want [%s]", got, want)
	}
}

func token(raw string) *verifier.Handshake {
	return &verifier.Handshake{Auth: map[string]any{"token": raw}}
}

// greeting is a server of an application of two handlers.
func greeting(auth socketio.Authenticator, options ...socketio.Option) *sockettest.Server {
	server := sockettest.NewServer(auth, options...)
	server.OnAuthenticated(func(c *sockettest.Conn, s *socketio.Session) error {
		if s.Token().Subject == "mallory" {
			return &verifier.UnauthorizedError{Code: "banned", Message: "you are banned"}
		}
		c.Emit("welcome", s.Token().Subject)
		return nil
	})
	server.OnEvent("message", func(c *sockettest.Conn, args ...any) {
		server.Broadcast("message", c.Session().Token().Subject, args[0])
	})
	return server
}

func as(claims verifiertest.Claims) socketio.Authenticator { return verifiertest.Accept(claims) }

// TestScripts: what clients of the fake server see is what real ones would.
func TestScripts(t *testing.T) {
	alice := verifiertest.Claims{"sub": "alice"}
	forged := &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "invalid signature", Reason: verifier.ErrSignatureInvalid}
	handshake := socketio.ByHandshake()
	tests := []struct {
		name    string
		auth    socketio.Authenticator
		options []socketio.Option
		script  func(t *testing.T, s *sockettest.Server)
	}{
		{"by event", as(alice), nil, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(nil)
			saw(t, c, "connect")
			c.Emit("message", "too early")
			s.Broadcast("news")
			saw(t, c, "")
			c.Authenticate("whatever")
			saw(t, c, `authenticated welcome "alice"`)
			c.Emit("message", "hello")
			s.Broadcast("news")
			saw(t, c, `message "alice" "hello" news`)
			c.Authenticate("another")
			saw(t, c, "authenticated")
			if c.Session().Token().Subject != "alice" || c.Err() != nil {
				t.Errorf("the session is %v, the end %v", c.Session(), c.Err())
			}
		}},
		{"by handshake", as(alice), []socketio.Option{handshake}, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(token("whatever"))
			saw(t, c, `connect welcome "alice"`)
			if n := s.Registry().Count(socketio.Filter{Subject: "alice"}); n != 1 {
				t.Errorf("%d sessions", n)
			}
			session := c.Session()
			c.Disconnect()
			saw(t, c, "disconnect")
			if cause := context.Cause(session.Context()); !errors.Is(cause, socketio.ErrDisconnected) {
				t.Errorf("the session ended by %v", cause)
			}
			if c.Session() != nil || !errors.Is(c.Err(), socketio.ErrDisconnected) {
				t.Errorf("the session is %v, the end %v", c.Session(), c.Err())
			}
			c.Disconnect()
			c.Emit("message", "too late")
			s.Broadcast("news")
			saw(t, c, "")
		}},
		{"refused by handshake", verifiertest.Refuse(forged), []socketio.Option{handshake}, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(token("whatever"))
			seen := c.Received()
			if len(seen) != 1 || seen[0].String() != "connect_error signature_invalid" {
				t.Fatalf("the client saw %s", seen)
			}
			if r := seen[0].Refusal(); r.Message != forged.Message || r.Code != forged.Code || r.Retryable {
				t.Errorf("the refusal is %+v", r)
			}
			c.Authenticate("again") // a client that is not connected cannot
			c.Disconnect()
			saw(t, c, "")
			if c.Session() != nil || !errors.Is(c.Err(), verifier.ErrSignatureInvalid) {
				t.Errorf("the session is %v, the end %v", c.Session(), c.Err())
			}
		}},
		{"refused by the application", as(alice), []socketio.Option{handshake, socketio.User(func(context.Context, *verifier.Token, *verifier.Handshake) (any, error) {
			return nil, errors.New("the database is down")
		})}, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(token("whatever"))
			saw(t, c, "connect_error rejected")
		}},
		{"refused by event", verifiertest.Refuse(errors.New("a secret of the server's")), nil, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(nil)
			c.Authenticate("whatever")
			saw(t, c, "connect unauthorized rejected")
			c.Acknowledge("unauthorized")
			saw(t, c, "disconnect")
			c.Acknowledge("unauthorized")
			saw(t, c, "")
		}},
		{"silent until the deadline", as(alice), []socketio.Option{socketio.Timeout(time.Hour)}, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(nil)
			time.Sleep(time.Hour - 1)
			saw(t, c, "connect")
			time.Sleep(time.Nanosecond)
			saw(t, c, "unauthorized authentication_timeout disconnect")
		}},
		{"a handler refuses", as(verifiertest.Claims{"sub": "mallory"}), nil, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(nil)
			c.Authenticate("whatever")
			saw(t, c, "connect authenticated unauthorized rejected disconnect")
		}},
		{"a guest", as(alice), []socketio.Option{socketio.Optional()}, func(t *testing.T, s *sockettest.Server) {
			s.OnGuestEvent("look", func(c *sockettest.Conn, _ ...any) { c.Emit("seen", c.Session() == nil) })
			c := s.Connect(nil)
			c.Emit("message", "not for guests")
			c.Emit("look")
			s.Broadcast("news")
			saw(t, c, "connect seen true news")
			c.Authenticate("whatever")
			c.Emit("look")
			saw(t, c, `authenticated welcome "alice" seen false`)
		}},
		{"handlers run in order, one by one", as(alice), nil, func(t *testing.T, s *sockettest.Server) {
			s.OnEvent("slow", func(c *sockettest.Conn, args ...any) {
				time.Sleep(time.Second)
				c.Emit("done", args...)
			})
			c := s.Connect(nil)
			c.Authenticate("whatever")
			c.Emit("slow", 1)
			c.Emit("slow", map[string]any{"n": 2})
			c.Received()
			time.Sleep(time.Second)
			saw(t, c, "done 1")
			time.Sleep(time.Second)
			saw(t, c, `done {"n":2}`)
			c.Emit("slow", 3)
			c.Disconnect() // what a handler then emits is lost
			time.Sleep(time.Second)
			saw(t, c, "disconnect")
		}},
		{"ended by the application", as(alice), nil, func(t *testing.T, s *sockettest.Server) {
			c := s.Connect(nil)
			c.Authenticate("whatever")
			c.Received()
			for session := range s.Registry().Sessions(socketio.Filter{Subject: "alice"}) {
				session.End(&verifier.UnauthorizedError{Message: "bye", Reason: "maintenance"})
			}
			saw(t, c, "unauthorized maintenance disconnect")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.script(t, greeting(test.auth, test.options...)) })
		})
	}
}

// TestExpiry: with a real verifier and a fake issuer, and an hour that takes no
// time.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := verifiertest.NewIssuer("https://issuer.test/")
		v, err := verifier.New(issuer, verifier.Issuer(issuer.URL()))
		if err != nil {
			t.Fatal(err)
		}
		var refused []verifier.Reason
		server := greeting(v, socketio.ByHandshake(), socketio.OnFailure(func(_ *verifier.Handshake, err *verifier.UnauthorizedError) {
			refused = append(refused, err.Reason)
		}))
		alice := issuer.Token(verifiertest.Claims{"sub": "alice"})
		c := server.Connect(token(alice))
		saw(t, c, `connect welcome "alice"`)
		time.Sleep(verifiertest.Lifetime - socketio.DefaultExpiryNotice)
		saw(t, c, `token_expiring {"expires_in":60}`)
		c.Authenticate(issuer.Token(verifiertest.Claims{"sub": "bob"}))
		c.Authenticate(issuer.Token(verifiertest.Claims{"sub": "alice"}))
		saw(t, c, "unauthorized identity_mismatch authenticated")
		time.Sleep(verifiertest.Lifetime)
		saw(t, c, `token_expiring {"expires_in":60} unauthorized token_expired disconnect`)
		saw(t, server.Connect(token(alice)), "connect_error token_expired")
		if want := "[identity_mismatch token_expired token_expired]"; fmt.Sprint(refused) != want {
			t.Errorf("OnFailure saw %v, want %s", refused, want)
		}
	})
}

// TestMisuse: a test can do nothing about it.
func TestMisuse(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); got != "sockettest: NewServer: socketio: Timeout is 0s: expected a positive duration" {
			t.Errorf("the panic is %q", got)
		}
	}()
	sockettest.NewServer(as(nil), socketio.Timeout(0))
}

// TestFaultsI13SilentConnection: with RejectNewest a user whose connection is gone gets in
// again within seconds; one whose connection is there does not, nor does it cost that
// connection anything.
func TestFaultsI13SilentConnection(t *testing.T) {
	for name, mode := range map[string]socketio.Option{"by event": socketio.ByEvent(), "by handshake": socketio.ByHandshake()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := sockettest.NewServer(verifiertest.Accept(verifiertest.Claims{"sub": "ada"}), mode, socketio.SessionLimit(2, socketio.RejectNewest))
				connect := func() *sockettest.Client {
					c := server.Connect(&verifier.Handshake{Auth: map[string]any{"token": "x"}})
					if mode != nil && name == "by event" {
						c.Authenticate("x")
						time.Sleep(3 * time.Second)
					}
					return c
				}
				first, second := connect(), connect()
				if c := connect(); c.Session() != nil {
					t.Error("a third is accepted beside two live ones")
				}
				if first.Session() == nil || second.Session() == nil {
					t.Error("one that is there was ended")
				}
				first.Vanish()
				began := time.Now()
				third := connect()
				if third.Session() == nil {
					t.Error("a third is refused though the first is gone")
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("it took %v", took)
				}
				if second.Session() == nil || first.Session() != nil {
					t.Error("another than the first was ended")
				}
				if n := server.Registry().Count(socketio.Filter{}); n != 2 {
					t.Errorf("%d sessions", n)
				}
			})
		})
	}
}

// TestRules: rules, rooms and a renewal with fewer rights, as an application tests them.
func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := verifiertest.NewIssuer("https://issuer.test/", verifiertest.NewKey(verifier.EdDSA, "k"))
		v, err := verifier.New(issuer)
		if err != nil {
			t.Fatal(err)
		}
		server := sockettest.NewServer(v, socketio.Allow("write", socketio.Scope("w")), socketio.AllowRoom("org:{org}"))
		server.OnAuthenticated(func(c *sockettest.Conn, _ *socketio.Session) error { return c.JoinWith("org:red", "") })
		server.OnEvent("write", func(c *sockettest.Conn, args ...any) { server.BroadcastTo("org:red", "wrote", args...) })
		server.OnEvent("leave", func(c *sockettest.Conn, _ ...any) { c.Leave("org:red") })
		token := func(scope, org string) string {
			return issuer.Token(verifiertest.Claims{"sub": "ada", "scope": scope, "org": org})
		}
		expect := func(c *sockettest.Client, lines ...string) {
			t.Helper()
			var got []string
			for _, e := range c.Received() {
				got = append(got, e.String())
			}
			if !slices.Equal(got, lines) {
				t.Errorf("received %q, want %q", got, lines)
			}
		}
		ada, bob := server.Connect(nil), server.Connect(nil)
		ada.Authenticate(token("w", "red"))
		bob.Authenticate(token("", "red"))
		ada.Emit("write", "a")
		bob.Emit("write", "b")
		expect(ada, "connect", "authenticated", `wrote "a"`)
		expect(bob, "connect", "authenticated", `wrote "a"`, "unauthorized insufficient_scope")
		ada.Authenticate(token("w", "blue"))
		ada.Emit("write", "c")
		bob.Emit("leave")
		ada.Emit("write", "d")
		expect(ada, "unauthorized forbidden", "authenticated")
		expect(bob, `wrote "c"`)
		carol := server.Connect(nil)
		carol.Authenticate(token("w", "blue"))
		expect(carol, "connect", "authenticated", "unauthorized forbidden", "unauthorized forbidden", "disconnect")
		ada.Disconnect()
		bob.Disconnect()
	})
}
