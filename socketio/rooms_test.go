package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestRoomPatterns: which rooms a pattern gives to a token, and which patterns are invalid.
func TestRoomPatterns(t *testing.T) {
	const red = `{"sub":"ada","org":"red","teams":["a","b"],"n":7,"evil":"red:secret","star":"*","empty":""}`
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			pattern, room string
			in            bool
		}{
			{"lobby", "lobby", true}, {"lobby", "lobby2", false}, {"lobby", "", false},
			{"org:{org}", "org:red", true}, {"org:{org}", "org:blue", false}, {"org:{org}", "org:", false},
			{"org:{org}:*", "org:red:news", true}, {"org:{org}:*", "org:red:", false}, {"org:{org}:*", "org:red", false},
			{"org:{org}:*", "org:red:news:secret", false}, {"org:{org}:**", "org:red:news:secret", true}, {"org:{org}:**", "org:red:", false},
			{"org:{org}:*", "org:redx:news", false}, {"org:{evil}:*", "org:red:secret", false}, {"org:{evil}:*", "org:red:secret:x", false},
			{"org:{evil}:**", "org:red:secret:x", false}, {"org:{star}:x", "org:red:x", false}, {"org:{star}:x", "org:*:x", true},
			{"team/{teams}", "team/b", true}, {"team/{teams}", "team/c", false}, {"{n}-x", "7-x", true}, {"user:{sub}", "user:ada", true},
			{"user:{jti}", "user:", false}, {"user:{empty}", "user:", false}, {"user:{none}", "user:x", false}, {"*", "anything:at all", true}, {"**", "anything", true}, {"**", "", false},
			{"*:x", "a:x", true}, {"*:x", "a:b:x", false}, {"a:*:c", "a:b:c", true}, {"a:*:c", "a::c", false}, {"{org}", "red", true},
		} {
			a := ruled(t, rawTokens(t), socketio.AllowRoom(row.pattern))
			g, _ := begun(t, a, signed(red))
			for range 2 { // decided, and kept
				joined := false
				err := g.Join(t.Context(), row.room, "", func() { joined = true })
				if joined != row.in || (err == nil) != row.in {
					t.Errorf("%q, %q: %v, %v", row.pattern, row.room, joined, err)
				}
			}
			g.Closed()
		}
	})
	for _, text := range []string{"", "{", "{}", "a}", "{a}{b}", "*{a}", "{a}*", "**x", "***", "a{b*}", "a:{b}/c", "a:*-x", "{a{b}}"} {
		if _, err := socketio.New(rawTokens(t), socketio.AllowRoom(text)); err == nil {
			t.Errorf("the pattern %q is accepted", text)
		}
	}
}

// rooming is a socket with rooms.
type rooming struct {
	fakeSocket
	rooms []string
}

func (r *rooming) LeaveRoom(room string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rooms = slices.DeleteFunc(r.rooms, func(s string) bool { return s == room })
}

func (r *rooming) join(g *socketio.Guard, room, token string) error {
	return g.Join(context.Background(), room, token, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rooms = append(r.rooms, room)
	})
}

func (r *rooming) in() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.rooms, " ")
}

func newRooming(t *testing.T, a *socketio.Authorizer, raw string) (*socketio.Guard, *rooming) {
	t.Helper()
	s := &rooming{}
	g := a.Attach(s, &verifier.Handshake{Namespace: "/", RemoteAddr: "192.0.2.1:1"}, nil)
	g.Authenticate(token(raw))
	s.want(t, "open authenticated", "handlers for ada")
	return g, s
}

// TestRenewedRooms: a renewal with fewer rights takes the session out of the rooms that it
// may no longer be in, and of no other; the client and the application are told.
func TestRenewedRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		a := ruled(t, rawTokens(t), socketio.AllowRoom("org:{orgs}:*"), socketio.AllowRoom("staff", socketio.Scope("staff")),
			socketio.OnRoomRevoked(func(s *socketio.Session, room string, err *verifier.UnauthorizedError) {
				told = append(told, fmt.Sprintf("%s %s %s", s.Token().ID, room, err.Reason))
			}))
		g, s := newRooming(t, a, signed(`{"sub":"ada","jti":"1","orgs":["red","blue"],"scope":"staff"}`))
		for _, room := range []string{"org:red:1", "org:blue:1", "staff", "org:red:2"} {
			if err := s.join(g, room, ""); err != nil {
				t.Error(room, err)
			}
		}
		err := s.join(g, "org:green:1", "")
		if !errors.Is(err, socketio.ErrForbidden) {
			t.Errorf("another's room: %v", err)
		}
		g.JoinRefused("org:green:1", err)
		s.want(t, lostRoom)
		g.Left("org:red:2")
		s.LeaveRoom("org:red:2")
		g.Authenticate(token(signed(`{"sub":"ada","jti":"2","orgs":["blue"],"scope":"staff"}`)))
		s.want(t, lostRoom, renewed)
		if got := s.in(); got != "org:blue:1 staff" {
			t.Errorf("in %q", got)
		}
		g.Authenticate(token(signed(`{"sub":"ada","jti":"3"}`)))
		s.want(t, lostRoom, "emit unauthorized insufficient_scope/insufficient scope/insufficient_scope", renewed)
		if got := s.in(); got != "" {
			t.Errorf("in %q", got)
		}
		slices.Sort(told)
		if want := []string{"2 org:red:1 forbidden", "3 org:blue:1 forbidden", "3 staff insufficient_scope"}; !slices.Equal(told, want) {
			t.Errorf("the application was told %q, want %q", told, want)
		}
		if err := s.join(g, "staff", ""); !errors.Is(err, verifier.ErrScopeMismatch) {
			t.Errorf("staff, by the old token: %v", err)
		}
		g.Closed()
		if err := s.join(g, "staff", ""); err == nil {
			t.Error("a socket that is gone joins")
		}

		guest := &rooming{}
		gg := ruled(t, rawTokens(t), socketio.AllowRoom("staff"), socketio.Optional()).Attach(guest, handshake, nil)
		if err := guest.join(gg, "staff", ""); !errors.Is(err, verifier.ErrTokenMissing) {
			t.Errorf("a guest: %v", err)
		}
		gg.Closed()
	})
}

