package dpop

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestReplay(t *testing.T) {
	a, at := alice(), now
	v := serverOf(t, URL(endpoint), WithClock(func() time.Time { return at }), CacheSize(32))
	use := func(proof string) error {
		_, err := v.Authenticate(context.Background(), inPayload(a.token(), proof))
		return err
	}
	first := a.proof(a.token(), nil, members{"iat": now.Unix() + 5})
	accepted.check(t, use(first))
	replayed.check(t, use(first))
	replayed.check(t, use(a.proof(a.token(), nil, with(claimsOf(first), members{"htu": "wss://chat.example.com/socket.io/"}))))
	accepted.check(t, use(a.proof(a.token(), nil, nil)))

	// Another client may have the same jti.
	b := bob()
	_, err := v.Authenticate(context.Background(), inPayload(b.token(), b.proof(b.token(), nil, members{"jti": claimsOf(first)["jti"]})))
	accepted.check(t, err)

	// It is remembered for as long as its time is good, and not longer.
	at = now.Add(70*time.Second - 1)
	replayed.check(t, use(first))
	at = now.Add(70 * time.Second)
	badProof("iat", "", "").check(t, use(first))

	// A proof that is refused for something else is not used up by that.
	at = now
	second := a.proof(a.token(), nil, nil)
	_, err = v.Authenticate(context.Background(), inPayload(b.token(), second))
	badProof("ath", "", "").check(t, err)
	accepted.check(t, use(second))
}

func claimsOf(proof string) members {
	var m members
	if err := json.Unmarshal(must(b64.DecodeString(strings.Split(proof, ".")[1])), &m); err != nil {
		panic(err)
	}
	return m
}

// TestReplayAtOnce: of many who present one proof at once, one is accepted.
func TestReplayAtOnce(t *testing.T) {
	a := alice()
	v := newServer(t)
	proof := a.proof(a.token(), nil, nil)
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := v.Authenticate(context.Background(), inPayload(a.token(), proof)); err == nil {
				in.Add(1)
			} else if !errors.Is(err, ErrProofReplayed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d were accepted", in.Load())
	}
}

func TestCacheUnavailable(t *testing.T) {
	a := alice()
	unavailable := outcome{code: "temporarily_unavailable", reason: ErrUnavailable, message: "DPoP proof cannot be checked, try again later"}
	down := newServer(t, WithCache(CacheFunc(func(context.Context, string, time.Time) (bool, error) {
		return true, errors.New("the cache is down")
	})))
	_, err := down.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, nil)))
	unavailable.cause = "down"
	unavailable.check(t, err)
	if !verifier.AsUnauthorized(err).Retryable {
		t.Error("it is not retryable")
	}

	// The cache gets ids that reveal neither key nor jti, and when they are over.
	var ids []string
	v := newServer(t, WithCache(CacheFunc(func(_ context.Context, id string, until time.Time) (bool, error) {
		if want := now.Add(65 * time.Second); !until.Equal(want) {
			t.Errorf("it is remembered until %v, want %v", until, want)
		}
		ids = append(ids, id)
		return true, nil
	})))
	_, err = v.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, members{"jti": "x"})))
	accepted.check(t, err)
	hash := sha256.Sum256([]byte("x"))
	if want := a.thumbprint() + "." + encode(hash[:]); len(ids) != 1 || ids[0] != want {
		t.Errorf("the ids are %q, want %q", ids, want)
	}

	// One that is full accepts nothing further, until the first are over.
	at := now
	v = serverOf(t, URL(endpoint), CacheSize(3), WithClock(func() time.Time { return at }))
	use := func(c *client, claims members) error {
		_, err := v.Authenticate(context.Background(), inPayload(c.token(), c.proof(c.token(), nil, claims)))
		return err
	}
	for range 3 {
		c := newClient("EdDSA")
		accepted.check(t, use(c, nil))
		unavailable.cause = "one key"
		if len(ids) == 1 { // with room for three, a key's share is one
			unavailable.check(t, use(c, nil))
			ids = nil
		}
	}
	unavailable.cause = "full"
	unavailable.check(t, use(a, nil))
	at = now.Add(65 * time.Second)
	accepted.check(t, use(a, members{"iat": at.Unix()}))
}

