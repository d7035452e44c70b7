package dpop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The examples of RFC 9449. Its access token is opaque; what it stands for is in
// §6.2, as an introspection endpoint would tell.
const (
	rfcProofHeader = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"

	// §5, for the token endpoint
	rfcTokenProof = rfcProofHeader + ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"

	// §7.1, for a protected resource
	rfcToken         = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	rfcResourceProof = rfcProofHeader + ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"

	// §6.1
	rfcThumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func TestRFC9449(t *testing.T) {
	at := time.Unix(1562262618, 0)
	server := func(jkt, url string) *verifier.Verifier {
		proof, err := New(URL(url), WithClock(func() time.Time { return at }))
		if err != nil {
			t.Fatal(err)
		}
		v, err := verifier.NewOpaque(verifier.IntrospectorFunc(func(_ context.Context, token string) ([]byte, error) {
			if token != rfcToken {
				return nil, verifier.Inactive(nil)
			}
			return fmt.Appendf(nil, `{"active":true,"sub":"someone@example.com","iss":"https://server.example.com","nbf":1562262611,"exp":1562266216,"cnf":{"jkt":%q}}`, jkt), nil
		}), verifier.WithExtractor(Extractor()), verifier.WithClock(func() time.Time { return at }), verifier.Validate(proof))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	h := &verifier.Handshake{Method: "GET", Header: map[string][]string{"Authorization": {"DPoP " + rfcToken}, "Dpop": {rfcResourceProof}}}

	v := server(rfcThumbprint, "https://resource.example.org/protectedresource")
	token, err := v.Authenticate(context.Background(), h)
	if err != nil || token.Subject != "someone@example.com" {
		t.Fatalf("the example of §7.1: %v", err)
	}
	if _, err := v.Authenticate(context.Background(), h); !errors.Is(err, ErrProofReplayed) {
		t.Errorf("again: %v", err)
	}
	_, err = server(rfcThumbprint, "https://resource.example.org/other").Authenticate(context.Background(), h)
	badProof("htu", "", "").check(t, err)
	_, err = server(strings.Repeat("x", 43), "https://resource.example.org/protectedresource").Authenticate(context.Background(), h)
	otherKey.check(t, err)

	// The proof of §5 has no ath: it is one for a token endpoint, and of no use here.
	h.Header["Dpop"] = []string{rfcTokenProof}
	_, err = server(rfcThumbprint, "https://server.example.com/token").Authenticate(context.Background(), h)
	badProof("claims", "", "required").check(t, err)
}

// TestThumbprint has the examples of RFC 9449 §6.1, RFC 7638 §3.1 and RFC 8037
// §A.3.
func TestThumbprint(t *testing.T) {
	for _, row := range []struct{ jwk, want string }{
		{`{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}`, rfcThumbprint},
		{`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		if got, err := Thumbprint([]byte(row.jwk)); err != nil || got != row.want {
			t.Errorf("%.40s: %q (%v), want %q", row.jwk, got, err, row.want)
		}
	}
	rsa := func(n, e string) string { return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q}`, n, e) }
	if _, err := Thumbprint([]byte(rsa("_w", "AQAAAQ"))); err != nil {
		t.Errorf("an exponent of four bytes: %v", err)
	}
	for _, jwk := range []string{rsa("AP8", "AQAB"), rsa("_w", "AAEAAQ"), rsa("_w", "AQAAAAE")} {
		if _, err := Thumbprint([]byte(jwk)); err == nil || !strings.Contains(err.Error(), "minimal") {
			t.Errorf("%s: got %v", jwk, err)
		}
	}
	for _, jwk := range []string{``, `null`, `[]`, `{}`, `{"kty":"oct","k":"AA"}`, `{"kty":"OKP","crv":"Ed25519","x":"AA"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`} {
		if got, err := Thumbprint([]byte(jwk)); err == nil {
			t.Errorf("%s has the thumbprint %q", jwk, got)
		}
	}
}

// FuzzProof: whatever is presented as a proof, nothing panics, and only what was
// signed for this token, by the key it is bound to, is accepted.
func FuzzProof(f *testing.F) {
	a := alice()
	good := a.token()
	signed := make(map[string]bool)
	for _, p := range []string{a.proof(good, nil, nil), newClient("EdDSA").proof(good, nil, nil), bob().proof(good, nil, nil), "", "..", rfcResourceProof, twice(a, good)} {
		signed[p] = true
		f.Add(p)
	}
	v := newServer(f, WithCache(CacheFunc(func(context.Context, string, time.Time) (bool, error) { return true, nil })))
	f.Fuzz(func(t *testing.T, proof string) {
		_, err := v.Authenticate(context.Background(), inPayload(good, proof))
		if err == nil && !signed[proof] {
			t.Fatalf("accepted %q", proof)
		}
		if err != nil && verifier.AsUnauthorized(err).Code == verifier.CodeUnknown {
			t.Fatalf("refused without a code: %v", err)
		}
	})
}

// FuzzJWK: a key that is read has a thumbprint, makes a key for the verifier or an
// error, and a key with a private member is refused.
func FuzzJWK(f *testing.F) {
	for _, c := range []*client{alice(), newClient("EdDSA"), newClient("RS256"), newClient("ES512")} {
		f.Add(string(must(json.Marshal(c.jwk))))
	}
	f.Add(`{"kty":"EC","crv":"P-256","x":"","y":""}`)
	f.Add(`{"kty":"RSA","n":"AA","e":"AA"}`)
	f.Fuzz(func(t *testing.T, jwk string) {
		material, thumbprint, err := parseJWK([]byte(jwk))
		if err != nil {
			return
		}
		if len(thumbprint) != 43 {
			t.Fatalf("the thumbprint of %q is %q", jwk, thumbprint)
		}
		_, _ = verifier.NewKey(material, verifier.KeyOptions{})
		var members map[string]any
		if err := json.Unmarshal([]byte(jwk), &members); err != nil {
			t.Fatal(err)
		}
		for _, name := range private {
			if _, ok := members[name]; ok {
				t.Fatalf("accepted with %s: %s", name, jwk)
			}
		}
	})
}

// FuzzNormalize: a URL that was normalized is as it should be.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{endpoint, "WSS://a:443/%7e/../%2F?x#y", "http://[::1]:80", "https://a/%%", "https://a/./"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := normalize(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(once, "?#") || !strings.HasPrefix(once, "http") {
			t.Fatalf("%q is %q", text, once)
		}
		if again, err := normalize(once); err != nil || again != once {
			t.Fatalf("%q is %q and then %q (%v)", text, once, again, err)
		}
	})
}
