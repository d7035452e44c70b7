package signals_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio/signals"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// assertion is a JWT as Okta's Universal Logout sends it; nil removes a claim.
func assertion(k *verifiertest.Key, header verifiertest.Claims, more object) string {
	now := time.Now()
	claims := object{
		"iss": issuer, "sub": "client-7", "aud": audience, "jti": fmt.Sprint("jti-", now.UnixNano()),
		"iat": now.Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for name, value := range more {
		if value == nil {
			delete(claims, name)
		} else {
			claims[name] = value
		}
	}
	full := verifiertest.Claims{"typ": "global-token-revocation+jwt"}
	for name, value := range header {
		full[name] = value
	}
	return k.Mint(full, claims)
}

// request asks for a revocation.
func request(h http.Handler, authorization string, body any, headers ...string) *httptest.ResponseRecorder {
	text, ok := body.(string)
	if !ok {
		b, _ := json.Marshal(body)
		text = string(b)
	}
	r := httptest.NewRequest("POST", "/global-token-revocation", strings.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func about(sub string) object {
	return object{"sub_id": object{"format": "iss_sub", "iss": issuer, "sub": sub}}
}

// TestGlobalTokenRevocation: the user's sessions end on both nodes; a login afterwards
// is good.
func TestGlobalTokenRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, err := signals.GlobalTokenRevocation(w.nodes[0].Registry(), options(signals.Options{Caller: "client-7"}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		jwt := "Bearer " + assertion(key, nil, nil)
		if got := request(h, jwt, about("ada")); got.Code != 204 || got.Body.Len() > 0 {
			t.Errorf("the answer is %d %s", got.Code, got.Body)
		}
		w.expect(false, true)
		time.Sleep(2 * time.Second)
		again, err := w.connect(w.nodes[1], verifiertest.Claims{"sub": "ada"})
		if err != nil {
			t.Fatal(err)
		}

		// The same request again is the same one; another one with the JWT is a theft.
		if got := request(h, jwt, about("ada")); got.Code != 204 {
			t.Errorf("the same request again: %d", got.Code)
		}
		synctest.Wait()
		if again.Session() == nil {
			t.Error("the same request ended a session that began after it")
		}
		if got := request(h, jwt, about("bob")); got.Code != 401 {
			t.Errorf("another request with the same JWT: %d", got.Code)
		}
		w.expect(false, true)

		// A token that was issued before the request, and after the JWT, is refused.
		jwt = "Bearer " + assertion(key, nil, nil)
		time.Sleep(time.Minute)
		if got := request(h, jwt, about("ada")); got.Code != 204 {
			t.Errorf("another request: %d", got.Code)
		}
		synctest.Wait()
		if again.Session() != nil {
			t.Error("a session that began before the request stays")
		}
	})
}

// TestRefusedRequests: every check has a row, and what is refused ends nothing.
func TestRefusedRequests(t *testing.T) {
	for _, row := range []struct {
		name    string
		more    object // claims of the JWT
		header  verifiertest.Claims
		key     *verifiertest.Key
		scheme  string // "Bearer " by default
		opts    signals.Options
		body    any // Ada by default
		headers []string
		status  int
	}{
		{name: "another key", key: other, status: 401},
		{name: "alg none", header: verifiertest.Claims{"alg": "none"}, status: 401},
		{name: "another type of JWT", header: verifiertest.Claims{"typ": "JWT"}, status: 401},
		{name: "an access token", header: verifiertest.Claims{"typ": "at+jwt"}, status: 401},
		{name: "a security event", header: verifiertest.Claims{"typ": "secevent+jwt"}, status: 401},
		{name: "no type", header: verifiertest.Claims{"typ": nil}, status: 401},
		{name: "another issuer", more: object{"iss": "https://evil.example/"}, status: 401},
		{name: "no issuer", more: object{"iss": nil}, status: 401},
		{name: "another endpoint", more: object{"aud": "https://mail.example/revoke"}, status: 401},
		{name: "no audience", more: object{"aud": nil}, status: 401},
		{name: "expired", more: object{"exp": 946684700, "iat": 946684600, "nbf": nil}, status: 401}, // synctest begins in 2000
		{name: "no exp", more: object{"exp": nil}, status: 401},
		{name: "no iat", more: object{"iat": nil}, status: 401},
		{name: "no jti", more: object{"jti": nil}, status: 401},
		{name: "no caller", more: object{"sub": nil}, status: 401},
		{name: "not yet valid", more: object{"nbf": 4102444800}, status: 401},
		{name: "another caller", opts: signals.Options{Caller: "client-8"}, status: 401},
		{name: "another scheme", scheme: "Basic ", status: 401},
		{name: "no authorization", scheme: "none", status: 401},

		{name: "another content type", headers: []string{"Content-Type", "text/plain"}, status: 400},
		{name: "no JSON", body: "ada", status: 400},
		{name: "a list", body: []any{}, status: 400},
		{name: "no sub_id", body: object{}, status: 400},
		{name: "sub_id is null", body: `{"sub_id":null}`, status: 400},
		{name: "sub_id is a string", body: object{"sub_id": "ada"}, status: 400},
		{name: "no format", body: object{"sub_id": object{"iss": issuer, "sub": "ada"}}, status: 400},
		{name: "no sub", body: object{"sub_id": object{"format": "iss_sub", "iss": issuer}}, status: 400},
		{name: "a format that nobody resolves", body: object{"sub_id": object{"format": "email", "email": "ada@example.com"}}, status: 400},
		{name: "somebody who is not known here", opts: signals.Options{Resolve: nobody}, body: object{"sub_id": object{"format": "email", "email": "eve@example.com"}}, status: 404},
		{name: "the directory is down", opts: signals.Options{Resolve: down}, body: object{"sub_id": object{"format": "email", "email": "ada@example.com"}}, status: 503},
		{name: "a format whose members nobody reads", opts: signals.Options{Resolve: everybody}, body: object{"sub_id": object{"format": "saml_assertion_id", "issuer": issuer, "assertion_id": "7"}}, status: 400},
		{name: "email without one", opts: signals.Options{Resolve: everybody}, body: object{"sub_id": object{"format": "email"}}, status: 400},
		{name: "an empty opaque id", body: object{"sub_id": object{"format": "opaque", "id": ""}}, status: 400},
		{name: "another issuer's user", body: object{"sub_id": object{"format": "iss_sub", "iss": "https://partner.example/", "sub": "ada"}}, status: 403},
		{name: "a body that is too large", body: strings.Repeat(" ", 70<<10), status: 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				h, err := signals.GlobalTokenRevocation(w.nodes[0].Registry(), options(row.opts))
				if err != nil {
					t.Fatal(err)
				}
				if row.key == nil {
					row.key = key
				}
				if row.body == nil {
					row.body = about("ada")
				}
				authorization := "Bearer " + assertion(row.key, row.header, row.more)
				switch row.scheme {
				case "none":
					authorization = ""
				case "":
				default:
					authorization = row.scheme + assertion(row.key, row.header, row.more)
				}
				got := request(h, authorization, row.body, row.headers...)
				if got.Code != row.status {
					t.Errorf("the answer is %d %s, want %d", got.Code, got.Body, row.status)
				}
				if challenge := got.Header().Get("WWW-Authenticate"); (got.Code == 401) != (challenge != "") {
					t.Errorf("WWW-Authenticate is %q", challenge)
				}
				w.expect(true, true)
			})
		})
	}
}

