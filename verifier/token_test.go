package verifier

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func verified(t *testing.T, claims string, options ...Option) *Token {
	t.Helper()
	token, err := newVerifier(t, keyFor(t, HS256), options...).Verify(t.Context(), mint(HS256, claims))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const someClaims = `{"iss":"i","sub":"s","aud":["a","b"],"exp":1700000060.5,"nbf":1699999999,"iat":1699999998.25,"jti":"j","name":"Zo\u00eb","n":9007199254740993,"list":[1,"x"]}`

// TestToken: the registered claims are typed.
func TestToken(t *testing.T) {
	token := verified(t, someClaims)
	if token.Issuer != "i" || token.Subject != "s" || !slices.Equal(token.Audience, []string{"a", "b"}) || token.ID != "j" {
		t.Errorf("%q %q %q %q", token.Issuer, token.Subject, token.Audience, token.ID)
	}
	for name, d := range map[string][2]time.Time{
		"exp": {token.ExpiresAt, time.Unix(1700000060, 5e8)},
		"nbf": {token.NotBefore, time.Unix(1699999999, 0)},
		"iat": {token.IssuedAt, time.Unix(1699999998, 25e7)},
	} {
		if !d[0].Equal(d[1]) {
			t.Errorf("%s is %v, want %v", name, d[0], d[1])
		}
	}
	if token.Header != (Header{Algorithm: HS256, Type: "JWT"}) {
		t.Errorf("header %+v", token.Header)
	}
	if token.Raw() != mint(HS256, someClaims) || token.Key() == nil {
		t.Error("Raw or Key is another")
	}
}

// TestTokenClaims: the application decodes the claims into its own type.
func TestTokenClaims(t *testing.T) {
	token := verified(t, someClaims)
	var got struct {
		Name string `json:"name"`
		N    int64  `json:"n"`
		List []any  `json:"list"`
	}
	if err := token.Claims(&got); err != nil || got.Name != "Zoë" || got.N != 9007199254740993 || len(got.List) != 2 {
		t.Errorf("claims %+v, %v", got, err)
	}
	var all map[string]any
	if err := token.Claims(&all); err != nil || len(all) != 10 || all["iss"] != "i" {
		t.Errorf("claims %v, %v", all, err)
	}

	// What does not fit says so, and names the type.
	var wrong struct {
		Name int `json:"name"`
	}
	if err := token.Claims(&wrong); err == nil || !errors.Is(err, ErrClaimInvalid) || !strings.HasPrefix(err.Error(), "invalid claims: verifier: claims do not fit *struct") {
		t.Errorf("got %v", err)
	}
	for _, v := range []any{nil, got, (*int)(nil)} {
		if err := token.Claims(v); err == nil {
			t.Errorf("decoded into %T", v)
		}
	}
}

// TestTokenWithout: what is absent is the zero value.
func TestTokenWithout(t *testing.T) {
	token := verified(t, `{}`)
	if token.Issuer != "" || token.Subject != "" || token.Audience != nil || token.ID != "" ||
		!token.ExpiresAt.IsZero() || !token.NotBefore.IsZero() || !token.IssuedAt.IsZero() {
		t.Errorf("%+v", *token)
	}
	// A date that is there is never the zero time, whatever it says.
	token = verified(t, `{"exp":0,"nbf":-1e300,"iat":-5}`, IgnoreExpiration())
	for _, d := range []time.Time{token.ExpiresAt, token.NotBefore, token.IssuedAt} {
		if !d.Equal(time.Unix(0, 0)) {
			t.Errorf("a date is %v, want that of 1970", d)
		}
	}
	if got := verified(t, `{"exp":253402300799}`).ExpiresAt; !got.Equal(time.Unix(maxDate, 0)) {
		t.Errorf("a date is %v, want the last of 9999", got)
	}
}

// TestTokenShowsNothing: a token in a log is not a credential.
func TestTokenShowsNothing(t *testing.T) {
	for _, claims := range []string{`{"jti":"the-jti","sub":"private"}`, `{"sub":"private"}`} {
		token := verified(t, claims)
		_, rest, _ := strings.Cut(token.Raw(), ".")
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("in", "token", token)
		shown := []string{log.String(), token.String()}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			shown = append(shown, fmt.Sprintf(verb, token))
		}
		for _, s := range shown {
			if strings.Contains(s, rest) || strings.Contains(s, "private") || strings.Contains(s, "eyJ") {
				t.Errorf("shown: %s", s)
			}
			if strings.Contains(claims, "jti") && !strings.Contains(s, "the-jti") {
				t.Errorf("not named: %s", s)
			}
		}
	}
}

// TestConcurrent: one verifier serves many goroutines.
func TestConcurrent(t *testing.T) {
	v := newVerifier(t, static(newKey(t, secret, KeyOptions{}), newKey(t, &p256Key().PublicKey, KeyOptions{})), Audience("a"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				sub := fmt.Sprintf("%d-%d", i, j)
				a := []Algorithm{HS256, ES256}[j%2]
				raw := mint(a, fmt.Sprintf(`{"aud":"a","sub":%q}`, sub))
				token, err := v.Verify(t.Context(), raw)
				if err != nil || token.Subject != sub || token.Raw() != raw || token.Header.Algorithm != a {
					t.Errorf("%s: %v, %v", sub, token, err)
				}
				at := strings.LastIndexByte(raw, '.') + 1
				forged := raw[:at] + string(raw[at]^1) + raw[at+1:] // the neighbour of a character is one too, or none of the alphabet
				if _, err := v.Verify(t.Context(), forged); err == nil {
					t.Errorf("%s: a forged token was accepted", sub)
				}
			}
		})
	}
	wg.Wait()
}

// TestTokenInTheLog: a token is named by its jti or a short hash, however it is
// printed, and the hash is one that anybody can make of the token.
func TestTokenInTheLog(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256))
	for _, row := range []struct{ name, payload, want string }{
		{"jti", `{"jti":"a1","sub":"ada"}`, `jti "a1"`},
		{"a long jti", `{"jti":"` + strings.Repeat("x", 1000) + `"}`, `jti "` + strings.Repeat("x", 64) + `"`},
		{"no jti", `{"sub":"ada"}`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw := mint(HS256, row.payload)
			if row.want == "" {
				sum := sha256.Sum256([]byte(raw))
				row.want = fmt.Sprintf("sha256 %x", sum)[:len("sha256 ")+12]
			}
			token, err := v.Verify(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []string{fmt.Sprint(token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", token), token.LogValue().String()} {
				if got != row.want {
					t.Errorf("got %s, want %s", got, row.want)
				}
			}
		})
	}
}
