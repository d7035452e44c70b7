package signals_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/signals"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

const (
	issuer   = "https://idp.example/"
	audience = "https://chat.example/events"

	sessionRevoked    = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	credentialChange  = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	tokenClaimsChange = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
	verification      = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	streamUpdated     = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
)

type object = map[string]any

var (
	key   = verifiertest.NewKey(verifier.RS256, "key-1")
	other = verifiertest.NewKey(verifier.RS256, "key-1") // the same kid
	idp   = verifiertest.NewIssuer(issuer, key)
	quiet = slog.New(slog.DiscardHandler)
)

// shared is a RevocationStore of one process, for the registries of several nodes.
type shared struct {
	mu        sync.Mutex
	all       []socketio.Revocation
	followers map[chan socketio.Revocation]bool
	err       error
}

func (s *shared) Put(_ context.Context, v socketio.Revocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.all = append(s.all, v)
	for f := range s.followers {
		f <- v
	}
	return nil
}

func (s *shared) Follow(ctx context.Context, apply func(socketio.Revocation), synced func()) error {
	news := make(chan socketio.Revocation, 100)
	s.mu.Lock()
	if s.followers == nil {
		s.followers = make(map[chan socketio.Revocation]bool)
	}
	s.followers[news] = true
	all := append([]socketio.Revocation(nil), s.all...)
	s.mu.Unlock()
	for _, v := range all {
		apply(v)
	}
	synced()
	for {
		select {
		case v := <-news:
			apply(v)
		case <-ctx.Done():
			s.mu.Lock()
			delete(s.followers, news)
			s.mu.Unlock()
			return ctx.Err()
		}
	}
}

// world is two nodes with a store in common, and the clients of two users on each.
type world struct {
	t     *testing.T
	store *shared
	nodes []*sockettest.Server
	users map[string][]*sockettest.Client // one on each node
	told  map[*sockettest.Client]string   // what they have received
}

// newWorld runs inside synctest, so that time is the test's.
func newWorld(t *testing.T) *world {
	w := &world{t: t, store: &shared{}, users: make(map[string][]*sockettest.Client), told: make(map[*sockettest.Client]string)}
	for range 2 {
		registry := socketio.NewRegistry(&socketio.RegistryOptions{Store: w.store, Logger: quiet})
		t.Cleanup(func() { _ = registry.Close() })
		v, err := verifier.New(idp, verifier.Issuer(issuer, "https://partner.example/"))
		if err != nil {
			t.Fatal(err)
		}
		w.nodes = append(w.nodes, sockettest.NewServer(v, socketio.ByHandshake(), socketio.WithRegistry(registry), socketio.WithLogger(quiet)))
	}
	synctest.Wait() // until both follow
	for _, sub := range []string{"ada", "bob"} {
		for _, n := range w.nodes {
			c, err := w.connect(n, verifiertest.Claims{"sub": sub, "sid": "sid-" + sub, "jti": "jti-" + sub})
			if err != nil {
				t.Fatal(err)
			}
			w.users[sub] = append(w.users[sub], c)
		}
	}
	return w
}

// connect opens a socket with a token issued now.
func (w *world) connect(n *sockettest.Server, claims verifiertest.Claims) (*sockettest.Client, error) {
	all := verifiertest.Claims{"exp": time.Now().Add(10 * time.Hour).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	c := n.Connect(&verifier.Handshake{Auth: object{"token": idp.Token(all)}})
	if events := c.Received(); len(events) == 0 || events[0].Name != "connect" {
		return nil, fmt.Errorf("refused: %v", events)
	}
	return c, nil
}

// expect checks who is connected, on both nodes.
func (w *world) expect(ada, bob bool) {
	w.t.Helper()
	synctest.Wait()
	for sub, want := range map[string]bool{"ada": ada, "bob": bob} {
		for i, c := range w.users[sub] {
			if got := c.Session() != nil; got != want {
				w.t.Errorf("%s on node %d: connected is %v", sub, i, got)
			}
			w.told[c] += fmt.Sprint(c.Received())
			if c.Session() == nil && !strings.Contains(w.told[c], "token_revoked") {
				w.t.Errorf("%s was told %s", sub, w.told[c])
			}
		}
	}
}

func options(o signals.Options) *signals.Options {
	o.Keys, o.Issuer, o.Audience, o.Logger = idp, issuer, audience, quiet
	return &o
}

// claims are those of a SET of one event about Ada.
func claims(event string, fields, more object) object {
	all := object{
		"iss": issuer, "aud": audience, "iat": time.Now().Unix(), "jti": fmt.Sprint("set-", time.Now().UnixNano()),
		"sub_id": object{"format": "iss_sub", "iss": issuer, "sub": "ada"},
		"events": object{event: fields},
	}
	for name, value := range more {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	return all
}

// secevent is the header of SETs.
var secevent = verifiertest.Claims{"typ": "secevent+jwt"}

// push delivers a SET (RFC 8935).
func push(h http.Handler, set string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/events", strings.NewReader(set))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func errorOf(w *httptest.ResponseRecorder) string {
	var e struct{ Err string }
	_ = json.Unmarshal(w.Body.Bytes(), &e)
	return e.Err
}
