package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// from is a handshake with a token from an address.
func from(address, word string) *verifier.Handshake {
	h := withToken("/", word)
	h.RemoteAddr = address
	return h
}

func TestMaxFailures(t *testing.T) {
	try := func(t *testing.T, a *socketio.Authorizer, address, word string, want error) {
		t.Helper()
		if _, err := a.Admit(t.Context(), from(address, word)); !errors.Is(err, want) {
			t.Errorf("%s from %s: %v, want %v", word, address, err, want)
		}
	}
	t.Run("by address", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake(), socketio.MaxFailures(60, 0))
			for range 60 {
				try(t, a, "203.0.113.1:1", "forged", verifier.ErrSignatureInvalid)
			}
			try(t, a, "203.0.113.1:2", "forged", socketio.ErrTooManyAttempts)
			try(t, a, "203.0.113.1:3", "alice", socketio.ErrTooManyAttempts)
			try(t, a, "[::ffff:203.0.113.1]:3", "alice", socketio.ErrTooManyAttempts)
			try(t, a, "203.0.113.2:1", "alice", nil)
			time.Sleep(time.Second) // one more
			try(t, a, "203.0.113.1:4", "alice", nil)
			try(t, a, "203.0.113.1:4", "forged", verifier.ErrSignatureInvalid)
			try(t, a, "203.0.113.1:4", "alice", socketio.ErrTooManyAttempts)
		})
	})
	t.Run("by IPv6 network", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake(), socketio.MaxFailures(10, 0))
			for i := range 10 {
				try(t, a, fmt.Sprintf("[2001:db8:0:1::%x]:1", i), "forged", verifier.ErrSignatureInvalid)
			}
			try(t, a, "[2001:db8:0:1:ffff::]:1", "alice", socketio.ErrTooManyAttempts)
			try(t, a, "[2001:db8:0:2::1]:1", "alice", nil)
		})
	})
	t.Run("in total, and only for addresses that contributed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake(), socketio.MaxFailures(0, 100))
			for i := range 100 {
				try(t, a, fmt.Sprintf("203.0.113.%d:1", i), "forged", verifier.ErrSignatureInvalid)
			}
			try(t, a, "203.0.113.1:2", "alice", socketio.ErrTooManyAttempts)
			try(t, a, "203.0.113.200:1", "alice", nil)
			time.Sleep(time.Second)
			try(t, a, "203.0.113.1:2", "alice", nil)
		})
	})
	t.Run("an office that comes back with expired tokens is not locked out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake())
			for range 10_000 {
				try(t, a, "203.0.113.1:1", "late", verifier.ErrTokenExpired)
				try(t, a, "203.0.113.1:1", "outage", verifier.ErrKeysUnavailable)
				try(t, a, "203.0.113.1:1", "", verifier.ErrTokenMissing)
			}
			try(t, a, "203.0.113.1:1", "alice", nil)
		})
	})
	t.Run("who sends what no honest client does is", func(t *testing.T) {
		for _, reason := range []verifier.Reason{verifier.ErrSignatureInvalid, verifier.ErrTokenMalformed, verifier.ErrTokenTooLong, verifier.ErrAlgorithmNotAllowed} {
			a, err := socketio.New(socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
				return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "x", Reason: reason}
			}), socketio.ByHandshake(), socketio.MaxFailures(1, 0))
			if err != nil {
				t.Fatal(err)
			}
			try(t, a, "203.0.113.1:1", "x", reason)
			try(t, a, "203.0.113.1:1", "x", socketio.ErrTooManyAttempts)
		}
	})
	t.Run("a proxy is not limited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake())
			for _, proxy := range []string{"127.0.0.1:1", "[::1]:1", "10.1.2.3:1", "[fd00::1]:1", "100.64.0.1:1", "@", ""} {
				for range 2 * socketio.DefaultMaxFailuresPerAddress {
					try(t, a, proxy, "forged", verifier.ErrSignatureInvalid)
				}
				try(t, a, proxy, "alice", nil)
			}
		})
	})
	t.Run("unless it says which client it stands for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake(), socketio.MaxFailures(1, 0),
				socketio.ClientAddress(func(h *verifier.Handshake) string { return h.Header.Get("X-Forwarded-For") }))
			h := from("10.0.0.1:1", "forged")
			h.Header = map[string][]string{"X-Forwarded-For": {"203.0.113.1"}}
			if _, err := a.Admit(t.Context(), h); !errors.Is(err, verifier.ErrSignatureInvalid) {
				t.Error(err)
			}
			if _, err := a.Admit(t.Context(), h); !errors.Is(err, socketio.ErrTooManyAttempts) {
				t.Error(err)
			}
			try(t, a, "10.0.0.1:1", "alice", nil)
		})
	})
	t.Run("none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.ByHandshake(), socketio.MaxFailures(0, 0))
			for range 2 * socketio.DefaultMaxFailures {
				try(t, a, "203.0.113.1:1", "forged", verifier.ErrSignatureInvalid)
			}
			try(t, a, "203.0.113.1:1", "alice", nil)
		})
	})
	t.Run("by event", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newLive(t, socketio.MaxFailures(1, 0))
			g, s := enter(t, a, "/", "forged")
			s.want(t, "emit unauthorized invalid_token/invalid signature/signature_invalid")
			g.Authenticate(token("alice"))
			s.want(t, "emit unauthorized too_many_attempts/too many attempts, try again later/too_many_attempts")
			g.Closed()
		})
	})
}

