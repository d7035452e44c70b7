package verifiertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, client *http.Client, url string, header ...string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

// kinds are the ways to reach an issuer.
var kinds = map[string]func(...*verifiertest.Key) *verifiertest.Issuer{
	"memory": func(keys ...*verifiertest.Key) *verifiertest.Issuer {
		return verifiertest.NewIssuer("https://issuer.test/", keys...)
	},
	"http":  verifiertest.Serve,
	"https": verifiertest.ServeTLS,
}

func each(t *testing.T, test func(t *testing.T, issuer *verifiertest.Issuer)) {
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			issuer := start()
			defer issuer.Close()
			test(t, issuer)
		})
	}
}

func TestTokensOfEveryAlgorithm(t *testing.T) {
	for _, a := range []verifier.Algorithm{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		issuer := verifiertest.NewIssuer("https://issuer.test/", verifiertest.NewKey(a, "k"))
		v, err := verifier.New(issuer, verifier.Issuer(issuer.URL()))
		if err != nil {
			t.Fatal(err)
		}
		token, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"sub": "alice"}))
		if err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		if token.Subject != "alice" || token.Header.Algorithm != a || token.Header.KeyID != "k" || token.ExpiresAt.Sub(token.IssuedAt) != verifiertest.Lifetime {
			t.Errorf("%s: got %+v", a, token)
		}
		forged := issuer.TokenBy(verifiertest.NewKey(a, "k"), nil, nil)
		if _, err := v.Verify(t.Context(), forged); !errors.Is(err, verifier.ErrSignatureInvalid) {
			t.Errorf("%s: another key's token: got %v, want %v", a, err, verifier.ErrSignatureInvalid)
		}
	}
}

func TestMintLeavesNothingToDefaults(t *testing.T) {
	key := verifiertest.NewKey(verifier.HS256, "k")
	raw := key.Mint(verifiertest.Claims{"alg": "none", "kid": nil, "x": 1}, json.RawMessage(`[]`))
	header, rest, _ := strings.Cut(raw, ".")
	if header != "eyJhbGciOiJub25lIiwidHlwIjoiSldUIiwieCI6MX0" { // {"alg":"none","typ":"JWT","x":1}
		t.Errorf("the header is %s", header)
	}
	if payload, _, _ := strings.Cut(rest, "."); payload != "W10" {
		t.Errorf("the payload is %s", payload)
	}
	issuer := verifiertest.NewIssuer("https://issuer.test/", key)
	clock := verifiertest.NewClock(time.Unix(1_700_000_000, 0))
	issuer.Now = clock.Now
	clock.Advance(time.Minute)
	v, err := verifier.New(issuer, verifier.WithClock(clock.Now))
	if err != nil {
		t.Fatal(err)
	}
	token, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": nil, "exp": nil}))
	if err != nil || token.Issuer != "" || !token.ExpiresAt.IsZero() || token.IssuedAt.Unix() != 1_700_000_060 {
		t.Errorf("got %+v, %v", token, err)
	}
}

func TestDocuments(t *testing.T) {
	each(t, func(t *testing.T, issuer *verifiertest.Issuer) {
		for _, path := range []string{".well-known/openid-configuration", ".well-known/oauth-authorization-server"} {
			a, err := get(t, issuer.Client(), issuer.URL()+path)
			want := `{"issuer":"` + issuer.URL() + `","jwks_uri":"` + issuer.JWKSURL() + `"}`
			if err != nil || a.status != 200 || a.body != want {
				t.Errorf("%s: got %+v, %v, want %s", path, a, err, want)
			}
		}
		issuer.Announce(verifiertest.Claims{"issuer": "https://other.test/", "jwks_uri": nil})
		if a, err := get(t, issuer.Client(), issuer.URL()+".well-known/openid-configuration"); err != nil || a.body != `{"issuer":"https://other.test/"}` {
			t.Errorf("got %+v, %v", a, err)
		}
	})
}

