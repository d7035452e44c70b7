package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// TestFilterSelects: a filter selects the sessions that have all the claims it names.
func TestFilterSelects(t *testing.T) {
	s := socketio.PresentSession{Issuer: "i", Subject: "ada", SessionID: "s", TokenID: "j", Namespace: "/chat"}
	all := socketio.Filter{Issuer: "i", Subject: "ada", SessionID: "s", TokenID: "j", Namespace: "/chat"}
	for _, f := range []socketio.Filter{{}, {Issuer: "i"}, {Subject: "ada"}, {SessionID: "s"}, {TokenID: "j"}, {Namespace: "/chat"}, all} {
		if !f.Selects(s) {
			t.Errorf("%+v does not select the session", f)
		}
	}
	for _, change := range []func(*socketio.Filter){
		func(f *socketio.Filter) { f.Issuer = "x" }, func(f *socketio.Filter) { f.Subject = "x" }, func(f *socketio.Filter) { f.SessionID = "x" },
		func(f *socketio.Filter) { f.TokenID = "x" }, func(f *socketio.Filter) { f.Namespace = "x" },
	} {
		f, one := all, socketio.Filter{}
		change(&f)
		change(&one)
		if f.Selects(s) || one.Selects(s) {
			t.Errorf("%+v or %+v selects the session", f, one)
		}
	}
}

// TestNoGrace: no grace is a valid one, and less is not.
func TestNoGrace(t *testing.T) {
	if _, err := socketio.New(socketio.AuthenticatorFunc(words), socketio.ExpiryGrace(0)); err != nil {
		t.Errorf("none: %v", err)
	}
	if _, err := socketio.New(socketio.AuthenticatorFunc(words), socketio.ExpiryGrace(-1)); err == nil || !strings.Contains(err.Error(), "ExpiryGrace is -1ns") {
		t.Errorf("less than none: %v", err)
	}
}

// TestUnrevokeExactly: only a revocation of exactly the same claims is taken back, once.
func TestUnrevokeExactly(t *testing.T) {
	r := socketio.NewRegistry(nil)
	defer r.Close()
	const none = "no revocation names exactly these claims"
	narrow, wide := socketio.Revocation{Subject: "ada", Issuer: "issuer"}, socketio.Revocation{Subject: "ada"}
	revoke(t, r, narrow)
	if err := r.Unrevoke(t.Context(), wide); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("a wider one: %v", err)
	}
	if err := r.Unrevoke(t.Context(), narrow); err != nil {
		t.Error(err)
	}
	if err := r.Unrevoke(t.Context(), narrow); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("a second time: %v", err)
	}
}

// TestRevocationKeepsItsExpiry: a revocation expires when it was asked to, whatever else is
// revoked of the same user.
func TestRevocationKeepsItsExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var expires time.Time
		r, _ := cluster(t, &oddStore{put: func(_ context.Context, v socketio.Revocation) error { expires = v.Expires; return nil }})
		revoke(t, r, socketio.Revocation{Subject: "ada", Issuer: "issuer", Expires: time.Now().Add(2 * time.Hour)})
		want := time.Now().Add(time.Hour)
		if revoke(t, r, socketio.Revocation{Subject: "ada", Expires: want}); !expires.Equal(want) {
			t.Errorf("it expires %v late", expires.Sub(want))
		}
	})
}

// TestLimitOfEachIdentity: where one user has several identities, the end of the sessions
// of one does not lift the limit of another.
func TestLimitOfEachIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.SessionLimit(1, socketio.RejectNewest), socketio.SameIdentity(func(old, renewed *verifier.Token) bool {
			return old.SessionID == renewed.SessionID // which stands for a tenant
		}))
		red, _ := enter(t, a, "/", "ada sid=red")
		blue, _ := enter(t, a, "/", "ada sid=blue")
		defer blue.Closed()
		if red.Session() == nil || blue.Session() == nil {
			t.Fatal("two identities do not have a session each")
		}
		red.Closed()
		synctest.Wait()
		second, _ := enter(t, a, "/", "ada sid=blue jti=2")
		defer second.Closed()
		if second.Session() != nil {
			t.Error("an identity has two sessions")
		}
	})
}

// TestCachedDecisions: a decision that is kept does not displace another.
func TestCachedDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := ""
		d := socketio.DeciderFunc(func(_ context.Context, _ *socketio.Session, _ socketio.Action, event string) error {
			asked += event
			return nil
		})
		g, _ := begun(t, ruled(t, rawTokens(t), socketio.WithDecider(socketio.Cached(d, time.Minute))), signed(`{"sub":"ada"}`))
		defer g.Closed()
		for _, event := range []string{"a", "b", "a", "b"} {
			g.Permit(event, nil)
		}
		if asked != "ab" {
			t.Errorf("the decider was asked about %s", asked)
		}
	})
}

// TestSharedFailuresAtTheLimit: as many failures in all processes as are allowed do not
// block an address, and one more does.
func TestSharedFailuresAtTheLimit(t *testing.T) {
	for name, limits := range map[string][2]int{"by address": {20, 0}, "in total": {0, 20}} {
		synctest.Test(t, func(t *testing.T) {
			c := &memoryCounter{keys: make(map[string]int)}
			var nodes [2]*socketio.Authorizer
			for i := range nodes {
				nodes[i] = newLive(t, socketio.ByHandshake(), socketio.MaxFailures(limits[0], limits[1]), socketio.ShareFailures(c))
			}
			try := func(node int, word string, want error) {
				if _, err := nodes[node].Admit(t.Context(), from("203.0.113.1:1", word)); !errors.Is(err, want) {
					t.Errorf("%s: %s: %v, want %v", name, word, err, want)
				}
				synctest.Wait()
			}
			for range 19 {
				try(0, "forged", verifier.ErrSignatureInvalid)
			}
			try(1, "forged", verifier.ErrSignatureInvalid)
			try(1, "alice", nil)
			try(1, "forged", verifier.ErrSignatureInvalid)
			try(1, "alice", socketio.ErrTooManyAttempts)
		})
	}
}

// beginning is a store that notes whether the registry knew of revocations at its start.
type beginning struct {
	*memoryStore
	known []bool
}

func (s *beginning) Sync(ctx context.Context, to *socketio.RevocationSync) error {
	s.known = append(s.known, to.Begin())
	to.Synced()
	if len(s.known) == 1 {
		to.Apply(socketio.Revocation{Subject: "ada", Expires: time.Now().Add(time.Hour)})
		return errors.New("the connection is lost")
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestStoreLearnsWhatIsKnown: a store that is followed again learns that the process knows
// revocations.
func TestStoreLearnsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &beginning{memoryStore: newMemoryStore()}
		r := socketio.NewRegistry(&socketio.RegistryOptions{Store: s, Logger: slog.New(slog.DiscardHandler)})
		time.Sleep(time.Minute)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if fmt.Sprint(s.known) != "[false true]" {
			t.Errorf("the registry knew of revocations: %v", s.known)
		}
	})
}
