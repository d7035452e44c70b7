package zishang

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/servers/socket/v3"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// spelled verifies nothing: the token spells its claims, as sub.org.jkt.jti.
func spelled(t testing.TB, options ...verifier.Option) *verifier.Verifier {
	t.Helper()
	claims := verifier.IntrospectorFunc(func(_ context.Context, token string) ([]byte, error) {
		words := append(strings.Split(token, "."), "", "", "")
		if words[0] == "bad" {
			return nil, verifier.Inactive(nil)
		}
		return json.Marshal(map[string]any{
			"active": true, "iss": "i", "sub": words[0], "org": words[1], "cnf": map[string]string{"jkt": words[2]}, "jti": words[3],
		})
	})
	v, err := verifier.NewOpaque(claims, append(options, verifier.IgnoreConfirmation())...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sameOrg is the option SameIdentity on the claim org.
func sameOrg() socketio.Option {
	org := func(t *verifier.Token) string {
		var c struct {
			Org string `json:"org"`
		}
		_ = t.Claims(&c)
		return c.Org
	}
	return socketio.SameIdentity(func(old, renewed *verifier.Token) bool { return org(old) == org(renewed) })
}

// comeback is a server whose clients may recover their state, and which tells a room
// something while its client is away.
type comeback struct {
	io       *socket.Server
	web      *httptest.Server
	gone     chan struct{}
	sessions chan string // "subject recovered rooms"
}

func newComeback(t *testing.T, auth socketio.Authenticator, options ...socketio.Option) *comeback {
	t.Helper()
	c := &comeback{gone: make(chan struct{}, 9), sessions: make(chan string, 9)}
	recovery := socket.DefaultConnectionStateRecovery()
	recovery.SetMaxDisconnectionDuration(60_000)
	serverOptions := socket.DefaultServerOptions()
	serverOptions.SetConnectionStateRecovery(recovery)
	c.web = serve(t, serverOptions, func(io *Server) {
		c.io = io.IO()
		n := guard(t, io, "/", auth, options...)
		OnAuthenticated(n, func(s *socket.Socket, session *socketio.Session) error {
			_ = s.Once("disconnect", func(...any) { c.gone <- struct{}{} })
			rooms := s.Rooms().Has("secret")
			if !s.Recovered() {
				s.Join("secret")
			}
			c.sessions <- fmt.Sprint(session.Token().Subject, " ", s.Recovered(), " ", rooms)
			return s.Emit("welcome")
		})
	})
	return c
}

// enters authenticates a client, which may have been here before, and returns what it
// needs to come back.
func (c *comeback) enters(t *testing.T, auth map[string]any, token string, byEvent bool) (f *frames, again map[string]any) {
	t.Helper()
	f = upgrade(t, c.web)
	if !byEvent {
		auth["token"] = token
	}
	payload, _ := json.Marshal(auth)
	f.send("40" + string(payload))
	var names struct{ Sid, Pid string }
	read := func() string {
		text := f.next()
		if strings.HasPrefix(text, "40") {
			_ = json.Unmarshal([]byte(text[2:]), &names)
			if byEvent {
				f.send(fmt.Sprintf(`42["authenticate",{"token":%q}]`, token))
			}
		}
		return text
	}
	for {
		text := read()
		switch {
		case strings.HasPrefix(text, `42["welcome"`):
			var welcome []string
			_ = json.Unmarshal([]byte(text[2:]), &welcome)
			return f, map[string]any{"pid": names.Pid, "offset": welcome[1]}
		case strings.Contains(text, "of the past"):
			t.Log("heard", text)
			return f, nil
		case strings.HasPrefix(text, "44"), strings.HasPrefix(text, `421073741824["unauthorized"`):
			return f, map[string]any{"refused": text}
		}
	}
}

// leaves cuts a client off, and tells the room something.
func (c *comeback) leaves(f *frames) {
	_ = f.conn.Close()
	<-c.gone
	_ = c.io.To("secret").Emit("secret", "of the past")
}

// TestFaultsA4: what is kept of a session goes to the same identity only, as it is
// defined for renewals, and another user's attempt does not reveal it.
func TestFaultsA4(t *testing.T) {
	tests := []struct {
		name, first, then string
		options           []socketio.Option
		recovers          bool
	}{
		{"the same user", "ada.red", "ada.red", nil, true},
		{"another user", "ada.red", "bob.red", nil, false},
		{"another org that is the same", "ada.red..1", "ada.red..2", []socketio.Option{sameOrg()}, true},
		{"another org", "ada.red", "ada.blue", []socketio.Option{sameOrg()}, false},
		{"another key", "ada.red.k1", "ada.red.k2", nil, false},
		{"no key any more", "ada.red.k1", "ada.red", nil, false},
	}
	for _, mode := range []string{"by handshake", "by event"} {
		for _, test := range tests {
			t.Run(mode+"/"+test.name, func(t *testing.T) {
				byEvent := mode == "by event"
				options := test.options
				if byEvent {
					options = append(options, socketio.ByEvent())
				}
				c := newComeback(t, spelled(t), options...)
				f, again := c.enters(t, map[string]any{}, test.first, byEvent)
				<-c.sessions
				c.leaves(f)
				_, heard := c.enters(t, again, test.then, byEvent)
				if recovered := heard == nil; recovered != test.recovers {
					t.Errorf("recovered: %v, want %v", recovered, test.recovers)
				}
			})
		}
	}
}

// TestFaultsA5: a session of a token that was revoked while its client was away is
// none. The client begins a new one.
func TestFaultsA5(t *testing.T) {
	for _, mode := range []string{"by handshake", "by event"} {
		for name, revoked := range map[string]socketio.Revocation{
			"the user":  {Subject: "ada", IssuedBefore: time.Now()},
			"the token": {TokenID: "1"},
		} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				byEvent := mode == "by event"
				registry := socketio.NewRegistry(nil)
				options := []socketio.Option{socketio.WithRegistry(registry)}
				if byEvent {
					options = append(options, socketio.ByEvent())
				}
				issued := spelled(t)
				auth := socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
					token, err := issued.Authenticate(ctx, h)
					if err == nil && token.ID == "2" {
						token.IssuedAt = time.Now().Add(time.Second)
					}
					return token, err
				})
				c := newComeback(t, auth, options...)
				f, again := c.enters(t, map[string]any{}, "ada...1", byEvent)
				<-c.sessions
				c.leaves(f)
				if err := registry.Revoke(t.Context(), revoked); err != nil {
					t.Fatal(err)
				}
				if _, heard := c.enters(t, again, "ada...2", byEvent); heard == nil || heard["refused"] != nil {
					t.Fatalf("the client got %v", heard)
				}
				if got := <-c.sessions; got != "ada false false" {
					t.Errorf("the session is %s", got)
				}
			})
		}
	}
}