func nobody(context.Context, signals.Subject) ([]string, error) { return nil, nil }

func down(context.Context, signals.Subject) ([]string, error) { return nil, errors.New("down") }

// TestTokenInQuery: a JWT in the URL, where logs have it, authenticates nothing.
func TestTokenInQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h, err := signals.GlobalTokenRevocation(w.nodes[0].Registry(), options(signals.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/?token="+assertion(key, nil, nil), strings.NewReader(`{"sub_id":{"format":"opaque","id":"ada"}}`))
		r.Header.Set("Content-Type", "application/json")
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if got.Code != 401 {
			t.Errorf("the answer is %d", got.Code)
		}
		got = httptest.NewRecorder()
		h.ServeHTTP(got, httptest.NewRequest("GET", "/", nil))
		if got.Code != 405 {
			t.Errorf("GET: %d", got.Code)
		}
		w.expect(true, true)
	})
}

// TestSharedSecret: requests are signed by an asymmetric key; a secret that signs them
// as well is refused, by the constructor or for each request.
func TestSharedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		shared := verifiertest.NewKey(verifier.HS256, "key-1")
		h, err := signals.GlobalTokenRevocation(w.nodes[0].Registry(), &signals.Options{
			Keys: verifiertest.NewIssuer(issuer, shared), Issuer: issuer, Audience: audience, Logger: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := request(h, "Bearer "+assertion(shared, nil, nil), about("ada")); got.Code != 401 {
			t.Errorf("the answer is %d %s", got.Code, got.Body)
		}
		w.expect(true, true)
		set, err := keys.Secret(shared.Material().([]byte))
		if err != nil {
			t.Fatal(err)
		}
		_, err = signals.GlobalTokenRevocation(w.nodes[0].Registry(), &signals.Options{Keys: set, Issuer: issuer, Audience: audience})
		if err == nil || !strings.Contains(err.Error(), "HS256") {
			t.Errorf("a set of secrets: %v", err)
		}
	})
}
