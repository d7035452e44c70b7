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
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/logtest"
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
		e := &ruleEngine{}
		a := ruled(t, rawTokens(t), socketio.Allow("write", socketio.Scope("chat:write")), socketio.Allow("ban", socketio.Scope("chat:write"), socketio.Permission("ban")),
			socketio.Allow("members"), socketio.Allow("engine", e))
		g, s := begun(t, a, signed(`{"sub":"ada","scope":"chat:read chat:write"}`))
		for _, row := range [][2]string{{"read", ""}, {"write", ""}, {"write", ""}, {"ban", "insufficient_scope"}, {"members", ""}, {"engine", ""}} {
			permits(t, g, s, row[0], row[1])
		}
		if g.Permit("ban", nil) {
			t.Error("permitted")
		}
		s.want(t, "emit unauthorized insufficient_scope/insufficient scope/insufficient_scope")

		g.Authenticate(token(signed(`{"sub":"ada","scope":"chat:read"}`)))
		s.want(t, renewed)
		permits(t, g, s, "write", "insufficient_scope")
		e.down = true
		permits(t, g, s, "engine", "engine_down")
		if g.Session() == nil {
			t.Error("a refused event ended the session")
		}
		g.Closed()
		e.down = false
		for sub, want := range map[string]string{"bob": "forbidden", "eve": "server_error"} {
			g, s := begun(t, a, signed(`{"sub":"`+sub+`"}`))
			permits(t, g, s, "engine", want)
			g.Closed()
		}

		guests := ruled(t, rawTokens(t), socketio.Optional(), socketio.Allow("members"), socketio.Allow("write", socketio.Scope("chat:write")))
		guest := &fakeSocket{}
		gg := guests.Attach(guest, handshake, nil)
		guest.want(t, "open ")
		permits(t, gg, guest, "read", "")
		permits(t, gg, guest, "members", "token_missing")
		permits(t, gg, guest, "write", "token_missing")
		gg.Closed()
	})
}

// ruleEngine allows the event "engine" to everybody but bob; for eve it panics.
type ruleEngine struct{ down bool }

func (e *ruleEngine) Decide(_ context.Context, s *socketio.Session, action socketio.Action, resource string) error {
	switch {
	case e.down:
		return &verifier.UnauthorizedError{Message: "try again", Reason: "engine_down", Retryable: true}
	case s.Token().Subject == "eve":
		panic("boom")
	case action != socketio.ActionEvent || resource != "engine":
		return errors.New("asked about something else")
	case s.Token().Subject == "bob":
		return errors.New("10.0.0.1 says no")
	}
	return nil
}

// permits checks the reason for which an event is refused, "" if it is allowed.
func permits(t *testing.T, g *socketio.Guard, s *fakeSocket, event, want string) {
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

const lostRoom = "emit unauthorized forbidden/forbidden/forbidden"

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
		var log logtest.Buffer
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
