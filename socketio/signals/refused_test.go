package signals_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/signals"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestRefusedEvents: every check of the specifications has a row, and what is refused
// ends nothing.
func TestRefusedEvents(t *testing.T) {
	ada := object{"format": "iss_sub", "iss": issuer, "sub": "ada"}
	stream := object{"format": "opaque", "id": "stream-1"}
	anybody := func(context.Context, signals.Subject) ([]string, error) { return []string{"ada"}, nil }
	for _, row := range []struct {
		name    string
		event   string // session-revoked by default
		fields  object
		more    object // claims; nil removes one
		header  verifiertest.Claims
		key     *verifiertest.Key
		opts    signals.Options
		headers []string
		body    string
		err     string
	}{
		// RFC 8935 §2.1, RFC 8417
		{name: "another content type", headers: []string{"Content-Type", "application/json"}, err: "invalid_request"},
		{name: "no content type", headers: []string{"Content-Type", ""}, err: "invalid_request"},
		{name: "no SET", body: "hello", err: "invalid_request"},
		{name: "a body that is too large", body: strings.Repeat("a", 70<<10), err: "invalid_request"},
		{name: "another key", key: other, err: "invalid_key"},
		{name: "alg none", header: verifiertest.Claims{"alg": "none"}, err: "invalid_key"},
		{name: "another issuer", more: object{"iss": "https://evil.example/"}, err: "invalid_issuer"},
		{name: "no issuer", more: object{"iss": nil}, err: "invalid_issuer"},
		{name: "another audience", more: object{"aud": "https://mail.example"}, err: "invalid_audience"},
		{name: "no audience", more: object{"aud": nil}, err: "invalid_audience"},
		{name: "no jti", more: object{"jti": nil}, err: "invalid_request"},
		{name: "no iat", more: object{"iat": nil}, err: "invalid_request"},
		{name: "no events", more: object{"events": nil}, err: "invalid_request"},
		{name: "an empty events", more: object{"events": object{}}, err: "invalid_request"},
		{name: "events is a list", more: object{"events": []any{}}, err: "invalid_request"},
		{name: "an event is not an object", more: object{"events": object{sessionRevoked: "now"}}, err: "invalid_request"},
		{name: "an event is null", more: object{"events": object{sessionRevoked: json.RawMessage("null")}}, err: "invalid_request"},
		{name: "an event twice", more: object{"events": json.RawMessage(`{"` + sessionRevoked + `":{},"` + sessionRevoked + `":{}}`)}, err: "invalid_request"},
		{name: "not yet valid", more: object{"nbf": time.Now().Add(time.Hour).Unix()}, err: "invalid_request"},

		// SSF 1.0 §4.1
		{name: "the type of other JWTs", header: verifiertest.Claims{"typ": "JWT"}, err: "invalid_request"},
		{name: "an access token", header: verifiertest.Claims{"typ": "at+jwt"}, err: "invalid_request"},
		{name: "a logout token", header: verifiertest.Claims{"typ": "logout+jwt"}, err: "invalid_request"},
		{name: "no type", header: verifiertest.Claims{"typ": nil}, err: "invalid_request"},
		{name: "sub beside sub_id", more: object{"sub": "ada"}, err: "invalid_request"},
		{name: "exp", more: object{"exp": time.Now().Add(time.Hour).Unix()}, err: "invalid_request"},
		{name: "two events", more: object{"events": object{sessionRevoked: object{}, tokenClaimsChange: object{"claims": object{"a": 1}}}}, err: "invalid_request"},
		{name: "no sub_id", more: object{"sub_id": nil}, err: "invalid_request"},

		// SSF 1.0 §3, RFC 9493
		{name: "sub_id is a string", more: object{"sub_id": "ada"}, err: "invalid_request"},
		{name: "sub_id without a format", more: object{"sub_id": object{"iss": issuer, "sub": "ada"}}, err: "invalid_request"},
		{name: "iss_sub without sub", more: object{"sub_id": object{"format": "iss_sub", "iss": issuer}}, err: "invalid_request"},
		{name: "iss_sub with an empty sub", more: object{"sub_id": object{"format": "iss_sub", "iss": issuer, "sub": ""}}, err: "invalid_request"},
		{name: "iss_sub with a number", more: object{"sub_id": object{"format": "iss_sub", "iss": issuer, "sub": 7}}, err: "invalid_request"},
		{name: "iss_sub without iss", more: object{"sub_id": object{"format": "iss_sub", "sub": "ada"}}, err: "invalid_request"},
		{name: "another issuer's user", more: object{"sub_id": object{"format": "iss_sub", "iss": "https://partner.example/", "sub": "ada"}}, err: "access_denied"},
		{name: "another issuer's token", more: object{"sub_id": object{"format": "jwt_id", "iss": "https://partner.example/", "jti": "jti-ada"}}, err: "access_denied"},
		{name: "another issuer's user, complex", more: object{"sub_id": object{"format": "complex", "user": object{"format": "iss_sub", "iss": "https://partner.example/", "sub": "ada"}}}, err: "access_denied"},
		{name: "a format that nobody resolves", more: object{"sub_id": object{"format": "email", "email": "ada@example.com"}}, err: "invalid_request"},
		{name: "email without one", more: object{"sub_id": object{"format": "email"}}, err: "invalid_request"},
		{name: "phone_number without one", more: object{"sub_id": object{"format": "phone_number"}}, err: "invalid_request"},
		{name: "a phone number without its country", more: object{"sub_id": object{"format": "phone_number", "phone_number": "01234"}}, opts: signals.Options{Resolve: everybody}, err: "invalid_request"},
		{name: "account without a URI", more: object{"sub_id": object{"format": "account"}}, err: "invalid_request"},
		{name: "an account by another URI", more: object{"sub_id": object{"format": "account", "uri": "mailto:ada@example.com"}}, opts: signals.Options{Resolve: everybody}, err: "invalid_request"},
		{name: "uri without one", more: object{"sub_id": object{"format": "uri"}}, err: "invalid_request"},
		{name: "did without one", more: object{"sub_id": object{"format": "did"}}, err: "invalid_request"},
		{name: "a DID by another URL", more: object{"sub_id": object{"format": "did", "url": "https://example.com/ada"}}, opts: signals.Options{Resolve: everybody}, err: "invalid_request"},
		{name: "opaque without id", more: object{"sub_id": object{"format": "opaque"}}, err: "invalid_request"},
		{name: "jwt_id without iss", more: object{"sub_id": object{"format": "jwt_id", "jti": "jti-ada"}}, err: "invalid_request"},
		{name: "jwt_id without jti", more: object{"sub_id": object{"format": "jwt_id", "iss": issuer}}, err: "invalid_request"},
		{name: "a format whose members nobody reads", more: object{"sub_id": object{"format": "ip-addresses", "ip-addresses": []string{"192.0.2.1"}}}, opts: signals.Options{Resolve: everybody}, err: "invalid_request"},
		{name: "a critical member", more: object{"sub_id": object{"format": "complex", "user": ada, "device": object{"format": "opaque", "id": "d"}}}, opts: signals.Options{CriticalMembers: []string{"user", "device"}}, err: "invalid_request"},
		{name: "complex without user and session", more: object{"sub_id": object{"format": "complex", "tenant": object{"format": "opaque", "id": "t"}}}, err: "invalid_request"},
		{name: "complex with a user without format", more: object{"sub_id": object{"format": "complex", "user": object{"sub": "ada"}}}, err: "invalid_request"},
		{name: "empty aliases", more: object{"sub_id": object{"format": "aliases", "identifiers": []any{}}}, err: "invalid_request"},
		{name: "aliases that nobody resolves", more: object{"sub_id": object{"format": "aliases", "identifiers": []any{object{"format": "email", "email": "ada@example.com"}}}}, err: "invalid_request"},
		{name: "another issuer's user, in aliases", more: object{"sub_id": object{"format": "aliases", "identifiers": []any{object{"format": "iss_sub", "iss": "https://partner.example/", "sub": "ada"}}}}, err: "access_denied"},
		{name: "complex in aliases", more: object{"sub_id": object{"format": "aliases", "identifiers": []any{object{"format": "complex", "user": ada}}}}, err: "invalid_request"},
		{name: "identifiers are a string", more: object{"sub_id": object{"format": "aliases", "identifiers": "ada"}}, err: "invalid_request"},
		{name: "sub_id is null", more: object{"sub_id": json.RawMessage("null")}, err: "invalid_request"},
		{name: "an empty format", opts: signals.Options{Resolve: anybody}, more: object{"sub_id": object{"format": "", "sub": "ada"}}, err: "invalid_request"},
		{name: "complex with a session of an empty format", opts: signals.Options{Resolve: anybody}, more: object{"sub_id": object{"format": "complex", "session": object{"format": "", "id": "sid-ada"}}}, err: "invalid_request"},
		{name: "nested aliases", more: object{"sub_id": object{"format": "aliases", "identifiers": []any{object{"format": "aliases", "identifiers": []any{ada}}}}}, err: "invalid_request"},

		// CAEP 1.0
		{name: "a change of no type", event: credentialChange, fields: object{"credential_type": "password"}, err: "invalid_request"},
		{name: "a change of an unknown type", event: credentialChange, fields: object{"change_type": "lost", "credential_type": "password"}, err: "invalid_request"},
		{name: "a change of no credential", event: credentialChange, fields: object{"change_type": "revoke"}, err: "invalid_request"},
		{name: "claims that are none", event: tokenClaimsChange, fields: object{"claims": object{}}, err: "invalid_request"},
		{name: "no claims", event: tokenClaimsChange, fields: object{}, err: "invalid_request"},
		{name: "claims that are a list", event: tokenClaimsChange, fields: object{"claims": []string{"role"}}, err: "invalid_request"},
		{name: "a time before 1970", fields: object{"event_timestamp": -1}, err: "invalid_request"},
		{name: "the time zero", fields: object{"event_timestamp": 0}, err: "invalid_request"},
		{name: "a time that is a string", fields: object{"event_timestamp": "now"}, err: "invalid_request"},

		// SSF 1.0 §8.1.4, §8.1.5, and the stream's configuration
		{name: "another state", opts: signals.Options{VerifyState: func(s string) bool { return s == "mine" }}, event: verification, fields: object{"state": "yours"}, more: object{"sub_id": stream}, err: "invalid_state"},
		{name: "no state", opts: signals.Options{VerifyState: func(s string) bool { return s == "mine" }}, event: verification, fields: object{}, more: object{"sub_id": stream}, err: "invalid_state"},
		{name: "a state that is not a string", event: verification, fields: object{"state": 7}, more: object{"sub_id": stream}, err: "invalid_state"},
		{name: "VerifyState panics", opts: signals.Options{VerifyState: func(string) bool { panic("oops") }}, event: verification, fields: object{}, more: object{"sub_id": stream}, err: "invalid_state"},
		{name: "a verification about a user", event: verification, fields: object{}, more: object{"sub_id": ada}, err: "invalid_request"},
		{name: "a verification about no stream", event: verification, fields: object{}, more: object{"sub_id": object{"format": "opaque", "id": ""}}, err: "invalid_request"},
		{name: "a verification about a stream of another format", event: verification, fields: object{}, more: object{"sub_id": object{"format": "email", "id": "stream-1"}}, err: "invalid_request"},
		{name: "another stream", opts: signals.Options{StreamID: "stream-2"}, event: verification, fields: object{}, more: object{"sub_id": stream}, err: "invalid_request"},
		{name: "a verification without the stream's id", event: verification, fields: object{}, more: object{"sub_id": object{"format": "opaque"}}, err: "invalid_request"},
		{name: "an update about a user", event: streamUpdated, fields: object{"status": "paused"}, more: object{"sub_id": ada}, err: "invalid_request"},
		{name: "an update of another stream", opts: signals.Options{StreamID: "stream-2"}, event: streamUpdated, fields: object{"status": "paused"}, more: object{"sub_id": stream}, err: "invalid_request"},
		{name: "no status", event: streamUpdated, fields: object{}, more: object{"sub_id": stream}, err: "invalid_request"},
		{name: "a status that is none", event: streamUpdated, fields: object{"status": "gone"}, more: object{"sub_id": stream}, err: "invalid_request"},
		{name: "no Authorization header", opts: signals.Options{Authorization: "Bearer x"}, err: "authentication_failed"},
		{name: "another Authorization header", opts: signals.Options{Authorization: "Bearer x"}, headers: []string{"Authorization", "Bearer y"}, err: "authentication_failed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				h, err := signals.SharedSignals(w.nodes[0].Registry(), options(row.opts))
				if err != nil {
					t.Fatal(err)
				}
				if row.event == "" {
					row.event, row.fields = sessionRevoked, orEmpty(row.fields)
				}
				if row.key == nil {
					row.key = key
				}
				if row.body == "" {
					header := verifiertest.Claims{"typ": "secevent+jwt"}
					for name, value := range row.header {
						header[name] = value
					}
					row.body = row.key.Mint(header, claims(row.event, row.fields, row.more))
				}
				got := push(h, row.body, row.headers...)
				if got.Code != http.StatusBadRequest || errorOf(got) != row.err {
					t.Errorf("the answer is %d %s, want 400 %s", got.Code, got.Body, row.err)
				}
				if h := got.Header(); h.Get("Content-Type") != "application/json" || h.Get("Content-Language") == "" || h.Get("Cache-Control") != "no-store" {
					t.Errorf("the answer's header is %v", h)
				}
				w.expect(true, true)
			})
		})
	}
}

