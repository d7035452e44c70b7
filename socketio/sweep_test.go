package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const (
	withdrawnLine = "emit unauthorized invalid_token/signing key withdrawn/key_withdrawn"
	inactiveLine  = "emit unauthorized invalid_token/token inactive/token_inactive"
)

func hmacKey(t *testing.T, secret string) *verifier.Key {
	t.Helper()
	k, err := verifier.NewKey([]byte(secret), verifier.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sweptKeys is an authorizer whose tokens are signed by one key, and whose sweep asks ask.
func sweptKeys(t *testing.T, ask verifier.KeyProviderFunc, options ...socketio.Option) *socketio.Authorizer {
	t.Helper()
	a, err := socketio.New(rawTokens(t), append(options, quiet(), socketio.EndOnWithdrawnKey(ask, time.Minute))...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func begun(t *testing.T, a *socketio.Authorizer, raw string) (*socketio.Guard, *fakeSocket) {
	t.Helper()
	g, s := enter(t, a, "/", raw)
	if g.Session() == nil {
		t.Fatal(s.log)
	}
	s.mu.Lock()
	s.log = nil
	s.mu.Unlock()
	return g, s
}

// TestFaultsB1Sweep: the answers of a key provider, and their effect on the session.
func TestFaultsB1Sweep(t *testing.T) {
	key := hmacKey(t, "a secret of more than thirty-two bytes")
	unauthorized := func(reason verifier.Reason, retryable bool) error {
		return &verifier.UnauthorizedError{Reason: reason, Retryable: retryable}
	}
	for _, test := range []struct {
		name  string
		keys  []*verifier.Key
		err   error
		hang  bool
		panic bool
		ends  bool
	}{
		{name: "the key is there", keys: []*verifier.Key{key}},
		{name: "another key is there", keys: []*verifier.Key{hmacKey(t, "another secret of more than thirty-two bytes")}, ends: true},
		{name: "there are no keys", ends: true},
		{name: "no such key", err: unauthorized(verifier.ErrKeyNotFound, false), ends: true},
		{name: "no such issuer any more", err: fmt.Errorf("wrapped: %w", unauthorized(verifier.ErrIssuerMismatch, false)), ends: true},
		{name: "out of reach", err: unauthorized(verifier.ErrKeysUnavailable, true)},
		{name: "asked too often", err: errors.New("too early")},
		{name: "keys, and an error", keys: []*verifier.Key{}, err: errors.New("timeout")},
		{name: "a nil error", err: (*verifier.UnauthorizedError)(nil)},
		{name: "it hangs", hang: true},
		{name: "it panics", panic: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				g, s := begun(t, sweptKeys(t, func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
					if test.hang {
						<-release
					}
					if test.panic {
						panic("boom")
					}
					return test.keys, test.err
				}), signed(`{"iss":"i","sub":"ada"}`))
				time.Sleep(10 * time.Minute)
				if test.ends {
					s.want(t, withdrawnLine, "close")
				} else {
					s.want(t)
				}
				g.Closed()
				close(release)
				time.Sleep(10 * time.Minute)
			})
		})
	}
}

// TestFaultsHSweepKeepsTheRenewed: a session that is given a good key while the sweep
// learns that its old one was withdrawn stays; the session beside it ends.
func TestFaultsHSweepKeepsTheRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, current := hmacKey(t, "the old secret of thirty-two bytes or more"), hmacKey(t, "the new secret of thirty-two bytes or more")
		v, err := verifier.New(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			return []*verifier.Key{old, current}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		asked := make(chan struct{}, 10)
		a, err := socketio.New(v, quiet(), socketio.EndOnWithdrawnKey(verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			asked <- struct{}{}
			time.Sleep(time.Second)
			return []*verifier.Key{current}, nil
		}), time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		raw := mint("the old secret of thirty-two bytes or more", `{"iss":"i","sub":"ada"}`)
		g, s := begun(t, a, raw)
		_, other := begun(t, a, raw)
		<-asked
		g.Authenticate(token(mint("the new secret of thirty-two bytes or more", `{"iss":"i","sub":"ada"}`)))
		s.want(t, renewed)
		time.Sleep(2 * time.Minute)
		s.want(t)
		other.want(t, withdrawnLine, "close")
		if g.Session() == nil {
			t.Error("the renewed session ended")
		}
		g.Closed()
		time.Sleep(2 * time.Minute)
	})
}

