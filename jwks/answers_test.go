package jwks_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// TestFaultsG3WebPage: the error of an answer that is a web page says so.
func TestFaultsG3WebPage(t *testing.T) {
	for name, address := range map[string]func(*verifiertest.Issuer) (*jwks.Provider, error){
		"set": func(i *verifiertest.Issuer) (*jwks.Provider, error) {
			return jwks.URL(i.JWKSURL(), jwks.HTTPClient(i.Client()), jwks.WithLogger(quiet))
		},
		"metadata": func(i *verifiertest.Issuer) (*jwks.Provider, error) {
			return jwks.OIDC(i.URL(), jwks.HTTPClient(i.Client()), jwks.WithLogger(quiet))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			issuer := verifiertest.NewIssuer("https://issuer.test/")
			issuer.Break(verifiertest.Body("text/html; charset=utf-8", "<html>sign in</html>"))
			_, err := newVerifier(t, made(t)(address(issuer))).Verify(t.Context(), issuer.Token(nil))
			refusedFor(t, name, err, verifier.ErrKeysUnavailable)
			if !strings.Contains(err.Error(), `the answer is a web page ("text/html; charset=utf-8")`) {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}

// TestFaultsG4TrustedHTTP: http is trusted at the hosts that an option names, and
// nowhere else.
func TestFaultsG4TrustedHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := verifiertest.NewIssuer("http://keycloak:8080/realms/staff")
		v := newVerifier(t, made(t)(jwks.OIDC(issuer.URL(), jwks.InsecureAllowHTTP("keycloak"), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet))))
		if _, err := v.Verify(t.Context(), issuer.Token(nil)); err != nil {
			t.Error(err)
		}
		// Nor does the issuer lead elsewhere.
		issuer.Announce(verifiertest.Claims{"jwks_uri": "http://elsewhere:8080/jwks"})
		v = newVerifier(t, made(t)(jwks.OIDC(issuer.URL(), jwks.InsecureAllowHTTP("keycloak"), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet))))
		_, err := v.Verify(t.Context(), issuer.Token(nil))
		refusedFor(t, "a jwks_uri elsewhere", err, verifier.ErrKeysUnavailable)
	})
	for _, tt := range []struct {
		address string
		hosts   []string
		says    string // "" if it is allowed
	}{
		{"http://keycloak:8080/jwks", []string{"keycloak:8080"}, ""},
		{"http://Keycloak/jwks", []string{"keycloak"}, ""},
		{"http://keycloak/jwks", []string{"KEYCLOAK"}, ""},
		{"http://10.0.0.7:9000/jwks", []string{"dex", "10.0.0.7"}, ""},
		{"http://[fd00::7]:9000/jwks", []string{"[fd00::7]"}, ""},
		{"http://localhost:1/jwks", []string{"keycloak"}, ""},
		{"http://keycloak:8080/jwks", []string{"keycloak:8081"}, "expected https"},
		{"http://keycloak:8080/jwks", []string{"cloak"}, "expected https"},
		{"http://keycloak.evil.test/jwks", []string{"keycloak"}, "expected https"},
		{"http://evil.test/keycloak", []string{"keycloak"}, `InsecureAllowHTTP("evil.test") allows it`},
		{"http://keycloak@evil.test/", []string{"keycloak"}, "expected https"},
		{"http://keycloak/", []string{"*"}, `"*" is not a host`},
		{"http://keycloak/", []string{""}, `"" is not a host`},
		{"http://keycloak/", []string{"http://keycloak"}, "is not a host"},
		{"http://keycloak/", []string{"keycloak/"}, "is not a host"},
		{"http://keycloak/", []string{"a@keycloak"}, "is not a host"},
	} {
		_, err := jwks.URL(tt.address, jwks.InsecureAllowHTTP(tt.hosts...))
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s, %q: got %v, want %q", tt.address, tt.hosts, err, tt.says)
		}
	}
}