func everybody(context.Context, signals.Subject) ([]string, error) { return []string{"ada"}, nil }

func orEmpty(o object) object {
	if o == nil {
		return object{}
	}
	return o
}

// TestGood: what the rows of TestRefusedEvents change one thing of is accepted.
func TestGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, err := signals.SharedSignals(w.nodes[0].Registry(), options(signals.Options{Authorization: "Bearer x", StreamID: "stream-1", VerifyState: func(s string) bool { return s == "mine" }}))
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range []object{
			claims(verification, object{"state": "mine"}, object{"sub_id": object{"format": "opaque", "id": "stream-1"}, "jti": "1"}),
			claims(sessionRevoked, object{}, object{"jti": "2", "aud": []string{audience, "another"}, "txn": "7", "more": "ignored"}),
		} {
			if got := push(h, key.Mint(secevent, set), "Authorization", "Bearer x", "Content-Type", "application/secevent+jwt; charset=utf-8"); got.Code != 202 || got.Body.Len() > 0 {
				t.Errorf("the answer is %d %s", got.Code, got.Body)
			}
		}
		w.expect(false, true)
		if got := push(h, key.Mint(secevent, claims(sessionRevoked, object{"x": 1}, object{"jti": "2"})), "Authorization", "Bearer x"); got.Code != 400 {
			t.Errorf("another event with the same jti: %d", got.Code)
		}
		r := httptest.NewRecorder()
		h.ServeHTTP(r, httptest.NewRequest("GET", "/events", nil))
		if r.Code != http.StatusMethodNotAllowed || r.Header().Get("Allow") != "POST" {
			t.Errorf("GET: %d", r.Code)
		}
	})
}