// TestKeySet: the key set has what is published, and supports conditional requests.
func TestKeySet(t *testing.T) {
	each(t, func(t *testing.T, issuer *verifiertest.Issuer) {
		answered := func(status int, url string, header ...string) answer {
			t.Helper()
			a, err := get(t, issuer.Client(), url, header...)
			if err != nil || a.status != status {
				t.Fatalf("got %+v, %v, want %d", a, err, status)
			}
			return a
		}
		issuer.SetHeader("Cache-Control", "max-age=60")
		first := answered(200, issuer.JWKSURL(), "User-Agent", "test")
		if !strings.Contains(first.body, `"kid":"key-1"`) || first.header.Get("Cache-Control") != "max-age=60" {
			t.Errorf("got %+v", first)
		}
		etag := first.header.Get("ETag")
		if a := answered(304, issuer.JWKSURL(), "If-None-Match", etag); a.body != "" {
			t.Errorf("got %+v", a)
		}
		issuer.Rotate(verifiertest.NewKey(verifier.EdDSA, "key-2"))
		issuer.PublishJWK(verifiertest.AKP("pq"))
		issuer.Withdraw("key-1")
		a := answered(200, issuer.JWKSURL(), "If-None-Match", etag)
		if strings.Contains(a.body, "key-1") || !strings.Contains(a.body, "key-2") || !strings.Contains(a.body, "ML-DSA-44") {
			t.Errorf("got %+v", a)
		}
		answered(404, issuer.URL()+"else")

		var statuses []int
		for _, r := range issuer.Requests() {
			statuses = append(statuses, r.Status)
		}
		if !slices.Equal(statuses, []int{200, 304, 200, 404}) || issuer.Fetches() != 3 || issuer.Requests()[0].Header.Get("User-Agent") != "test" {
			t.Errorf("statuses %v, %d fetches", statuses, issuer.Fetches())
		}
	})
}

// Of an issuer with a path, OpenID Connect appends the well-known part, and RFC
// 8414 §3.1 inserts it.
func TestIssuersWithPathsOnOneHost(t *testing.T) {
	root := verifiertest.NewIssuer("https://issuer.test/")
	a, b := verifiertest.NewIssuer("https://issuer.test/realms/a"), verifiertest.NewIssuer("https://issuer.test/realms/ab")
	client := verifiertest.Client(root, a, b)
	for url, want := range map[string]string{
		"https://issuer.test/.well-known/openid-configuration":                 root.URL(),
		"https://issuer.test/realms/a/.well-known/openid-configuration":        a.URL(),
		"https://issuer.test/.well-known/oauth-authorization-server/realms/a":  a.URL(),
		"https://issuer.test/realms/ab/.well-known/openid-configuration":       b.URL(),
		"https://issuer.test/.well-known/oauth-authorization-server/realms/ab": b.URL(),
	} {
		if got, err := get(t, client, url); err != nil || !strings.Contains(got.body, `"issuer":"`+want+`"`) {
			t.Errorf("%s: got %+v, %v, want the issuer %s", url, got, err, want)
		}
	}
	if _, err := get(t, client, "https://else.test/"); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v", err)
	}
}

func TestFaults(t *testing.T) {
	released := make(chan struct{})
	close(released)
	each(t, func(t *testing.T, issuer *verifiertest.Issuer) {
		for _, row := range []struct {
			name  string
			fault verifiertest.Fault
			good  func(a answer, err error) bool
		}{
			{"Status", verifiertest.Status(503), func(a answer, err error) bool { return err == nil && a.status == 503 }},
			{"Body", verifiertest.Body("text/html", "<html>"), func(a answer, err error) bool {
				return err == nil && a.body == "<html>" && a.header.Get("Content-Type") == "text/html"
			}},
			{"Oversize", verifiertest.Oversize(1 << 20), func(a answer, err error) bool {
				return err == nil && len(a.body) > 1<<20 && json.Valid([]byte(a.body))
			}},
			{"Redirect", verifiertest.Redirect("/.well-known/jwks.json?moved"), func(a answer, err error) bool {
				return err == nil && a.status == 200 && strings.Contains(a.body, "key-1")
			}},
			{"Down", verifiertest.Down(), func(_ answer, err error) bool { return err != nil }},
			{"Hang", verifiertest.Hang(released), func(a answer, err error) bool { return err == nil && a.status == 200 }},
			{"Trickle", verifiertest.Trickle(released), func(a answer, err error) bool {
				return errors.Is(err, io.ErrUnexpectedEOF) && a.body == `{"keys":[`
			}},
			{"healed", nil, func(a answer, err error) bool { return err == nil && a.status == 200 }},
		} {
			issuer.Break(row.fault)
			if a, err := get(t, issuer.Client(), issuer.JWKSURL()); !row.good(a, err) {
				t.Errorf("%s: got status %d, %d bytes, %v", row.name, a.status, len(a.body), err)
			}
		}
	})
	issuer := kinds["memory"]()
	issuer.Break(verifiertest.Down())
	if _, err := get(t, issuer.Client(), issuer.JWKSURL()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Down in memory: got %v", err)
	}
}

