package verifier

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestPlaces: tokens in headers of proxies and in the subprotocols of a websocket.
func TestPlaces(t *testing.T) {
	protocols := func(values ...string) *Handshake {
		return &Handshake{Header: http.Header{"Sec-Websocket-Protocol": values}}
	}
	for _, row := range []struct {
		name      string
		extractor Extractor
		handshake *Handshake
		token     string
		reason    Reason
	}{
		{"a header", RawHeader("Cf-Access-Jwt-Assertion"), header("Cf-Access-Jwt-Assertion", "x.y.z"), "x.y.z", ""},
		{"a header, in another case", RawHeader("cf-ACCESS-jwt-assertion"), header("Cf-Access-Jwt-Assertion", "x.y.z"), "x.y.z", ""},
		{"a header, padded", RawHeader("X-Amzn-Oidc-Data"), header("X-Amzn-Oidc-Data", "eA==.eQ==.eg=="), "eA==.eQ==.eg==", ""},
		{"a header with a scheme", RawHeader("X-Token"), header("X-Token", "Bearer x.y.z"), "x.y.z", ""},
		{"a header, none", RawHeader("X-Token"), header("X-Other", "x"), "", ""},
		{"a header, empty", RawHeader("X-Token"), header("X-Token", " "), "", ""},
		{"a header, twice the same", RawHeader("X-Token"), header("X-Token", "x", "x"), "x", ""},
		{"a header, two", RawHeader("X-Token"), header("X-Token", "x", "y"), "", ErrTokenConflict},
		{"a header, in band", RawHeader("X-Token"), inBand(header("X-Token", "x")), "", ""},
		{"a header without a name", RawHeader(""), &Handshake{}, "", ErrRejected},

		{"a subprotocol", Subprotocol("access_token"), protocols("access_token, x.y.z"), "x.y.z", ""},
		{"a subprotocol, without a space", Subprotocol("access_token"), protocols("access_token,x.y.z"), "x.y.z", ""},
		{"a subprotocol behind another", Subprotocol("access_token"), protocols("chat, access_token,\tx.y.z , v2"), "x.y.z", ""},
		{"a subprotocol, in two headers", Subprotocol("access_token"), protocols("chat, access_token", "x.y.z"), "x.y.z", ""},
		{"only a subprotocol", Subprotocol("access_token"), protocols("access_token"), "", ""},
		{"a subprotocol, last", Subprotocol("access_token"), protocols("x.y.z, access_token"), "", ""},
		{"a subprotocol, in another case", Subprotocol("access_token"), protocols("Access_Token, x.y.z"), "", ""},
		{"a subprotocol, none", Subprotocol("access_token"), protocols("chat"), "", ""},
		{"a subprotocol, no header", Subprotocol("access_token"), &Handshake{}, "", ""},
		{"a subprotocol, empty ones", Subprotocol("access_token"), protocols(",, access_token, , x.y.z,"), "x.y.z", ""},
		{"a subprotocol, twice", Subprotocol("access_token"), protocols("access_token, x, access_token, y"), "", ErrTokenConflict},
		{"a subprotocol as the token", Subprotocol("access_token"), protocols("access_token, access_token"), "access_token", ""},
		{"a subprotocol, in band", Subprotocol("access_token"), inBand(protocols("access_token, x")), "", ""},
		{"a subprotocol without a name", Subprotocol(""), &Handshake{}, "", ErrRejected},
		{"a subprotocol of two words", Subprotocol("a, b"), &Handshake{}, "", ErrRejected},
		{"both, with different tokens", OneOf(RawHeader("X-Token"), Subprotocol("t")), &Handshake{Header: http.Header{"X-Token": {"x"}, "Sec-Websocket-Protocol": {"t, y"}}}, "", ErrTokenConflict},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := row.extractor.Extract(t.Context(), row.handshake)
			if token != row.token || (err != nil) != (row.reason != "") || err != nil && !errors.Is(AsUnauthorized(err), row.reason) {
				t.Errorf("got %q, %v, want %q, %s", token, err, row.token, row.reason)
			}
			v, err := New(keyFor(t, HS256), WithExtractor(row.extractor))
			if (err != nil) != (row.reason == ErrRejected) {
				t.Errorf("New: %v", err)
			} else if err == nil && v.FindsInEvent() {
				t.Error("it is said to find tokens in events")
			}
		})
	}
}

// padded is a token as an AWS load balancer makes it: the padding is signed, too.
func padded(header, payload string) string {
	part := base64.URLEncoding.EncodeToString
	input := part([]byte(header)) + "." + part([]byte(payload))
	return input + "." + part(signature(ES256, signer(ES256), input))
}