// TestMaxPending: when too many sockets are pending, the oldest is disconnected.
func TestMaxPending(t *testing.T) {
	const crowded = "emit unauthorized too_many_pending/too many connections, try again later/too_many_pending"
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t, socketio.MaxPending(2))
		var guards []*socketio.Guard
		var sockets []*fakeSocket
		attach := func() {
			s := &fakeSocket{}
			guards, sockets = append(guards, a.Attach(s, handshake, nil)), append(sockets, s)
		}
		attach()
		attach()
		guards[0].Authenticate(token("alice"))
		sockets[0].want(t, "open authenticated", "handlers for alice") // and stops waiting
		attach()
		sockets[1].want(t)
		attach()
		sockets[1].want(t, crowded, "close")
		guards[2].Closed()
		attach()
		sockets[3].want(t)
		attach()
		sockets[3].want(t, crowded, "close")
		sockets[0].want(t)
		time.Sleep(socketio.DefaultTimeout)
		guards[0].Closed()
	})
}

func TestNeutralMessages(t *testing.T) {
	for _, reason := range []verifier.Reason{verifier.ErrAudienceMismatch, verifier.ErrIssuerMismatch, verifier.ErrSubjectMismatch, verifier.ErrTokenIDMismatch, verifier.ErrNonceMismatch, verifier.ErrTokenExpired} {
		refuse := socketio.AuthenticatorFunc(func(context.Context, *verifier.Handshake) (*verifier.Token, error) {
			return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: "jwt " + string(reason) + ". expected: inside", Reason: reason}
		})
		for _, neutral := range []bool{false, true} {
			options := []socketio.Option{socketio.ByHandshake()}
			if neutral {
				options = append(options, socketio.NeutralMessages())
			}
			a, err := socketio.New(refuse, options...)
			if err != nil {
				t.Fatal(err)
			}
			_, err = a.Admit(t.Context(), withToken("/", "x"))
			u := verifier.AsUnauthorized(err)
			told := u.Message == "jwt "+string(reason)+". expected: inside"
			if !errors.Is(err, reason) || told == (neutral && reason != verifier.ErrTokenExpired) {
				t.Errorf("neutral %v: %s is %q", neutral, reason, u.Message)
			}
		}
	}
}

