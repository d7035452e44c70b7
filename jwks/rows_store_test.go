package jwks_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// storesOfSets: sets that servers share, and functions of the application that fail.
var storesOfSets = []behaviour{
	{"shared / persisted cache", nil, func(w *world) {
		store := newStore()
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("one server")
		w.fetched(1)
		synctest.Wait()
		time.Sleep(time.Minute)
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("another server")
		w.fetched(1)
		w.issuer.Rotate(unpublished("key-2"))
		w.good("a kid that the store has not")
		w.fetched(2)
		synctest.Wait()
		w.issuer.Rotate(unpublished("key-3"))
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("a server that starts after a rotation")
		w.fetched(3)
		synctest.Wait()
		w.issuer.Break(verifiertest.Down())
		time.Sleep(30 * time.Minute)
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("one that starts while the issuer is down, with what is stale")
		w.fetched(4)
		time.Sleep(time.Hour)
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.refused("beyond the bound", unpublished("key-3"), verifier.ErrKeysUnavailable)
	}, 5},
	{"shared / persisted cache, out of order", nil, func(w *world) {
		store := newStore()
		store.err = errors.New("no store")
		w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
		w.good("as if there were none")
		synctest.Wait()
		// The last would never be too old.
		ahead := `{"asked":"2999-01-01T00:00:00Z","ttl":600000000000,"set":` + encode(w.t, map[string]any{"keys": []any{w.key.JWK()}}) + `}`
		for _, garbage := range []string{"{", `{"set":{}}`, ahead} {
			store = newStore()
			store.values[w.issuer.JWKSURL()] = []byte(garbage)
			w.verifier = w.verifierOf(w.another(jwks.WithStore(store)))
			w.good(garbage)
			synctest.Wait()
		}
	}, 4},
	{"shared / persisted cache, hanging", nil, func(w *world) {
		w.verifier = w.verifierOf(w.another(jwks.WithStore(hanging{})))
		began := time.Now()
		w.good("as if there were none")
		if waited := time.Since(began); waited != time.Second {
			w.t.Errorf("waited for %v", waited)
		}
		time.Sleep(time.Second) // which it has to save
	}, 1},
	{"what is not ours panics", nil, func(w *world) {
		w.verifier = w.verifierOf(w.another(jwks.OnEvent(func(jwks.Event) { panic("a hook") })))
		w.good("a hook")
		w.verifier = w.verifierOf(w.another(jwks.WithStore(hanging{panics: true})))
		w.refused("a store", w.key, verifier.ErrKeysUnavailable)
		w.verifier = w.verifierOf(w.another(jwks.HTTPClient(&http.Client{Transport: panics{}})))
		w.refused("a transport", w.key, verifier.ErrKeysUnavailable)
	}, 1},
}

// hanging is a store that does not answer, or worse.
type hanging struct{ panics bool }

func (h hanging) Load(ctx context.Context, _ string) ([]byte, error) {
	if h.panics {
		panic("a store")
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h hanging) Save(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}

type panics struct{}

func (panics) RoundTrip(*http.Request) (*http.Response, error) { panic("a transport") }

// store is a [jwks.Store] in memory.
type store struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
}

func newStore() *store { return &store{values: make(map[string][]byte)} }

func (s *store) Load(_ context.Context, url string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[url], s.err
}

func (s *store) Save(_ context.Context, url string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.values[url] = value
	}
	return s.err
}