// TestRoomTokens: a token for a room admits its user until it expires; a new one extends it.
func TestRoomTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret = "a secret for the tokens of rooms, of 32 bytes"
		key := hmacKey(t, secret)
		v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			return []*verifier.Key{key}, nil
		}), verifier.Audience("rooms"))
		if err != nil {
			t.Fatal(err)
		}
		room := func(sub, room string, seconds int, more string) string {
			return mint(secret, fmt.Sprintf(`{"sub":%q,"room":%q,"aud":"rooms","exp":%d%s}`, sub, room, time.Now().Unix()+int64(seconds), more))
		}
		var told []string
		a := ruled(t, rawTokens(t), socketio.AllowRoom("lobby"), socketio.RoomTokens(v), socketio.ExpiryNotice("", 0), socketio.OnRoomRevoked(func(_ *socketio.Session, room string, err *verifier.UnauthorizedError) {
			told = append(told, room+" "+string(err.Reason))
		}))
		g, s := newRooming(t, a, signed(`{"sub":"ada"}`))
		for name, row := range map[string]struct {
			room, token string
			want        error
		}{
			"no token": {"vip", "", socketio.ErrForbidden}, "another room": {"vip", room("ada", "other", 60, ""), socketio.ErrForbidden},
			"several rooms": {"vip", mint(secret, `{"sub":"ada","room":["vip","other"],"aud":"rooms","exp":4000000000}`), socketio.ErrForbidden},
			"another user":  {"vip", room("bob", "vip", 60, ""), socketio.ErrIdentityMismatch}, "nobody's": {"vip", room("", "vip", 60, ""), socketio.ErrIdentityMismatch},
			"expired": {"vip", room("ada", "vip", -1, ""), verifier.ErrTokenExpired}, "without an end": {"vip", mint(secret, `{"sub":"ada","room":"vip","aud":"rooms"}`), verifier.ErrClaimInvalid},
			"a connection's": {"vip", signed(`{"sub":"ada","room":"vip","exp":4000000000}`), verifier.ErrSignatureInvalid}, "no token at all": {"vip", "nonsense", verifier.ErrTokenMalformed},
		} {
			if err := s.join(g, row.room, row.token); !errors.Is(err, row.want) {
				t.Errorf("%s: %v, want %v", name, err, row.want)
			}
		}
		if err := s.join(g, "vip", room("ada", "vip", 60, `,"jti":"r1"`)); err != nil {
			t.Fatal(err)
		}
		if err := s.join(g, "lobby", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		if err := s.join(g, "vip", room("ada", "vip", 60, `,"jti":"r2"`)); err != nil {
			t.Fatal(err)
		}
		g.Authenticate(token(signed(`{"sub":"ada","jti":"2"}`))) // the room's token is its own
		time.Sleep(59 * time.Second)
		s.want(t, renewed)
		time.Sleep(time.Second)
		s.want(t, expired)
		if got := s.in(); got != "lobby" {
			t.Errorf("in %q", got)
		}
		if len(told) != 1 || told[0] != "vip token_expired" {
			t.Errorf("told %q", told)
		}
		if err := a.Registry().Revoke(t.Context(), socketio.Revocation{TokenID: "r3"}); err != nil {
			t.Fatal(err)
		}
		if err := s.join(g, "vip", room("ada", "vip", 60, `,"jti":"r3"`)); !errors.Is(err, socketio.ErrTokenRevoked) {
			t.Errorf("revoked: %v", err)
		}
		if err := s.join(g, "vip", room("ada", "vip", 60, "")); err != nil {
			t.Error(err)
		}
		g.Closed()
		time.Sleep(time.Hour)
	})
}

// TestNoRoomTokens: without RoomTokens a token for a room is refused.
func TestNoRoomTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s := newRooming(t, ruled(t, rawTokens(t)), signed(`{"sub":"ada"}`))
		if err := s.join(g, "vip", signed(`{"sub":"ada","room":"vip","exp":4000000000}`)); !errors.Is(err, socketio.ErrForbidden) {
			t.Errorf("without RoomTokens: %v", err)
		}
		g.Closed()
	})
}