// TestWithdrawnKey: the sessions of a key end when the provider no longer knows
// it, and not because it cannot answer.
func TestWithdrawnKey(t *testing.T) {
	const long = " which is long enough for HS256"
	old, current := hmacKey(t, "old"+long), hmacKey(t, "new"+long)
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards these, which the test changes while the provider is asked
		keys, down, asked := []*verifier.Key{old, current}, error(nil), 0
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		set := func(k []*verifier.Key, err error) { mu.Lock(); defer mu.Unlock(); keys, down, asked = k, err, 0 }
		times := func() int { mu.Lock(); defer mu.Unlock(); return asked }
		provider := verifier.KeyProviderFunc(func(_ context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			mu.Lock()
			defer mu.Unlock()
			if asked++; u.Issuer() != "issuer" {
				t.Errorf("asked for %q", u.Issuer())
			}
			return keys, down
		})
		v, err := verifier.New(provider)
		if err != nil {
			t.Fatal(err)
		}
		a, err := socketio.New(v, socketio.EndOnWithdrawnKey(provider, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		authenticate := func(secret string) (*socketio.Guard, *fakeSocket) {
			g, s := enter(t, a, "/", mint(secret+long, `{"iss":"issuer","sub":"alice"}`))
			if g.Session() == nil {
				t.Fatal(s.log)
			}
			s.log = nil
			return g, s
		}
		_, s1 := authenticate("old")
		_, s2 := authenticate("old")
		g3, s3 := authenticate("new")
		set(keys, nil)
		pass(time.Minute)
		if n := times(); n != 2 {
			t.Errorf("the provider was asked %d times for two keys", n)
		}
		set(nil, errors.New("out of reach"))
		pass(time.Minute)
		s1.want(t)
		set([]*verifier.Key{current}, nil)
		pass(time.Minute)
		const withdrawn = "emit unauthorized invalid_token/signing key withdrawn/key_withdrawn"
		s1.want(t, withdrawn, "close")
		s2.want(t, withdrawn, "close")
		s3.want(t)
		// Nobody is asked while nobody is there; then somebody is again.
		g3.Closed()
		pass(time.Minute)
		set([]*verifier.Key{current}, nil)
		pass(time.Hour)
		if n := times(); n != 0 {
			t.Errorf("the provider was asked %d times for nobody", n)
		}
		_, s4 := authenticate("new")
		set(nil, nil)
		pass(time.Minute)
		s4.want(t, withdrawn, "close")
	})
}

// TestRenewedDuringSweep: a session that is given another key while it is asked
// about the old one is asked about again.
func TestRenewedDuringSweep(t *testing.T) {
	newKey := func(name string) *verifier.Key {
		k, err := verifier.NewKey([]byte(name+" which is long enough for HS256"), verifier.KeyOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		keys, slow := []*verifier.Key{newKey("old"), newKey("new")}, false
		provider := verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			mu.Lock()
			known, wait := keys, slow
			mu.Unlock()
			if wait {
				time.Sleep(time.Second)
			}
			return known, nil
		})
		v, err := verifier.New(provider)
		if err != nil {
			t.Fatal(err)
		}
		a, err := socketio.New(v, socketio.EndOnWithdrawnKey(provider, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		g, s := enter(t, a, "/", mint("old which is long enough for HS256", `{"iss":"issuer","sub":"alice"}`))
		set := func(k []*verifier.Key, wait bool) { mu.Lock(); defer mu.Unlock(); keys, slow = k, wait }
		both := keys
		set(both[1:], true)
		time.Sleep(time.Minute + time.Second/2) // it is being asked about the old one
		set(both, false)
		g.Authenticate(token(mint("new which is long enough for HS256", `{"iss":"issuer","sub":"alice"}`)))
		synctest.Wait()
		set(nil, false)
		s.mu.Lock()
		s.log = nil
		s.mu.Unlock()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		s.want(t, "emit unauthorized invalid_token/signing key withdrawn/key_withdrawn", "close")
	})
}
