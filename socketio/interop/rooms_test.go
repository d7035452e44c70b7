package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/outage"
	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
)

func skipOrFail(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, outage.ErrNoRedis) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// eachRoomClient runs a test with every binding and a client of each generation. The
// client is connected to the first node; the second one broadcasts and asks for joins.
func eachRoomClient(t *testing.T, options []socketio.Option, test func(t *testing.T, a, b *roomNode, connect func(token string) *jsclient.Client)) {
	for binding := range roomServers {
		for _, version := range []jsclient.Version{jsclient.V1, jsclient.V2, jsclient.V4} {
			t.Run(binding+"/"+string(version), func(t *testing.T) {
				t.Parallel()
				d := jsclient.Start(t)
				a, b := roomNodes(t, binding, options...)
				test(t, a, b, func(token string) *jsclient.Client {
					t.Helper()
					o := jsclient.Options{Version: version, URL: a.url, Transports: jsclient.Websocket}
					if token != "" {
						o.OnConnect = atOnce(token).OnConnect
					}
					c := d.Connect(t, o)
					t.Cleanup(func() { c.Close(t) })
					c.Expect(t, "connect")
					if token != "" {
						c.Expect(t, "authenticated")
					}
					return c
				})
			})
		}
	}
}

func member(scope, org string) string {
	return mint(claims{"sub": "alice", "aud": "chat", "scope": scope, "org": org})
}

// answer emits an event and returns the text that acknowledges it, or the reason and the
// event of a refusal.
func answer(t *testing.T, c *jsclient.Client, event string, args ...any) string {
	t.Helper()
	got := c.EmitAck(t, event, args...).Wait(t)
	if len(got) != 1 {
		t.Fatalf("%s is acknowledged with %s", event, got)
	}
	var text string
	if json.Unmarshal(got[0], &text) == nil {
		return text
	}
	var refused struct {
		Event string
		Data  struct{ Reason string }
	}
	if err := json.Unmarshal(got[0], &refused); err != nil {
		t.Fatal(err)
	}
	return refused.Event + ": " + refused.Data.Reason
}

func wantAnswer(t *testing.T, c *jsclient.Client, want, event string, args ...any) {
	t.Helper()
	if got := answer(t, c, event, args...); got != want {
		t.Errorf("%s %q is answered %q, want %q\n%s", event, args, got, want, c.Log())
	}
}

// toldOfRoom waits for "unauthorized" about a room.
func toldOfRoom(t *testing.T, c *jsclient.Client, room, reason string) {
	t.Helper()
	var told struct {
		Room string
		Data struct{ Reason string }
	}
	c.Expect(t, "unauthorized").Decode(t, 0, &told)
	if told.Room != room || told.Data.Reason != reason {
		t.Errorf("told of %+v, want %s %s\n%s", told, room, reason, c.Log())
	}
}

// hears waits for the next broadcast, which must be that one: of a node's broadcasts none
// overtakes another, so that none came before it.
func hears(t *testing.T, c *jsclient.Client, text string) {
	t.Helper()
	var got string
	if c.Expect(t, "news").Decode(t, 0, &got); got != text {
		t.Errorf("heard %q, want %q\n%s", got, text, c.Log())
	}
}

// TestRoomsAllowedAndRefused: events and joins that the token allows, and those that it
// does not, whichever node asks.
func TestRoomsAllowedAndRefused(t *testing.T) {
	eachRoomClient(t, []socketio.Option{socketio.ByEvent()}, func(t *testing.T, a, b *roomNode, connect func(string) *jsclient.Client) {
		c := connect(member("r", "red"))
		wantAnswer(t, c, "joined", "join", "org:red:news", "")
		b.broadcast("org:red:news", "first")
		hears(t, c, "first")
		wantAnswer(t, c, "forbidden", "join", "org:blue:news", "")
		toldOfRoom(t, c, "org:blue:news", "forbidden")
		wantAnswer(t, c, "write: insufficient_scope", "write", "no")
		b.join("org:blue:more")
		toldOfRoom(t, c, "org:blue:more", "forbidden")
		b.join("org:red:more")
		b.broadcast("org:blue:news", "not for red")
		b.broadcast("org:blue:more", "not for red")
		b.broadcast("org:red:more", "second")
		hears(t, c, "second")
		wantAnswer(t, connect(member("w", "red")), "written", "write", "yes")
		if got := a.wrote(); !slices.Equal(got, []string{"yes"}) {
			t.Errorf("the handler ran for %q", got)
		}
	})
}