// TestAllowPadding: AWS load balancers pad what RFC 7515 does not.
func TestAllowPadding(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/chat/50dc6c495c0c9188"
	head := func(signer string) string {
		return fmt.Sprintf(`{"typ":"JWT","kid":"b0a6…","alg":"ES256","iss":"https://login.example/","client":"chat","signer":%q,"exp":1700000120}`, signer)
	}
	const claims = `{"sub":"ada","email":"ada@example.com","exp":1700000120,"iss":"https://login.example/"}`
	good := padded(head(arn), claims)
	if !strings.Contains(good, "=.") || !strings.HasSuffix(good, "==") {
		t.Fatal("nothing is padded")
	}
	plain := mintWith(ES256, signer(ES256), head(arn), claims)
	parts := strings.Split(good, ".")
	for _, options := range [][]Option{nil, {CacheVerified(4)}} {
		v := newVerifier(t, keyFor(t, ES256), append(options, AllowPadding(), HeaderEquals("signer", arn))...)
		for name, row := range map[string]struct {
			raw    string
			reason Reason
		}{
			"padded":              {good, ""},
			"not padded":          {plain, ""},
			"of another balancer": {padded(head(arn+"x"), claims), ErrHeaderMismatch},
			"of none":             {padded(`{"alg":"ES256","padding":1}`, claims), ErrHeaderMismatch},
			"unpadded afterwards": {strings.ReplaceAll(good, "=", ""), ErrSignatureInvalid},
			"padded afterwards":   {strings.Replace(plain, ".", "=.", 1), ErrSignatureInvalid},
			"too much padding":    {parts[0] + "." + parts[1] + "." + parts[2] + "==", ErrTokenMalformed},
			"too little padding":  {strings.TrimSuffix(good, "="), ErrTokenMalformed},
			"padding inside":      {parts[0] + "." + parts[1] + "." + "ab==" + parts[2], ErrTokenMalformed},
			"forged":              {parts[0] + "." + parts[1] + "." + flip(parts[2], 5), ErrSignatureInvalid},
			"other claims":        {parts[0] + "." + base64.URLEncoding.EncodeToString([]byte(`{"sub":"eve"}`)) + "." + parts[2], ErrSignatureInvalid},
		} {
			for range 2 {
				token, err := v.Verify(t.Context(), row.raw)
				if row.reason == "" && (err != nil || token.Subject != "ada") || row.reason != "" && !errors.Is(err, row.reason) {
					t.Errorf("%s: got %v, want %s", name, err, row.reason)
				}
			}
		}
	}
	if _, err := newVerifier(t, keyFor(t, ES256)).Verify(t.Context(), good); !errors.Is(err, ErrTokenMalformed) {
		t.Errorf("without the option: %v", err)
	}
}

// TestHeaderOptionsMisconfigured: the constructors refuse options that are invalid or that
// an opaque token cannot have.
func TestHeaderOptionsMisconfigured(t *testing.T) {
	for _, option := range []Option{HeaderEquals("", "x"), HeaderEquals("x", "")} {
		if _, err := New(keyFor(t, ES256), option); err == nil {
			t.Error("no error")
		}
	}
	nobody := IntrospectorFunc(func(context.Context, string) ([]byte, error) { return nil, Inactive(nil) })
	for _, option := range []Option{HeaderEquals("x", "y"), AllowPadding()} {
		if _, err := NewOpaque(nobody, option); err == nil || !strings.Contains(err.Error(), "about JWTs") {
			t.Errorf("NewOpaque: %v", err)
		}
	}
}

// TestTokenPrefix: a token of another kind is refused, and nobody is asked.
func TestTokenPrefix(t *testing.T) {
	asked := 0
	v := must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { asked++; return []byte(`{"active":true}`), nil }), TokenPrefix("ory_at_", "x_")))
	for token, good := range map[string]bool{"ory_at_abc": true, "x_1": true, "ory_rt_abc": false, "abc": false, "Ory_at_abc": false, "aory_at_": false} {
		asked = 0
		_, err := v.Verify(t.Context(), token)
		if (err == nil) != good || (asked == 1) != good || err != nil && !errors.Is(err, ErrTypeMismatch) {
			t.Errorf("%s: got %v, asked %d times", token, err, asked)
		}
	}
	if _, err := New(keyFor(t, HS256), TokenPrefix("a")); err == nil || !strings.Contains(err.Error(), "opaque") {
		t.Errorf("New: %v", err)
	}
	for _, option := range []Option{TokenPrefix(), TokenPrefix("")} {
		if _, err := NewOpaque(v.introspector, option); err == nil {
			t.Error("no error")
		}
	}
}

// TestSPIFFE: a JWT-SVID needs no separate option (SPIFFE JWT-SVID §3).
func TestSPIFFE(t *testing.T) {
	v := newVerifier(t, keyFor(t, ES256), Audience("spiffe://example.org/chat"), RequireExpiration(), Type("", "JWT", "JOSE"),
		ClaimMatches("sub", regexp.MustCompile(`^spiffe://example\.org/.+$`)))
	for claims, good := range map[string]bool{
		`{"sub":"spiffe://example.org/web","aud":["spiffe://example.org/chat"],"exp":1700000060}`:   true,
		`{"sub":"spiffe://example.org/web","aud":["spiffe://example.org/chat"]}`:                    false,
		`{"sub":"spiffe://example.com/web","aud":["spiffe://example.org/chat"],"exp":1700000060}`:   false,
		`{"sub":"spiffe://example.org/web","aud":["spiffe://example.org/other"],"exp":1700000060}`:  false,
		`{"sub":"spiffe://example.org.evil/","aud":["spiffe://example.org/chat"],"exp":1700000060}`: false,
	} {
		for _, typ := range []string{`,"typ":"JWT"`, `,"typ":"JOSE"`, ``} {
			_, err := v.Verify(t.Context(), mintWith(ES256, signer(ES256), `{"alg":"ES256","kid":"k"`+typ+`}`, claims))
			if (err == nil) != good {
				t.Errorf("%s: %v", claims, err)
			}
		}
	}
	if _, err := v.Verify(t.Context(), mintWith(ES256, signer(ES256), `{"alg":"ES256","typ":"at+jwt"}`, `{"sub":"spiffe://example.org/web","aud":"spiffe://example.org/chat","exp":1700000060}`)); !errors.Is(err, ErrTypeMismatch) {
		t.Errorf("another type: %v", err)
	}
}
