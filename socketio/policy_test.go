package socketio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func ruled(t testing.TB, v socketio.Authenticator, options ...socketio.Option) *socketio.Authorizer {
	t.Helper()
	a, err := socketio.New(v, append(options, quiet())...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAllow: which events a token lets its session send, how a refusal is answered, and
// that a renewal changes it at once.
func TestAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		a := ruled(t, rawTokens(t), socketio.Allow("write", socketio.Scope("chat:write")), socketio.Allow("ban", socketio.Scope("chat:write"), socketio.Permission("ban")),
			socketio.Allow("members"), socketio.Allow("engine", socketio.DeciderFunc(func(_ context.Context, s *socketio.Session, action socketio.Action, resource string) error {
				switch {
				case down:
					return &verifier.UnauthorizedError{Message: "try again", Reason: "engine_down", Retryable: true}
				case s.Token().Subject == "eve":
					panic("boom")
				case action != socketio.ActionEvent || resource != "engine":
					return errors.New("asked about something else")
				case s.Token().Subject == "bob":
					return errors.New("10.0.0.1 says no")
				}
				return nil
			})))
		g, s := begun(t, a, signed(`{"sub":"ada","scope":"chat:read chat:write"}`))
		permits := func(g *socketio.Guard, s *fakeSocket, event, want string) {
			t.Helper()
			reason := ""
			var answer any
			permitted := g.Permit(event, func(a any) { answer = a })
			if !permitted {
				var told struct {
					Event string
					Data  struct{ Reason, Type string }
				}
				text, err := json.Marshal(answer)
				if err != nil || json.Unmarshal(text, &told) != nil || told.Event != event || told.Data.Type != "UnauthorizedError" || strings.Contains(string(text), "10.0.0.1") {
					t.Errorf("%s: the acknowledgement is %s", event, text)
				}
				reason = told.Data.Reason
			}
			if reason != want || permitted != (want == "") {
				t.Errorf("%s: permitted %v for %q, want %q", event, permitted, reason, want)
			}
			s.want(t)
		}
		for _, row := range [][2]string{{"read", ""}, {"write", ""}, {"write", ""}, {"ban", "insufficient_scope"}, {"members", ""}, {"engine", ""}} {
			permits(g, s, row[0], row[1])
		}
		if g.Permit("ban", nil) {
			t.Error("permitted")
		}
		s.want(t, "emit unauthorized insufficient_scope/insufficient scope/insufficient_scope")

		g.Authenticate(token(signed(`{"sub":"ada","scope":"chat:read"}`)))
		s.want(t, renewed)
		permits(g, s, "write", "insufficient_scope")
		down = true
		permits(g, s, "engine", "engine_down")
		if g.Session() == nil {
			t.Error("a refused event ended the session")
		}
		g.Closed()
		down = false
		for sub, want := range map[string]string{"bob": "forbidden", "eve": "server_error"} {
			g, s := begun(t, a, signed(`{"sub":"`+sub+`"}`))
			permits(g, s, "engine", want)
			g.Closed()
		}

		guests := ruled(t, rawTokens(t), socketio.Optional(), socketio.Allow("members"), socketio.Allow("write", socketio.Scope("chat:write")))
		guest := &fakeSocket{}
		gg := guests.Attach(guest, handshake, nil)
		guest.want(t, "open ")
		permits(gg, guest, "read", "")
		permits(gg, guest, "members", "token_missing")
		permits(gg, guest, "write", "token_missing")
		gg.Closed()
	})
}

// TestRoomPatterns: which rooms a pattern gives to a token, and which patterns make no
// sense.
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

const lostRoom = "emit unauthorized forbidden/forbidden/forbidden"

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

// TestRoomTokens: a token for a room lets its user in, until it expires; a new one goes on.
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
			"expired": {"vip", room("ada", "vip", -1, ""), verifier.ErrTokenExpired}, "for ever": {"vip", mint(secret, `{"sub":"ada","room":"vip","aud":"rooms"}`), verifier.ErrClaimInvalid},
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

		g, s = newRooming(t, ruled(t, rawTokens(t)), signed(`{"sub":"ada"}`))
		if err := s.join(g, "vip", room("ada", "vip", 60, "")); !errors.Is(err, socketio.ErrForbidden) {
			t.Errorf("without RoomTokens: %v", err)
		}
		g.Closed()
	})
}

