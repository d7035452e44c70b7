package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const logoutSecret = "a secret that logout tokens are signed by"

// logoutClaims are those of a good logout token; nil takes one away.
func logoutClaims(changes map[string]any) string {
	c := map[string]any{
		"iss": "issuer", "aud": "chat", "sub": "alice", "sid": "s1", "jti": "logout-1",
		"iat": time.Now().Unix(), "exp": time.Now().Add(2 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func newLogout(t *testing.T, r *socketio.Registry) http.Handler {
	t.Helper()
	return newLogoutBy(t, r, verifier.Issuer("issuer"), verifier.Audience("chat"), verifier.Type("logout+jwt", "JWT"))
}

func newLogoutBy(t *testing.T, r *socketio.Registry, options ...verifier.Option) http.Handler {
	t.Helper()
	return newLogoutOf(t, r, &socketio.LogoutOptions{TokenLifetime: time.Hour, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, options...)
}

// newLogoutWith is newLogout with what reports.
func newLogoutWith(t *testing.T, r *socketio.Registry, log io.Writer, observe func(*verifier.Token, int)) http.Handler {
	t.Helper()
	return newLogoutOf(t, r, &socketio.LogoutOptions{TokenLifetime: time.Hour, Logger: slog.New(slog.NewTextHandler(log, nil)), Observe: observe},
		verifier.Issuer("issuer"), verifier.Audience("chat"), verifier.Type("logout+jwt"))
}

func newLogoutOf(t *testing.T, r *socketio.Registry, o *socketio.LogoutOptions, options ...verifier.Option) http.Handler {
	t.Helper()
	k, err := verifier.NewKey([]byte(logoutSecret), verifier.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(verifier.KeyProviderFunc(func(_ context.Context, u *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		if u.Header.KeyID == "outage" {
			return nil, errors.New("10.0.0.1 is down")
		}
		return []*verifier.Key{k}, nil
	}), options...)
	if err != nil {
		t.Fatal(err)
	}
	h, err := socketio.BackChannelLogout(v, r, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func post(h http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/logout", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestBackChannelLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLive(t)
		h := newLogout(t, a.Registry())
		people := []string{"alice jti=1 sid=s1", "alice jti=2 sid=s2", "bob jti=3 sid=s3", "alice jti=4 sid=s1 iss=other"}
		var guards []*socketio.Guard
		for _, w := range people {
			g, _ := enter(t, a, "/", w)
			guards = append(guards, g)
		}
		logout := func(changes map[string]any, left string) {
			t.Helper()
			w := post(h, url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(changes))}})
			if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || w.Body.Len() != 0 {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if got := ids(a.Registry(), socketio.Filter{}); got != left {
				t.Errorf("left are %s, want %s", got, left)
			}
		}
		logout(map[string]any{"jti": "x"}, "/2 /3 /4")
		logout(map[string]any{"jti": "y", "sid": nil}, "/3 /4")
		// The old tokens stay out, by sid for good, by sub for those of before.
		for word, want := range map[string]bool{"alice sid=s1": false, "alice sid=s9 iat=-1": false, "alice sid=s9 iat=1": true, "bob": true} {
			g, s := enter(t, a, "/", word)
			if (g.Session() != nil) != want {
				t.Errorf("%s: %q", word, s.log)
			}
			g.Closed()
		}
		for _, g := range guards {
			g.Closed()
		}
	})
}

func TestBackChannelLogoutRefuses(t *testing.T) {
	good := func(changes map[string]any) url.Values {
		return url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(changes))}}
	}
	const event = "http://schemas.openid.net/event/backchannel-logout"
	noEvent := "events must have the member " + event + ", an object"
	tests := []struct {
		name string
		form url.Values
		want string
	}{
		{"nothing", url.Values{}, "the logout request is invalid"},
		{"two tokens", url.Values{"logout_token": {"a", "b"}}, "the logout request is invalid"},
		{"no token", url.Values{"logout_token": {"x"}}, "jwt malformed"},
		{"another signature", url.Values{"logout_token": {mint("another secret, of thirty-two bytes at least", logoutClaims(nil))}}, "invalid signature"},
		{"no signature", url.Values{"logout_token": {"eyJhbGciOiJub25lIn0." + strings.Split(mint("x", logoutClaims(nil)), ".")[1] + "."}}, "jwt signature is required"},
		{"typ of an access token", url.Values{"logout_token": {mintTyped(logoutSecret, "at+jwt", logoutClaims(nil))}}, "jwt typ invalid"},
		{"another issuer", good(map[string]any{"iss": "evil"}), "jwt issuer invalid. expected: issuer"},
		{"no issuer", good(map[string]any{"iss": nil}), "jwt issuer invalid. expected: issuer"},
		{"another audience", good(map[string]any{"aud": "shop"}), "jwt audience invalid. expected: chat"},
		{"no audience", good(map[string]any{"aud": nil}), "jwt audience invalid. expected: chat"},
		{"not yet valid", good(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "jwt not active"},
		{"expired", good(map[string]any{"exp": 1}), "jwt expired"},
		{"no exp", good(map[string]any{"exp": nil}), "exp is required"},
		{"no iat", good(map[string]any{"iat": nil}), "iat is required"},
		{"no jti", good(map[string]any{"jti": nil}), "jti is required"},
		{"nobody", good(map[string]any{"sub": nil, "sid": nil}), "sub or sid is required"},
		{"a nonce", good(map[string]any{"nonce": "n"}), "nonce is prohibited"},
		{"no events", good(map[string]any{"events": nil}), noEvent},
		{"events of another type", good(map[string]any{"events": []string{event}}), noEvent},
		{"another event", good(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}}), noEvent},
		{"an event that is not an object", good(map[string]any{"events": map[string]any{event: "x"}}), noEvent},
		{"an event that is null", good(map[string]any{"events": map[string]any{event: nil}}), noEvent},
		{"too much", url.Values{"logout_token": {strings.Repeat("x", 100_000)}}, "the logout request is invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newLive(t)
				g, s := join(t, a, "alice sid=s1")
				defer g.Closed()
				w := post(newLogout(t, a.Registry()), test.form)
				var answer struct {
					Error, Description string
				}
				body := strings.Replace(w.Body.String(), "error_description", "description", 1)
				if err := json.Unmarshal([]byte(body), &answer); err != nil {
					t.Fatal(err, w.Body)
				}
				if w.Code != http.StatusBadRequest || w.Header().Get("Cache-Control") != "no-store" || answer.Error != "invalid_request" || answer.Description != test.want {
					t.Errorf("%d %s, want %q", w.Code, w.Body, test.want)
				}
				s.want(t)
			})
		})
	}

	t.Run("a replay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h, form := newLogout(t, socketio.NewRegistry(nil)), good(nil)
			if w := post(h, form); w.Code != http.StatusOK {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w := post(h, form); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "received before") {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			// Another issuer's jti is another one.
			for i := range 100 {
				if w := post(h, good(map[string]any{"jti": fmt.Sprint(i)})); w.Code != http.StatusOK {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	})
	t.Run("a store out of reach", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			store := newMemoryStore()
			store.lose(errors.New("10.0.0.1 is down"))
			r := socketio.NewRegistry(&socketio.RegistryOptions{Store: store, FailOpen: true})
			defer r.Close()
			a := newLive(t, socketio.WithRegistry(r))
			_, s := join(t, a, "alice sid=s1")
			h := newLogout(t, r)
			for range 2 { // it may be sent again
				w := post(h, good(nil))
				if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "temporarily_unavailable") || strings.Contains(w.Body.String(), "10.0.0.1") {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			s.want(t, revoked, "close")
		})
	})
	t.Run("not posted", func(t *testing.T) {
		w := httptest.NewRecorder()
		newLogout(t, socketio.NewRegistry(nil)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/logout?logout_token=x", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
	t.Run("no verifier", func(t *testing.T) {
		if _, err := socketio.BackChannelLogout(nil, socketio.NewRegistry(nil), nil); err == nil {
			t.Error("accepted")
		}
	})
}

// TestBackChannelLogoutEverywhere: the provider tells one process, and the
// sessions of all end.
func TestBackChannelLogoutEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		here := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
		there := socketio.NewRegistry(&socketio.RegistryOptions{Store: store})
		defer here.Close()
		defer there.Close()
		synctest.Wait()
		a := newLive(t, socketio.WithRegistry(there))
		_, alice := join(t, a, "alice sid=s1")
		g, bob := join(t, a, "bob sid=s2")
		defer g.Closed()
		w := post(newLogout(t, here), url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(nil))}})
		if w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		alice.want(t, revoked, "close")
		bob.want(t)
	})
}

// TestBackChannelLogoutByALaxVerifier: what section 2.6 asks for is asked for
// whatever the verifier was told.
func TestBackChannelLogoutByALaxVerifier(t *testing.T) {
	r := newLive(t).Registry()
	h := newLogoutBy(t, r, verifier.Type("logout+jwt"))
	for claim, want := range map[string]string{"iss": "iss is required", "aud": "aud is required"} {
		w := post(h, url.Values{"logout_token": {mintTyped(logoutSecret, "logout+jwt", logoutClaims(map[string]any{claim: nil}))}})
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"`+want+`"`) {
			t.Errorf("without %s: %d %s", claim, w.Code, w.Body)
		}
	}
	if n := r.Revocations(); n != 0 {
		t.Errorf("%d revocations", n)
	}
}