// TestFaultsI14SlowIssuers: 300 issuers that time out do not delay the sweep of the
// 301st, nor does one that ignores its context forever.
func TestFaultsI14SlowIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var withdrawn atomic.Bool
		a := sweptKeys(t, func(ctx context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
			switch issuer := u.Issuer(); {
			case issuer == "good" && withdrawn.Load():
				return nil, nil
			case issuer == "hangs":
				<-release
			case strings.HasPrefix(issuer, "slow"):
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return []*verifier.Key{hmacKey(t, "a secret of more than thirty-two bytes")}, nil
		})
		var guards []*socketio.Guard
		join := func(issuer string) *fakeSocket {
			g, s := begun(t, a, signed(`{"iss":"`+issuer+`","sub":"ada"}`))
			guards = append(guards, g)
			return s
		}
		for i := range 300 {
			join(fmt.Sprint("slow", i))
		}
		join("hangs")
		s := join("good")
		time.Sleep(5 * time.Minute)
		withdrawn.Store(true)
		began := time.Now()
		for s.mu.Lock(); s.closed == 0; s.mu.Lock() {
			s.mu.Unlock()
			time.Sleep(time.Second)
		}
		s.mu.Unlock()
		if late := time.Since(began); late > time.Minute+time.Second {
			t.Errorf("the session ended after %v", late)
		}
		close(release)
		for _, g := range guards {
			g.Closed()
		}
		time.Sleep(5 * time.Minute)
	})
}

// tokensAlive is an introspector that knows which tokens are active.
type tokensAlive struct {
	mu    sync.Mutex
	dead  map[string]bool
	err   error
	asked int
}

func (k *tokensAlive) Introspect(_ context.Context, token string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	switch {
	case k.err != nil:
		return nil, k.err
	case k.dead[token]:
		return nil, verifier.Inactive(nil)
	}
	return []byte(`{"active":true,"iss":"i","sub":"` + token + `"}`), nil
}

func (k *tokensAlive) set(err error, dead ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.asked = err, 0
	for _, token := range dead {
		k.dead[token] = true
	}
}

// TestFaultsB5OpaqueTokens: the session of an opaque token that was revoked at its issuer
// ends with the next sweep; that of another does not, nor does an outage end any.
func TestFaultsB5OpaqueTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known := &tokensAlive{dead: make(map[string]bool)}
		v, err := verifier.NewOpaque(known)
		if err != nil {
			t.Fatal(err)
		}
		a, err := socketio.New(v, quiet(), socketio.EndOnInactiveToken(known, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		_, ada := begun(t, a, "ada")
		_, again := begun(t, a, "ada")
		bob, bobs := begun(t, a, "bob")
		known.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if known.asked != 2 {
			t.Errorf("asked %d times about two tokens", known.asked)
		}
		known.set(errors.New("out of reach"), "ada")
		time.Sleep(time.Minute)
		ada.want(t)
		known.set(nil)
		time.Sleep(time.Minute)
		ada.want(t, inactiveLine, "close")
		again.want(t, inactiveLine, "close")
		bobs.want(t)
		bob.Closed()
		time.Sleep(time.Minute)
		known.set(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if known.asked != 0 {
			t.Errorf("asked %d times for nobody", known.asked)
		}
	})
	// The tokens of another kind stay.
	synctest.Test(t, func(t *testing.T) {
		known := &tokensAlive{err: verifier.Inactive(nil)}
		a, err := socketio.New(rawTokens(t), quiet(), socketio.EndOnInactiveToken(known, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		g, s := begun(t, a, signed(`{"sub":"ada"}`))
		time.Sleep(time.Hour)
		s.want(t)
		g.Closed()
		for name, option := range map[string]socketio.Option{
			"nil": socketio.EndOnInactiveToken(nil, time.Minute), "typed nil": socketio.EndOnInactiveToken(verifier.IntrospectorFunc(nil), time.Minute),
			"interval": socketio.EndOnInactiveToken(known, 0),
		} {
			if _, err := socketio.New(rawTokens(t), option); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	})
}
