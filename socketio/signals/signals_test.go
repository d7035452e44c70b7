package signals_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/signals"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestEvents: what each event ends, on both nodes.
func TestEvents(t *testing.T) {
	resolve := func(_ context.Context, s signals.Subject) ([]string, error) {
		switch {
		case s.Email == "ada@example.com", s.PhoneNumber == "+441234", s.URI == "acct:ada@example.com", s.Format == "opaque" && s.ID == "account-7":
			return []string{"ada"}, nil
		case s.Email == "down@example.com":
			return nil, errors.New("down")
		}
		return nil, nil
	}
	change := func(kind string) object { return object{"change_type": kind, "credential_type": "password"} }
	for _, row := range []struct {
		name   string
		event  string
		fields object
		sub    object // sub_id, Ada by iss_sub by default
		opts   signals.Options
		status int
		ada    bool // is still connected
	}{
		{name: "session-revoked", event: sessionRevoked, fields: object{}, status: 202},
		{name: "credential-change, revoke", event: credentialChange, fields: change("revoke"), status: 202},
		{name: "credential-change, update", event: credentialChange, fields: change("update"), status: 202},
		{name: "credential-change, delete", event: credentialChange, fields: change("delete"), status: 202},
		{name: "credential-change, create", event: credentialChange, fields: change("create"), status: 202, ada: true},
		{name: "token-claims-change", event: tokenClaimsChange, fields: object{"claims": object{"role": "guest"}}, status: 202},
		{name: "an event of another type", event: "https://example.com/event", fields: object{}, status: 202, ada: true},
		{name: "verification", event: verification, fields: object{"state": "s"}, sub: object{"format": "opaque", "id": "stream-1"}, status: 202, ada: true},
		{name: "stream-updated", event: streamUpdated, fields: object{"status": "paused"}, sub: object{"format": "opaque", "id": "stream-1"}, status: 202, ada: true},

		{name: "a session by opaque id", event: sessionRevoked, fields: object{}, sub: object{"format": "opaque", "id": "sid-ada"}, status: 202},
		{name: "a user by opaque id", event: credentialChange, fields: change("revoke"), sub: object{"format": "opaque", "id": "ada"}, status: 202},
		{name: "a token", event: sessionRevoked, fields: object{}, sub: object{"format": "jwt_id", "iss": issuer, "jti": "jti-ada"}, status: 202},
		{name: "a token, as earlier drafts spell it", event: sessionRevoked, fields: object{}, sub: object{"format": "jwt-id", "iss": issuer, "jti": "jti-ada"}, status: 202},
		{name: "a complex session", event: sessionRevoked, fields: object{}, sub: object{"format": "complex", "session": object{"format": "opaque", "id": "sid-ada"}}, status: 202},
		{name: "a complex user", event: sessionRevoked, fields: object{}, sub: object{"format": "complex", "user": object{"format": "iss_sub", "iss": issuer, "sub": "ada"}, "device": object{"format": "opaque", "id": "d"}}, status: 202},
		{name: "another session of the user", event: sessionRevoked, fields: object{}, sub: object{"format": "complex", "user": object{"format": "iss_sub", "iss": issuer, "sub": "ada"}, "session": object{"format": "opaque", "id": "sid-other"}}, status: 202, ada: true},
		{name: "aliases", event: sessionRevoked, fields: object{}, sub: object{"format": "aliases", "identifiers": []any{object{"format": "email", "email": "x@example.com"}, object{"format": "iss_sub", "iss": issuer, "sub": "ada"}}}, status: 202},
		{name: "an email address", opts: signals.Options{Resolve: resolve}, event: sessionRevoked, fields: object{}, sub: object{"format": "email", "email": "ada@example.com"}, status: 202},
		{name: "a phone number", opts: signals.Options{Resolve: resolve}, event: sessionRevoked, fields: object{}, sub: object{"format": "phone_number", "phone_number": "+441234"}, status: 202},
		{name: "an account", opts: signals.Options{Resolve: resolve}, event: sessionRevoked, fields: object{}, sub: object{"format": "account", "uri": "acct:ada@example.com"}, status: 202},
		{name: "an opaque user that is resolved", opts: signals.Options{Resolve: resolve}, event: credentialChange, fields: change("delete"), sub: object{"format": "opaque", "id": "account-7"}, status: 202},
		{name: "a critical member that is understood", opts: signals.Options{CriticalMembers: []string{"user", "device"}}, event: sessionRevoked, fields: object{}, sub: object{"format": "complex", "user": object{"format": "iss_sub", "iss": issuer, "sub": "ada"}}, status: 202},
		{name: "a DID", opts: signals.Options{Resolve: everybody}, event: sessionRevoked, fields: object{}, sub: object{"format": "did", "url": "did:example:ada"}, status: 202},
		{name: "members and fields that nobody knows", event: sessionRevoked, fields: object{"initiating_entity": "user", "more": 7}, sub: object{"format": "iss_sub", "iss": issuer, "sub": "ada", "more": 7}, status: 202},
		{name: "somebody who is not connected", event: sessionRevoked, fields: object{}, sub: object{"format": "iss_sub", "iss": issuer, "sub": "eve"}, status: 202, ada: true},
		{name: "somebody who is not known here", opts: signals.Options{Resolve: resolve}, event: sessionRevoked, fields: object{}, sub: object{"format": "email", "email": "eve@example.com"}, status: 202, ada: true},
		{name: "the directory is down", opts: signals.Options{Resolve: resolve}, event: sessionRevoked, fields: object{}, sub: object{"format": "email", "email": "down@example.com"}, status: 503, ada: true},
		{name: "Resolve panics", opts: signals.Options{Resolve: func(context.Context, signals.Subject) ([]string, error) { panic("oops") }}, event: sessionRevoked, fields: object{}, sub: object{"format": "email", "email": "ada@example.com"}, status: 503, ada: true},
		{name: "Resolve returns an empty sub", opts: signals.Options{Resolve: func(context.Context, signals.Subject) ([]string, error) { return []string{""}, nil }}, event: sessionRevoked, fields: object{}, sub: object{"format": "email", "email": "ada@example.com"}, status: 503, ada: true},
		{name: "an issuer of tokens beside the provider", opts: signals.Options{TokenIssuers: []string{issuer, "https://partner.example/"}}, event: sessionRevoked, fields: object{}, sub: object{"format": "iss_sub", "iss": issuer, "sub": "ada"}, status: 202},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				time.Sleep(time.Minute)
				h, err := signals.SharedSignals(w.nodes[0].Registry(), options(row.opts))
				if err != nil {
					t.Fatal(err)
				}
				more := object{}
				if row.sub != nil {
					more["sub_id"] = row.sub
				}
				if got := push(h, key.Mint(secevent, claims(row.event, row.fields, more))); got.Code != row.status {
					t.Errorf("the answer is %d %s", got.Code, got.Body)
				}
				w.expect(row.ada, true)
			})
		})
	}
}

