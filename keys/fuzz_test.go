package keys_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// usable checks that whatever loads is a key that a forged token can be held
// against: it has algorithms, and refuses the signature.
func usable(t *testing.T, loaded []*verifier.Key) {
	t.Helper()
	for _, k := range loaded {
		if k == nil || len(k.Algorithms()) == 0 {
			t.Fatalf("loaded %v, which verifies nothing", k)
		}
		v := must(verifier.New(must(keys.NewSet(k))))
		for _, a := range k.Algorithms() {
			for _, size := range []int{64, 96, 132, 256} {
				header := b64(must(json.Marshal(map[string]any{"alg": a})))
				wantReason(t, v, header+"."+b64([]byte("{}"))+"."+b64(make([]byte, size)), verifier.ErrSignatureInvalid)
			}
		}
	}
}

// FuzzLoad: no PEM and no JWK Set panics, and what loads is usable and public.
func FuzzLoad(f *testing.F) {
	for _, k := range []string{
		publicPEM(rsaKey()), publicPEM(p256Key()) + publicPEM(edKey()), privatePEM(p256Key()),
		certificate(p384Key(), 0), block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)),
		"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n", publicPEM(edKey()) + "x",
		set(jwkOf(rsaKey(), members{"kid": "a"}), jwkOf(p521Key(), nil), jwkOf(edKey(), nil), jwkOf(secret, nil)),
		set(jwkOf(rsaKey(), members{"e": b64([]byte{1, 0, 0, 0, 0, 0, 0, 0, 3})})),
		set(jwkOf(edKey(), members{"d": "AAAA"})), jwkOf(p256Key(), members{"alg": "ES256"}).String(),
		`{"keys":[null,1,{},{"kty":"AKP"},{"kty":"EC","crv":"P-256","x":"","y":""}]}`, `{"kty":"RSA","n":null}`, secret, "",
	} {
		f.Add([]byte(k))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for what, load := range map[string]func([]byte, ...keys.Option) (*keys.Set, error){"PEM: ": keys.PEM, "JWKSet: ": keys.JWKSet} {
			s, err := load(content)
			if err != nil {
				refused(t, err, what)
				continue
			}
			if len(s.All()) == 0 {
				t.Fatal("loaded nothing, and no error")
			}
			usable(t, s.All())
			for rest := content; ; {
				var b *pem.Block
				if b, rest = pem.Decode(rest); b == nil {
					break
				}
				if strings.Contains(b.Type, "PRIVATE") {
					t.Fatalf("loaded a block %q", b.Type)
				}
			}
			notPrivate(t, content)
		}
	})
}

// notPrivate checks that no asymmetric JWK in the text has a private member.
func notPrivate(t *testing.T, text []byte) {
	t.Helper()
	var doc struct{ Keys []map[string]any }
	var one map[string]any
	if json.Unmarshal(text, &doc) != nil || json.Unmarshal(text, &one) != nil {
		return
	}
	if doc.Keys == nil {
		doc.Keys = []map[string]any{one}
	}
	for _, k := range doc.Keys {
		for _, name := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			if _, ok := k[name]; ok && k["kty"] != "oct" {
				t.Fatalf("loaded a JWK with the member %q", name)
			}
		}
	}
}

// FuzzParseJWKSet: every key of a published set is either usable and
// asymmetric, or skipped with a reason.
func FuzzParseJWKSet(f *testing.F) {
	for _, tt := range badJWKs {
		f.Add([]byte(set(tt.jwk(), jwkOf(edKey(), nil))))
	}
	f.Add([]byte(set(jwkOf(secret, nil), jwkOf(rsaKey(), members{"kid": "a"}), jwkOf(p256Key(), members{"kid": "a"}))))
	f.Add([]byte(`{"keys":[1,null,[],"x"],"keys":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		loaded, skipped, err := keys.ParseJWKSet(text)
		if err != nil {
			refused(t, err, "")
			if loaded != nil || skipped != nil {
				t.Fatal("an error, and keys nevertheless")
			}
			return
		}
		var doc map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(text, &doc) != nil || json.Unmarshal(doc["keys"], &list) != nil || len(list) != len(loaded)+len(skipped) {
			t.Fatalf("%d keys: %d usable and %d skipped", len(list), len(loaded), len(skipped))
		}
		for _, err := range skipped {
			refused(t, err, "JWK ")
		}
		usable(t, loaded)
		for _, k := range loaded {
			if k.Allows(verifier.HS256) {
				t.Fatalf("a published secret was loaded: %v", k)
			}
		}
	})
}

// FuzzBase64Secret: what is accepted is what one of the four encodings makes of
// it, and all that would accept it agree.
func FuzzBase64Secret(f *testing.F) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		f.Add(e.EncodeToString([]byte("\xfb\xff\xfe" + secret + "!")))
		f.Add(e.EncodeToString([]byte(secret)))
	}
	f.Add("A")
	f.Add("AAAA\n====")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := keys.Base64Secret(text, keys.InsecureAllowShortSecret())
		if err != nil {
			refused(t, err, "Base64Secret: ")
			return
		}
		encodings := 0
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			b, err := e.Strict().DecodeString(text)
			if err != nil {
				continue
			}
			encodings++
			k, err := verifier.NewKey(b, verifier.KeyOptions{InsecureAllowShortSecret: true})
			if err != nil || !s.All()[0].Equal(k) {
				t.Fatalf("%q is another secret in one of the encodings that accept it", text)
			}
		}
		if encodings == 0 {
			t.Fatalf("%q is base64 in no encoding", text)
		}
	})
}