// TestFaultsG5MetadataURL: the metadata may be elsewhere, and the issuer stays what
// tokens say.
func TestFaultsG5MetadataURL(t *testing.T) {
	for _, tt := range []struct{ name, issuer, at, calls string }{
		{"compose", "https://login.example.com/realms/a", "https://keycloak:8443/realms/a", "https://keycloak:8443/realms/a"},
		{"a proxy", "https://login.example.com/realms/a", "https://keycloak:8443/realms/a", "https://login.example.com/realms/a"},
		{"Azure AD B2C", "https://contoso.b2clogin.com/11111111-2222-3333-4444-555555555555/v2.0/", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/v2.0", "https://contoso.b2clogin.com/11111111-2222-3333-4444-555555555555/v2.0/"},
		{"AD FS", "http://adfs.example.com/adfs/services/trust", "https://adfs.example.com/adfs", "https://adfs.example.com/adfs"},
		{"no URL at all", "internal", "https://sts.example.com/", "internal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := verifiertest.NewIssuer(tt.at)
				issuer.Announce(verifiertest.Claims{"issuer": tt.calls})
				p := made(t)(jwks.OIDC(tt.issuer, jwks.MetadataURL(strings.TrimSuffix(tt.at, "/")+"/.well-known/openid-configuration"), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet)))
				v := newVerifier(t, p)
				if _, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": tt.issuer})); err != nil {
					t.Error(err)
				}
				_, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": tt.issuer + "x"}))
				refusedFor(t, "another iss", err, verifier.ErrIssuerMismatch)
				if n := len(issuer.Requests()); n != 2 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
	for says, f := range map[string]func() (*jwks.Provider, error){
		"MetadataURL: the address is empty": func() (*jwks.Provider, error) { return jwks.OIDC("https://a.test/", jwks.MetadataURL("")) },
		"MetadataURL: http://a.test/ is http": func() (*jwks.Provider, error) {
			return jwks.OIDC("https://a.test/", jwks.MetadataURL("http://a.test/"))
		},
		`the issuer is ""`: func() (*jwks.Provider, error) { return jwks.OIDC("", jwks.MetadataURL("https://a.test/")) },
		"MetadataURL is only for OIDC": func() (*jwks.Provider, error) {
			return jwks.URL("https://a.test/", jwks.MetadataURL("https://a.test/"))
		},
		"RequestHeader: the function is nil": func() (*jwks.Provider, error) { return jwks.URL("https://a.test/", jwks.RequestHeader(nil)) },
		"expected an address that ends":      func() (*jwks.Provider, error) { return jwks.PEMByKID("https://a.test/keys") },
		"WithStore is for sets":              func() (*jwks.Provider, error) { return jwks.PEMByKID("https://a.test/", jwks.WithStore(newStore())) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// TestFaultsG6LyingETag: an issuer that says "not modified" forever neither hides a new
// key nor keeps an old one.
func TestFaultsG6LyingETag(t *testing.T) {
	lies := func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"always"`)
		serve(w, r)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Break(lies)
		w.good("at first")
		w.issuer.Rotate(unpublished("key-2"))
		w.good("a new key")
		w.issuer.Withdraw("key-1")
		began := time.Now()
		for w.verify(w.issuer.TokenBy(w.key, nil, nil), "192.0.2.1:1000") == nil && time.Since(began) < time.Hour {
			time.Sleep(10 * time.Second)
		}
		if took := time.Since(began); took > 20*time.Minute {
			t.Errorf("the withdrawn key was used for %v", took)
		}
		if w.provider.Stats().NotModified == 0 {
			t.Error("an ETag is never sent")
		}
	})
	synctest.Test(t, func(t *testing.T) { // a store hands the lie on
		shared := newStore()
		w := newWorld(t, jwks.WithStore(shared))
		w.issuer.Break(lies)
		w.good("at first")
		w.issuer.Withdraw("key-1")
		began := time.Now()
		for time.Since(began) < time.Hour {
			w.verifier = w.verifierOf(w.another(jwks.WithStore(shared))) // one that starts
			if w.verify(w.issuer.TokenBy(w.key, nil, nil), "192.0.2.1:1000") != nil {
				break
			}
			synctest.Wait()
			time.Sleep(time.Minute)
		}
		if took := time.Since(began); took > 20*time.Minute {
			t.Errorf("the withdrawn key was used for %v", took)
		}
	})
}

// TestFaultsG7RetryAfter: an issuer that asks for a pause gets one, up to a bound.
func TestFaultsG7RetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "date": 2 * time.Minute, "999999999": 15 * time.Minute, "99999999999999999999999": 15 * time.Minute,
		"": 5 * time.Second, "0": 5 * time.Second, "-5": 5 * time.Second, "soon": 5 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			if value == "date" {
				value = time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat)
			}
			w.issuer.Break(func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				rw.Header().Set("Retry-After", value)
				rw.WriteHeader(http.StatusServiceUnavailable)
			})
			w.refused("at first", w.key, verifier.ErrKeysUnavailable)
			time.Sleep(want - time.Second)
			w.refused("before the time", w.key, verifier.ErrKeysUnavailable)
			w.fetched(1)
			time.Sleep(want/2 + time.Second) // spread, where the pause is ours
			w.refused("after it", w.key, verifier.ErrKeysUnavailable)
			w.fetched(2)
		})
	}
}

// TestFaultsG7KeySetMovesQuietly: a jwks_uri that moved is found though the old place
// still answers.
func TestFaultsG7KeySetMovesQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, moved := verifiertest.NewIssuer("https://issuer.test/"), verifiertest.NewIssuer("https://keys.test/")
		v := newVerifier(t, made(t)(jwks.OIDC(old.URL(), jwks.HTTPClient(verifiertest.Client(old, moved)), jwks.WithLogger(quiet))))
		if _, err := v.Verify(t.Context(), old.Token(nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		old.Announce(verifiertest.Claims{"jwks_uri": moved.JWKSURL()})
		next := unpublished("key-2")
		moved.Publish(next)
		if _, err := v.Verify(t.Context(), old.TokenBy(next, nil, nil)); err != nil {
			t.Errorf("a key at the new place: %v", err)
		}
		// Metadata that cannot be fetched does not hide a set that can.
		old.Break(verifiertest.Status(500))
		time.Sleep(2 * time.Hour)
		if _, err := v.Verify(t.Context(), old.TokenBy(next, nil, nil)); err != nil {
			t.Errorf("without metadata: %v", err)
		}
	})
}

// TestTooManyKeys: a member of another name does not hide how many there are.
func TestTooManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		text := encode(t, slices.Repeat([]any{w.key.JWK()}, 101))
		w.issuer.Break(verifiertest.Body("application/json", `{"keys":`+text+`,"KEYS":[]}`))
		err := w.verify(w.issuer.Token(nil), "")
		refusedFor(t, "101 keys", err, verifier.ErrKeysUnavailable)
	})
}