// TestFaultsA7: a persisted session without the mark of a guarded namespace is not recovered.
// The client begins a new one, without the old packets and without a refusal.
func TestFaultsA7(t *testing.T) {
	for _, mode := range []string{"by handshake", "by event"} {
		for name, data := range map[string]any{
			"without data": nil,
			"of Node":      map[string]any{"user": "ada"},
			"half a mark":  map[string]any{keptMark: true, keptData: "x"},
		} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				byEvent := mode == "by event"
				var options []socketio.Option
				if byEvent {
					options = append(options, socketio.ByEvent())
				}
				c := newComeback(t, spelled(t), options...)
				f, again := c.enters(t, map[string]any{}, "ada", byEvent)
				<-c.sessions
				c.leaves(f)
				const pid = "written elsewhere"
				adapter := c.io.Sockets().Adapter().(*adapter).Adapter
				adapter.PersistSession(&socket.SessionToPersist{
					Sid: "old", Pid: pid, Rooms: newRooms("secret"), Data: data,
				})
				again["pid"] = pid
				f = upgrade(t, c.web)
				if !byEvent {
					again["token"] = "ada"
				}
				payload, _ := json.Marshal(again)
				f.send("40" + string(payload))
				if got := f.next(); !strings.HasPrefix(got, "40{") || strings.Contains(got, `"old"`) {
					t.Fatalf("got %s, want a new session", got)
				}
				if byEvent {
					f.send(`42["authenticate",{"token":"ada"}]`)
					f.expect(`42["authenticated"]`)
				}
				f.expect(`42["welcome"`)
				if got := <-c.sessions; got != "ada false false" {
					t.Errorf("the session is %s", got)
				}
			})
		}
	}
}

// TestOwnerAfterAnother: a session that another user came to recover by event is there for
// its owner, and for one socket at a time.
func TestOwnerAfterAnother(t *testing.T) {
	c := newComeback(t, spelled(t), socketio.ByEvent())
	f, again := c.enters(t, map[string]any{}, "ada", true)
	<-c.sessions
	c.leaves(f)
	if _, heard := c.enters(t, again, "bob", true); heard == nil || heard["refused"] == nil {
		t.Errorf("the other user got %v, expected a refusal", heard)
	}
	payload, _ := json.Marshal(again)
	enter := func() (*frames, string) {
		f := upgrade(t, c.web)
		f.send("40" + string(payload))
		return f, pidOf(t, f.next())
	}
	first, pid := enter()
	if pid != again["pid"] {
		t.Error("the session is gone")
	}
	if _, pid := enter(); pid == again["pid"] {
		t.Error("two sockets have the session at once")
	}
	first.send(`42["authenticate",{"token":"ada"}]`)
	first.expect(`42["authenticated"]`, `42["secret","of the past"`)
}
