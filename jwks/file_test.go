package jwks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// replaceFile writes a file as a mounted secret changes: all at once.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// setOf returns a key set with the keys, as JSON.
func setOf(t *testing.T, keys ...*verifiertest.Key) string {
	t.Helper()
	var list []verifiertest.JWK
	for _, k := range keys {
		list = append(list, k.JWK())
	}
	return encode(t, map[string]any{"keys": list})
}

// TestFileAndTheClock: a clock that is put back does not keep the file from being
// looked at.
func TestFileAndTheClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	first, second := unpublished("key-1"), unpublished("key-2")
	clock := verifiertest.NewClock(time.Unix(1_700_000_000, 0))
	write := func(key *verifiertest.Key) {
		if err := os.WriteFile(path+".new", []byte(encode(t, map[string]any{"keys": []any{key.JWK()}})), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	v := newVerifier(t, made(t)(jwks.File(path, jwks.WithClock(clock.Now), jwks.WithLogger(quiet))))
	write(second)
	clock.Advance(-time.Hour)
	if _, err := v.Verify(t.Context(), second.Mint(nil, verifiertest.Claims{})); err != nil {
		t.Error(err)
	}
}

// TestFile: a provider reads its file again when it changes, and uses the last good keys for
// MaxStale.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	first, second, shared := unpublished("key-1"), unpublished("key-2"), verifiertest.NewKey(verifier.HS256, "secret")
	clock := verifiertest.NewClock(time.Unix(1_700_000_000, 0))
	var told []string
	replaceFile(t, path, setOf(t, first))
	p := made(t)(jwks.File(path, jwks.WithClock(clock.Now), jwks.MaxStale(time.Minute), jwks.WithLogger(quiet),
		jwks.OnEvent(func(e jwks.Event) { told = append(told, fmt.Sprint(e.Kind, len(e.Keys))) })))
	v := newVerifier(t, p)
	check := func(what string, key *verifiertest.Key, reason verifier.Reason) {
		t.Helper()
		_, err := v.Verify(t.Context(), key.Mint(nil, verifiertest.Claims{"sub": "alice"}))
		if reason != "" {
			refusedFor(t, what, err, reason)
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("the first", first, "")
	replaceFile(t, path, setOf(t, second, shared))
	check("too early to look", first, "")
	clock.Advance(time.Second)
	check("withdrawn", first, verifier.ErrKeyNotFound)
	check("rotated", second, "")
	check("a secret is fine in a file", shared, "")
	clock.Advance(time.Second)
	check("unchanged", second, "")
	replaceFile(t, path, "{")
	clock.Advance(time.Second)
	check("garbage: what was before goes on", second, "")
	clock.Advance(time.Second)
	check("still", second, "")
	clock.Advance(58 * time.Second)
	check("until the bound", second, "")
	clock.Advance(time.Second)
	check("beyond it", second, verifier.ErrKeysUnavailable)
	replaceFile(t, path, setOf(t, first))
	clock.Advance(time.Second)
	check("repaired", first, "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	check("gone", first, "")
	if got, want := strings.Join(told, " "), "fetch2 rotation2 failure2 fetch1 rotation1 failure1"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if got := p.Stats(); got.Rotations != 2 || got.StaleServes != 4 || got.UnknownKIDs != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestFileFaults: each failure of a file is told once, and a file that comes back
// unchanged is read again.
func TestFileFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	key := unpublished("key-1")
	replaceFile(t, path, setOf(t, key))
	clock := verifiertest.NewClock(time.Unix(1_700_000_000, 0))
	failures := 0
	p := made(t)(jwks.File(path, jwks.WithClock(clock.Now), jwks.MaxStale(time.Minute), jwks.WithLogger(quiet), jwks.OnEvent(func(e jwks.Event) {
		if e.Kind == jwks.EventFailure {
			failures++
		}
	})))
	token, err := newVerifier(t, p).Verify(t.Context(), key.Mint(nil, verifiertest.Claims{}))
	if err != nil {
		t.Fatal(err)
	}
	has := func() (bool, error) {
		clock.Advance(time.Second)
		return verifier.HasKey(t.Context(), p, token.Unverified(nil), token.Key())
	}
	still := func(what string) {
		t.Helper()
		if ok, err := has(); !ok || err != nil {
			t.Errorf("%s: got %v, %v", what, ok, err)
		}
	}
	rename(t, path, path+".away")
	still("gone")
	if p.Refresh(t.Context()) == nil || failures != 1 {
		t.Errorf("gone: got %d failures", failures)
	}
	replaceFile(t, path, "{")
	still("garbage")
	if failures != 2 {
		t.Errorf("garbage: got %d failures", failures)
	}
	clock.Advance(time.Minute)
	if ok, err := has(); ok || err == nil || !strings.Contains(err.Error(), "could not be read for 1m0s") {
		t.Errorf("beyond the bound: got %v, %v", ok, err)
	}
	rename(t, path+".away", path)
	still("back")
	if err := p.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	clock.Advance(time.Hour)
	still("an hour later")
}