// TestRoomsRenewedWithFewerRights: events and broadcasts go on while the client renews by
// a token with fewer rights. After the client is told that it has left the room, not one
// broadcast of the room arrives; after "authenticated" not one event reaches the handler.
func TestRoomsRenewedWithFewerRights(t *testing.T) {
	eachRoomClient(t, []socketio.Option{socketio.ByEvent()}, func(t *testing.T, a, b *roomNode, connect func(string) *jsclient.Client) {
		c := connect(member("w", "red"))
		wantAnswer(t, c, "joined", "join", "org:red:news", "")
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for tick := time.NewTicker(time.Millisecond); ; {
				select {
				case <-stop:
					tick.Stop()
					return
				case <-tick.C:
					b.broadcast("org:red:news", "red")
				}
			}
		}()
		hears(t, c, "red")
		for i := range 50 {
			c.Emit(t, "write", fmt.Sprint("before ", i))
		}
		wantAnswer(t, c, "written", "write", "the last before")
		c.Emit(t, "authenticate", map[string]any{"token": member("r", "blue")})
		for i := range 20 {
			c.Emit(t, "write", fmt.Sprint("during ", i))
		}
		c.Expect(t, "authenticated")
		for i := range 50 {
			c.Emit(t, "write", fmt.Sprint("after ", i))
		}
		wantAnswer(t, c, "write: insufficient_scope", "write", "after all")
		wantAnswer(t, c, "joined", "join", "org:blue:news", "")
		close(stop)
		<-stopped
		b.broadcast("org:blue:news", "blue")
		var last string
		for last != "blue" {
			c.Expect(t, "news").Decode(t, 0, &last)
		}
		noNewsAfterTheMoment(t, c)
		wrote := a.wrote()
		if len(wrote) < 51 || slices.ContainsFunc(wrote, func(text string) bool { return strings.HasPrefix(text, "after") }) {
			t.Errorf("the handler ran for %q", wrote)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !slices.Equal(a.revoked, []string{"org:red:news forbidden"}) {
			t.Errorf("the application was told of %q", a.revoked)
		}
	})
}

// noNewsAfterTheMoment fails if a broadcast of the room arrived after the client was told
// that it has left it.
func noNewsAfterTheMoment(t *testing.T, c *jsclient.Client) {
	t.Helper()
	seen := c.Seen()
	moment := slices.IndexFunc(seen, func(e jsclient.Event) bool { return strings.Contains(e.JSON(), `"room":"org:red:news"`) })
	for _, e := range seen[moment:] {
		if e.Name == "news" && !strings.Contains(e.JSON(), "blue") {
			t.Fatalf("a broadcast of the room arrived after the renewal\n%s", c.Log())
		}
	}
}

// TestRoomsOfGuests: a guest joins no room and sends no event that a rule is about.
func TestRoomsOfGuests(t *testing.T) {
	eachRoomClient(t, []socketio.Option{socketio.Optional()}, func(t *testing.T, a, b *roomNode, connect func(string) *jsclient.Client) {
		c := connect("")
		wantAnswer(t, c, "write: token_missing", "write", "no")
		wantAnswer(t, c, "token_missing", "join", "org:red:news", "")
		toldOfRoom(t, c, "org:red:news", "token_missing")
		b.broadcast("org:red:news", "not for guests")
		b.join("org:red:news")
		toldOfRoom(t, c, "org:red:news", "token_missing")

		// The same socket, once its user has logged in.
		c.Emit(t, "authenticate", map[string]any{"token": member("w", "red")})
		c.Expect(t, "authenticated")
		wantAnswer(t, c, "joined", "join", "org:red:news", "")
		b.broadcast("org:red:news", "for members")
		hears(t, c, "for members")
		wantAnswer(t, c, "written", "write", "yes")
		if got := a.wrote(); !slices.Equal(got, []string{"yes"}) {
			t.Errorf("the handler ran for %q", got)
		}
	})
}

// TestRoomTokensExpire: a room token opens its room for its user until it expires, the
// client is told in time, and a new token goes on.
func TestRoomTokensExpire(t *testing.T) {
	eachRoomClient(t, []socketio.Option{socketio.ByEvent()}, func(t *testing.T, _, b *roomNode, connect func(string) *jsclient.Client) {
		token := func(sub, room string, lifetime time.Duration) string {
			exp := float64(time.Now().Add(lifetime).UnixMilli()) / 1000
			return mint(claims{"sub": sub, "aud": "room", "room": room, "exp": exp})
		}
		c := connect(member("w", "red"))
		wantAnswer(t, c, "joined", "join", "org:red:news", "")
		for reason, bad := range map[string]string{
			"identity_mismatch": token("bob", "vip", time.Minute), "forbidden": token("alice", "other", time.Minute),
			"audience_mismatch": member("w", "red"), "token_expired": token("alice", "vip", -time.Minute),
		} {
			wantAnswer(t, c, reason, "join", "vip", bad)
			toldOfRoom(t, c, "vip", reason)
		}
		b.broadcast("vip", "too early")
		b.broadcast("org:red:news", "none yet")
		hears(t, c, "none yet")
		wantAnswer(t, c, "joined", "join", "vip", token("alice", "vip", 4*time.Second))
		b.broadcast("vip", "one")
		hears(t, c, "one")
		var notice struct{ Room string }
		if c.Expect(t, "token_expiring").Decode(t, 0, &notice); notice.Room != "vip" {
			t.Errorf("told of the room %q", notice.Room)
		}
		wantAnswer(t, c, "joined", "join", "vip", token("alice", "vip", 8*time.Second))
		c.Expect(t, "token_expiring") // half of its time is over: past the end of the first
		b.broadcast("vip", "two")
		hears(t, c, "two")
		toldOfRoom(t, c, "vip", "token_expired")
		b.broadcast("vip", "too late")
		b.broadcast("org:red:news", "three")
		hears(t, c, "three")
	})
}
