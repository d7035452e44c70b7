package googollee_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestRules: an event and a join are decided on by the token in force, over the wire of
// both protocols: refused by acknowledgement or "unauthorized", and after a renewal with
// fewer rights not one broadcast of the room arrives.
func TestRules(t *testing.T) {
	bothProtocols(t, func(t *testing.T, eio string) {
		key := verifiertest.NewKey(verifier.HS256, "")
		n, url, handled := serveRules(t, key)
		b := dialBurst(t, url, eio)
		token := func(scope, org string) string {
			return key.Mint(nil, verifiertest.Claims{"sub": "ada", "scope": scope, "org": org})
		}
		send := func(packets ...string) {
			t.Helper()
			if err := b.send(packets...); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(prefix string, words ...string) {
			t.Helper()
			p := b.until(t, prefix)
			for _, w := range words {
				if !strings.Contains(p, w) {
					t.Errorf("got %s, want %q in it", p, w)
				}
			}
		}
		send(b.connect("/chat", token("w", "red")))
		b.until(t, "40/chat")
		send(`42/chat,1["write","first"]`)
		expect(`43/chat,1["ok"]`)
		send(`42/chat,2["join","org:blue:news"]`)
		expect(`42/chat,1073741824["unauthorized"`, `"room":"org:blue:news"`, `"reason":"forbidden"`)
		expect(`43/chat,2["forbidden"]`)
		n.BroadcastTo("org:blue:news", "news", "blue")
		n.BroadcastTo("org:red:news", "news", "red")
		expect(`42/chat,["news","red"]`)

		// Events and broadcasts go on while the token is renewed by one with fewer rights.
		stop := broadcasting(n)
		send(`42/chat,["authenticate",{"token":"` + token("r", "blue") + `"}]`)
		expect(`42/chat,1073741824["unauthorized"`, `"room":"org:red:news"`)
		b.until(t, `42/chat,["authenticated"]`)
		send(`42/chat,3["write","third"]`, `42/chat,["write","fourth"]`, `42/chat,4["join","org:blue:news"]`)
		for _, prefix := range []string{`43/chat,3[{`, `42/chat,1073741824["unauthorized"`, `43/chat,4["in"]`} {
			p, err := b.Read()
			for err == nil && p == "2" {
				p, err = b.Read()
			}
			if err != nil || !strings.HasPrefix(p, prefix) || strings.HasSuffix(prefix, "{") && !strings.Contains(p, `"event":"write"`) {
				t.Errorf("after the renewal: %s, %v, want %s", p, err, prefix)
			}
		}
		stop()
		n.BroadcastTo("org:blue:news", "news", "blue")
		expect(`42/chat,["news","blue"]`)
		close(handled)
		for text := range handled {
			if text != "first" {
				t.Errorf("%q was handled", text)
			}
		}
	})
}

// serveRules serves a namespace with rules for the event "write" and for rooms. handled
// has the texts that were written.
func serveRules(t *testing.T, key *verifiertest.Key) (n *googollee.Namespace, url string, handled chan string) {
	t.Helper()
	set, err := keys.Secret(key.Material().([]byte))
	if err != nil {
		t.Fatal(err)
	}
	s, err := googollee.NewServer(&googollee.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Public("/"); err != nil {
		t.Fatal(err)
	}
	handled = make(chan string, 100)
	n, err = s.Authorize("/chat", verifier.Must(verifier.New(set)), socketio.WithLogger(quiet), socketio.ByHandshake(), socketio.Timeout(time.Minute),
		socketio.Allow("write", socketio.Scope("w")), socketio.AllowRoom("org:{org}:*"))
	if err != nil {
		t.Fatal(err)
	}
	n.OnAuthenticated(func(c *googollee.Conn, _ *socketio.Session) error { c.Join("org:red:news"); return nil })
	n.OnEvent("write", func(_ *googollee.Conn, text string) string { handled <- text; return "ok" })
	n.OnEvent("join", func(c *googollee.Conn, room string) string {
		if err := c.JoinWith(room, ""); err != nil {
			return string(verifier.AsUnauthorized(err).Reason)
		}
		return "in"
	})
	return n, serveHTTP(t, s), handled
}

// broadcasting broadcasts to a room until it is stopped.
func broadcasting(n *googollee.Namespace) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(time.Millisecond):
				n.BroadcastTo("org:red:news", "news", "more")
			}
		}
	}()
	return func() { close(end); <-ended }
}