// TestDeciders: one decider for all, and one whose decisions are kept for a while.
func TestDeciders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		answer := error(nil)
		d := socketio.DeciderFunc(func(ctx context.Context, s *socketio.Session, action socketio.Action, resource string) error {
			if asked++; resource == "slow" {
				<-ctx.Done()
				return ctx.Err()
			}
			return answer
		})
		a := ruled(t, rawTokens(t), socketio.WithDecider(socketio.Cached(d, time.Minute)))
		g, s := newRooming(t, a, signed(`{"sub":"ada"}`))
		expect := func(event string, permitted bool, n int) {
			t.Helper()
			if got := g.Permit(event, func(any) {}); got != permitted || asked != n {
				t.Errorf("%s: %v, asked %d times, want %v, %d", event, got, asked, permitted, n)
			}
		}
		expect("a", true, 1)
		answer = errors.New("no")
		expect("a", true, 1)
		expect("b", false, 2)
		expect("b", false, 2)
		if err := s.join(g, "b", ""); !errors.Is(err, socketio.ErrForbidden) || asked != 3 {
			t.Errorf("%v, asked %d times", err, asked)
		}
		time.Sleep(time.Minute)
		expect("a", false, 4)
		g.Authenticate(token(signed(`{"sub":"ada","jti":"2"}`)))
		synctest.Wait()
		expect("a", false, 5)
		answer = &verifier.UnauthorizedError{Reason: "down", Retryable: true}
		expect("c", false, 6)
		expect("c", false, 7)
		var told any
		if g.Permit("slow", func(a any) { told = a }) {
			t.Error("permitted by a decider that did not answer")
		}
		if text, _ := json.Marshal(told); !strings.Contains(string(text), `"retryable":true`) {
			t.Errorf("told %s", text)
		}
		for i := range 1000 { // what is kept is bounded
			g.Permit(fmt.Sprint("event ", i), func(any) {})
		}
		g.Closed()
	})
	for name, option := range map[string]socketio.Option{
		"no event": socketio.Allow(""), "reserved": socketio.Allow("authenticate"), "nil": socketio.Allow("a", nil), "empty scope": socketio.Allow("a", socketio.Scope()),
		"blank permission": socketio.Allow("a", socketio.Permission("")), "typed nil": socketio.AllowRoom("a", socketio.DeciderFunc(nil)), "cached nothing": socketio.WithDecider(socketio.Cached(nil, 1)),
		"cached for no time": socketio.WithDecider(socketio.Cached(socketio.Scope("a"), 0)), "no decider": socketio.WithDecider(nil), "no verifier": socketio.RoomTokens(nil),
		"no function": socketio.OnRoomRevoked(nil), "no audit": socketio.Audit(nil),
	} {
		if _, err := socketio.New(rawTokens(t), option); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := socketio.New(rawTokens(t), socketio.Allow("a"), socketio.Allow("a", socketio.Scope("b"))); err == nil {
		t.Error("two rules for one event are accepted")
	}
}

// TestAudit: one record for every decision, by the names that docs/authorization.md lists,
// and no token.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		a := ruled(t, rawTokens(t), socketio.Audit(logger), socketio.Allow("write", socketio.Scope("w")), socketio.AllowRoom("org:{org}"), socketio.DisconnectNow())
		first, second := signed(`{"sub":"ada","iss":"i","org":"red","scope":"w"}`), signed(`{"sub":"ada","iss":"i"}`)
		g, s := newRooming(t, a, first)
		g.Permit("write", nil)
		_ = s.join(g, "org:red", "")
		_ = s.join(g, "org:blue", "")
		g.Authenticate(token(second))
		synctest.Wait()
		g.Permit("write", nil)
		g.Session().End(&verifier.UnauthorizedError{Reason: "banned"})
		synctest.Wait()
		bad := &fakeSocket{}
		a.Attach(bad, handshake, nil).Authenticate(token("nonsense"))
		synctest.Wait()
		var got []string
		for line := range bytes.Lines([]byte(log.String())) {
			var r map[string]any
			if err := json.Unmarshal(line, &r); err != nil || r["msg"] != "socketio audit" || r["namespace"] != "/" || r["remote"] == "" {
				t.Errorf("the record %s: %v", line, err)
			}
			if id, _ := r["token"].(string); r["sub"] != nil && len(id) != 32 {
				t.Errorf("the token of %s", line)
			}
			got = append(got, fmt.Sprint(r["level"], " ", r["action"], " ", r["decision"], " ", r["resource"], " ", r["reason"], " ", r["sub"]))
		}
		want := []string{
			"INFO authenticate accepted <nil> <nil> ada", "INFO event accepted write <nil> ada", "INFO join accepted org:red <nil> ada",
			"WARN join refused org:blue forbidden ada", "INFO renew accepted <nil> <nil> ada", "WARN leave refused org:red forbidden ada",
			"WARN event refused write insufficient_scope ada", "WARN end refused <nil> banned ada",
			"WARN authenticate refused <nil> token_malformed <nil>", "WARN drop refused <nil> token_malformed <nil>",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		for _, raw := range []string{first, second, strings.Split(first, ".")[2]} {
			if strings.Contains(log.String(), raw) {
				t.Error("the audit has a token")
			}
		}
	})
}

// BenchmarkPermit is what a rule costs each event whose decision has been made.
func BenchmarkPermit(b *testing.B) {
	for name, options := range map[string][]socketio.Option{
		"none": nil, "scope": {socketio.Allow("write", socketio.Scope("w"))}, "two scopes": {socketio.Allow("write", socketio.Scope("w"), socketio.Scope("r"))},
	} {
		b.Run(name, func(b *testing.B) {
			var a *socketio.Authorizer
			if options != nil {
				key, err := verifier.NewKey([]byte("a secret of more than thirty-two bytes"), verifier.KeyOptions{})
				if err != nil {
					b.Fatal(err)
				}
				v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
					return []*verifier.Key{key}, nil
				}))
				if err != nil {
					b.Fatal(err)
				}
				a = ruled(b, v, append(options, socketio.ByHandshake())...)
			} else {
				a = ruled(b, socketio.AuthenticatorFunc(words), socketio.ByHandshake())
			}
			raw := "ada"
			if options != nil {
				raw = signed(`{"sub":"ada","scope":"r w"}`)
			}
			g := begin(b, a, &verifier.Handshake{Namespace: "/"}, raw, nil)
			b.ReportAllocs()
			for b.Loop() {
				if !g.Permit("write", nil) {
					b.Fatal("refused")
				}
			}
			g.Closed()
		})
	}
}
