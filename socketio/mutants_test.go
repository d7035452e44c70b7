package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Tests of lines that could be broken without any other test noticing.

// TestRenewalsDoNotPileUp: of the renewals that come while one is in progress a few
// are looked at, the last one among them, however many there are.
func TestRenewalsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		a, err := socketio.New(socketio.AuthenticatorFunc(func(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
			asked.Add(1)
			time.Sleep(time.Second)
			return words(ctx, h)
		}), quiet())
		if err != nil {
			t.Fatal(err)
		}
		s := &fakeSocket{}
		g := a.Attach(s, handshake, nil)
		g.Authenticate(token("ada jti=0"))
		time.Sleep(2 * time.Second)
		for i := range 1000 {
			g.Authenticate(token(fmt.Sprintf("ada jti=%d", i+1)))
		}
		time.Sleep(time.Minute)
		if n := asked.Load(); n > 10 {
			t.Errorf("%d verifications for 1000 renewals at once", n)
		}
		if s := g.Session(); s == nil || s.Token().ID != "1000" {
			t.Errorf("the session is %v", s)
		}
		g.Closed()
	})
}

// TestSessionLimitRace: sockets of one user that authenticate at the same time do not
// exceed the limit, though SameIdentity is asked without a lock.
func TestSessionLimitRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.ByHandshake(), socketio.SessionLimit(1, socketio.RejectNewest), socketio.SameIdentity(func(old, renewed *verifier.Token) bool {
			time.Sleep(time.Second)
			return old.SessionID == renewed.SessionID // which stands for a tenant
		}))
		attach := func(word string) *socketio.Guard {
			h := withToken("/", word)
			p, err := a.Admit(t.Context(), h)
			if err != nil {
				return nil
			}
			return a.Attach(&fakeSocket{}, h, p)
		}
		defer attach("ada sid=red").Closed() // so that SameIdentity is asked
		for i := range 4 {
			go attach(fmt.Sprintf("ada sid=blue jti=%d", i))
		}
		time.Sleep(time.Minute)
		if n := a.Registry().Count(socketio.Filter{SessionID: "blue"}); n != 1 {
			t.Errorf("%d sessions, want 1", n)
		}
		for s := range a.Registry().Sessions(socketio.Filter{}) {
			s.End(nil)
		}
		time.Sleep(time.Minute)
	})
}

// TestNobodysSessionsAreNotLimited: tokens without a subject have no limit.
func TestNobodysSessionsAreNotLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.SessionLimit(1, socketio.RejectNewest))
		for range 3 {
			g, s := enter(t, a, "/", "nobody")
			if g.Session() == nil {
				t.Errorf("refused: %q", s.log)
			}
			defer g.Closed()
		}
	})
}

// TestSweepsDoNotOverlap: while a provider is slow its issuer is not asked again; and the
// sessions of another authorizer are its own affair.
func TestSweepsDoNotOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, others atomic.Int64
		r := socketio.NewRegistry(nil)
		ask := verifier.KeyProviderFunc(func(_ context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			if u.Issuer() == "other" {
				others.Add(1)
				return nil, nil
			}
			time.Sleep(4 * time.Second)
			return nil, errors.New("out of reach")
		})
		a, err := socketio.New(rawTokens(t), quiet(), socketio.WithRegistry(r), socketio.EndOnWithdrawnKey(ask, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		other, err := socketio.New(rawTokens(t), quiet(), socketio.WithRegistry(r))
		if err != nil {
			t.Fatal(err)
		}
		g, _ := begun(t, a, signed(`{"iss":"i","sub":"ada"}`))
		h, s := begun(t, other, signed(`{"iss":"other","sub":"ada"}`))
		time.Sleep(time.Minute)
		if most.Load() != 1 {
			t.Errorf("asked %d times at once", most.Load())
		}
		if s.want(t); others.Load() > 0 || h.Session() == nil {
			t.Error("the sessions of an authorizer that does not sweep were asked about")
		}
		g.Closed()
		h.Closed()
		time.Sleep(time.Minute)
	})
}

// TestAheadStaysOutWithoutAStore: as TestFaultsC1StaysOut, for a registry in memory.
func TestAheadStaysOutWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := map[string]*verifier.Token{"old": {Issuer: "i", Subject: "ada", ID: "1", IssuedAt: time.Now().Add(5 * time.Second)}}
		a, err := socketio.New(fixed(tokens), quiet())
		if err != nil {
			t.Fatal(err)
		}
		_, s := begun(t, a, "old")
		time.Sleep(time.Second)
		if err := a.Registry().Revoke(t.Context(), socketio.Revocation{Subject: "ada", IssuedBefore: time.Now()}); err != nil {
			t.Fatal(err)
		}
		s.want(t, revoked, "close")
		time.Sleep(time.Minute)
		if g, _ := enter(t, a, "/", "old"); g.Session() != nil {
			t.Error("the token connects again")
		}
	})
}

// TestDecides: which options have rules for events, and which for rooms.
func TestDecides(t *testing.T) {
	yes := socketio.DeciderFunc(func(context.Context, *socketio.Session, socketio.Action, string) error { return nil })
	for _, row := range []struct {
		name          string
		option        socketio.Option
		events, rooms bool
	}{
		{"none", nil, false, false},
		{"Allow", socketio.Allow("say", yes), true, false},
		{"AllowRoom", socketio.AllowRoom("team-*", yes), false, true},
		{"WithDecider", socketio.WithDecider(yes), true, true},
		{"RoomTokens", socketio.RoomTokens(new(verifier.Verifier)), false, true},
	} {
		options := []socketio.Option{quiet()}
		if row.option != nil {
			options = append(options, row.option)
		}
		a, err := socketio.New(rawTokens(t), options...)
		if err != nil {
			t.Fatal(err)
		}
		if events, rooms := a.Decides(); events != row.events || rooms != row.rooms {
			t.Errorf("%s: events %v, rooms %v", row.name, events, rooms)
		}
	}
}

// TestLogoutNames: the log tells by which claims a logout token named the sessions.
func TestLogoutNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		h := newLogoutWith(t, socketio.NewRegistry(nil), &log, nil)
		for want, changes := range map[string]map[string]any{
			`by="sid, or sub`: {"jti": "1"},
			"by=sid ":         {"jti": "2", "sub": nil},
			"by=sub ":         {"jti": "3", "sid": nil},
		} {
			log.Reset()
			post(h, url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(changes))}})
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log is %q, want %s", log.String(), want)
			}
		}
	})
}