// TestLoginAfterIt: a revoked user may log in again, and a replayed event does not end
// that.
func TestLoginAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, err := signals.SharedSignals(w.nodes[0].Registry(), options(signals.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		set := key.Mint(secevent, claims(sessionRevoked, object{"event_timestamp": time.Now().Unix()}, nil))
		push(h, set)
		w.expect(false, true)
		old, err := w.connect(w.nodes[1], verifiertest.Claims{"sub": "ada", "iat": time.Now().Add(-10 * time.Second).Unix()})
		if err == nil {
			t.Error("a token from before the event got in", old.Received())
		}
		time.Sleep(2 * time.Second)
		again, err := w.connect(w.nodes[1], verifiertest.Claims{"sub": "ada"})
		if err != nil {
			t.Fatalf("a token from after the event: %v", err)
		}
		restarted, err := signals.SharedSignals(w.nodes[1].Registry(), options(signals.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, receiver := range []http.Handler{h, restarted} { // one that knows the jti, and one that does not
			if got := push(receiver, set); got.Code != 202 {
				t.Errorf("a replay: %d", got.Code)
			}
		}
		synctest.Wait()
		if again.Session() == nil {
			t.Error("a replayed event ended a session that began after it")
		}
	})
}

// TestTryAgain: what could not be carried out everywhere is not acknowledged, and
// carried out when it comes again.
func TestTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, err := signals.SharedSignals(w.nodes[0].Registry(), options(signals.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		w.store.mu.Lock()
		w.store.err = errors.New("lost")
		w.store.mu.Unlock()
		set := key.Mint(secevent, claims(sessionRevoked, object{}, nil))
		if got := push(h, set); got.Code != 503 || got.Header().Get("Retry-After") == "" {
			t.Errorf("without the store: %d", got.Code)
		}
		w.store.mu.Lock()
		w.store.err = nil
		w.store.mu.Unlock()
		if got := push(h, set); got.Code != 202 {
			t.Errorf("with it again: %d %s", got.Code, got.Body)
		}
		w.expect(false, true)
	})
}

// TestLogged: the log tells how many sessions an event ended on this node.
func TestLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := newWorld(t)
		if _, err := w.connect(w.nodes[0], verifiertest.Claims{"sub": "ada"}); err != nil {
			t.Fatal(err)
		}
		o := options(signals.Options{})
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		h, err := signals.SharedSignals(w.nodes[0].Registry(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"sessions=2", "sessions=0"} {
			log.Reset()
			push(h, key.Mint(secevent, claims(sessionRevoked, object{}, nil)))
			time.Sleep(time.Second)
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log is %q, want %s", log.String(), want)
			}
		}
	})
}

func TestMisuse(t *testing.T) {
	r := socketio.NewRegistry(nil)
	full := signals.Options{Keys: idp, Issuer: issuer, Audience: audience}
	change := func(f func(*signals.Options)) *signals.Options {
		o := full
		f(&o)
		return &o
	}
	for name, make := range map[string]func() error{
		"SharedSignals: the registry is nil": func() error { _, err := signals.SharedSignals(nil, &full); return err },
		"SharedSignals: Keys is nil":         func() error { _, err := signals.SharedSignals(r, nil); return err },
		"Keys is nil": func() error {
			_, err := signals.SharedSignals(r, change(func(o *signals.Options) { o.Keys = nil }))
			return err
		},
		"SharedSignals needs an Issuer": func() error {
			_, err := signals.SharedSignals(r, change(func(o *signals.Options) { o.Issuer = "" }))
			return err
		},
		"GlobalTokenRevocation needs an Issuer and an Audience": func() error {
			_, err := signals.GlobalTokenRevocation(r, change(func(o *signals.Options) { o.Audience = "" }))
			return err
		},
		"TokenLifetime is -1ns": func() error {
			_, err := signals.SharedSignals(r, change(func(o *signals.Options) { o.TokenLifetime = -1 }))
			return err
		},
		"TokenIssuers has an empty one": func() error {
			_, err := signals.SharedSignals(r, change(func(o *signals.Options) { o.TokenIssuers = []string{""} }))
			return err
		},
		"GlobalTokenRevocation: the registry is nil": func() error { _, err := signals.GlobalTokenRevocation(nil, &full); return err },
		"GlobalTokenRevocation: Keys is nil":         func() error { _, err := signals.GlobalTokenRevocation(r, nil); return err },
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
	}
}