// A client that gives up is not held by a fault, and neither is Close.
func TestFaultsEnd(t *testing.T) {
	for name, fault := range map[string]verifiertest.Fault{
		"hang": verifiertest.Hang(nil), "trickle": verifiertest.Trickle(nil), "slow": verifiertest.Slow(time.Hour),
	} {
		for kind, start := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				issuer := start()
				arrived := make(chan struct{}, 2)
				issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
					arrived <- struct{}{}
					fault(w, r, serve)
				})
				ctx, cancel := context.WithCancel(t.Context())
				failed := make(chan error)
				ask := func(ctx context.Context) {
					r, _ := http.NewRequestWithContext(ctx, http.MethodGet, issuer.JWKSURL(), nil)
					response, err := issuer.Client().Do(r)
					if err == nil {
						_, err = io.ReadAll(response.Body)
						response.Body.Close()
					}
					failed <- err
				}
				go ask(ctx)
				<-arrived
				cancel()
				if err := <-failed; !errors.Is(err, context.Canceled) {
					t.Errorf("given up: got %v", err)
				}
				go ask(t.Context())
				<-arrived
				issuer.Close()
				if err := <-failed; err == nil {
					t.Error("closed: no error")
				}
			})
		}
	}
}

// In memory, an hour of the issuer's takes no time.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := kinds["memory"]()
		issuer.Break(verifiertest.Slow(time.Hour))
		began := time.Now()
		if a, err := get(t, issuer.Client(), issuer.JWKSURL()); err != nil || a.status != 200 || time.Since(began) != time.Hour {
			t.Errorf("got %+v, %v after %v", a, err, time.Since(began))
		}
		client := issuer.Client()
		client.Timeout = time.Minute
		if a, err := get(t, client, issuer.JWKSURL()); err == nil {
			t.Errorf("got %+v", a)
		}
	})
}

func TestVerifiedToken(t *testing.T) {
	token := verifiertest.VerifiedToken(verifiertest.Claims{"sub": "alice", "exp": 1})
	if token.Subject != "alice" || token.ExpiresAt.Unix() != 1 {
		t.Errorf("got %+v", token)
	}
}

func TestMisusePanics(t *testing.T) {
	for name, f := range map[string]func(){
		"unknown algorithm": func() { verifiertest.NewKey("none", "k") },
		"no URL":            func() { verifiertest.NewIssuer("tenant.test") },
		"claims":            func() { verifiertest.VerifiedToken(verifiertest.Claims{"f": func() {}}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p, _ := recover().(string); !strings.HasPrefix(p, "verifiertest: ") {
					t.Errorf("got %v", p)
				}
			}()
			f()
		})
	}
}

// TestStatic: what is verified by nobody still ends when it says so.
func TestStatic(t *testing.T) {
	past := time.Now().Add(-time.Hour).Unix()
	token, err := verifiertest.Accept(verifiertest.Claims{"sub": "alice", "exp": past}).Authenticate(t.Context(), nil)
	if err != nil || token.Subject != "alice" || token.ValidUntil().Unix() != past {
		t.Errorf("the token is %v, good until %v; %v", token, token.ValidUntil(), err)
	}
	if token, err := verifiertest.Accept(nil).Authenticate(t.Context(), nil); err != nil || !token.ValidUntil().IsZero() {
		t.Errorf("the token without claims is good until %v; %v", token.ValidUntil(), err)
	}
	if token, err := verifiertest.Refuse(verifier.ErrScopeMismatch).Authenticate(t.Context(), nil); token != nil || !errors.Is(err, verifier.ErrScopeMismatch) {
		t.Errorf("refused: %v, %v", token, err)
	}
	if token, err := verifiertest.Refuse(nil).Authenticate(t.Context(), nil); token != nil || err == nil {
		t.Errorf("refused without an error: %v, %v", token, err)
	}
}