// TestShareOfAKey: a key has its share of the memory as long as one of its proofs is
// remembered, and takes none after the last one.
func TestShareOfAKey(t *testing.T) {
	at := now
	m := newMemory(2*share, func() time.Time { return at })
	add := func(id string, d time.Duration, want error) {
		t.Helper()
		if ok, err := m.Add(t.Context(), id, at.Add(d)); ok != (want == nil) || !errors.Is(err, want) {
			t.Errorf("%s: got %v, %v, want %v", id, ok, err, want)
		}
	}
	add("a.1", time.Second, nil)
	add("a.2", time.Minute, nil)
	add("a.3", time.Minute, errShare)
	at = at.Add(time.Second) // the first is over
	add("a.3", time.Minute, nil)
	add("a.4", time.Minute, errShare)
	at = at.Add(time.Minute)
	add("b.1", time.Minute, nil)
	if len(m.byKey) != 1 || len(m.used) != 1 {
		t.Errorf("%d keys and %d proofs are remembered", len(m.byKey), len(m.used))
	}
}

func TestNonces(t *testing.T) {
	a, at := alice(), now
	options := []Option{Nonces([]byte(strings.Repeat("n", 32)), time.Minute), WithClock(func() time.Time { return at }), MaxAge(time.Hour), URL(endpoint)}
	v, other := serverOf(t, options...), serverOf(t, options...)
	use := func(v *verifier.Verifier, nonce any) *verifier.UnauthorizedError {
		_, err := v.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, members{"nonce": nonce})))
		return verifier.AsUnauthorized(err)
	}
	wanted := outcome{code: CodeUseNonce, reason: ErrUseNonce, message: "DPoP proof needs the server's nonce"}

	first := use(v, nil)
	wanted.check(t, first)
	if !first.Retryable || first.Nonce == "" {
		t.Fatalf("got %+v", first)
	}
	text := string(must(json.Marshal(first)))
	if want := `{"message":"DPoP proof needs the server's nonce","code":"use_dpop_nonce","type":"UnauthorizedError","reason":"use_dpop_nonce","retryable":true,"nonce":` + string(must(json.Marshal(first.Nonce))) + `}`; text != want {
		t.Errorf("the client sees\n%s, want\n%s", text, want)
	}
	if err := use(v, first.Nonce); err != nil {
		t.Errorf("the nonce it gave: %v", err)
	}
	if err := use(other, first.Nonce); err != nil {
		t.Errorf("another server of the same secret: %v", err)
	}
	for _, nonce := range []any{"", "x", first.Nonce + "x", first.Nonce[1:], strings.ToUpper(first.Nonce)} {
		wanted.check(t, use(v, nonce))
	}
	made := serverOf(t, append(options, Nonces(nil, time.Minute))...)
	wanted.check(t, use(made, first.Nonce))

	// now is 20 seconds into its minute.
	at = now.Add(40*time.Second + time.Minute - 1)
	if err := use(v, first.Nonce); err != nil {
		t.Errorf("a nonce of the last period: %v", err)
	}
	second := use(v, nil)
	if second.Nonce == first.Nonce {
		t.Error("nonces do not change")
	}
	at = at.Add(1)
	wanted.check(t, use(v, first.Nonce))
	if err := use(v, second.Nonce); err != nil {
		t.Errorf("the nonce of now: %v", err)
	}

	// A proof that is wrong otherwise is told so, and gets no nonce.
	_, err := v.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, members{"htm": "POST"})))
	badProof("htm", "", "").check(t, err)
}
