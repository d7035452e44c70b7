package verifier

import (
	"context"
	"fmt"
	"testing"
)

const (
	benchIssuer   = "https://tenant.eu.auth0.com/"
	benchAudience = "https://api.example.com"
)

// benchClaims are what an identity provider puts into an access token.
var benchClaims = fmt.Sprintf(`{"iss":%q,"sub":"auth0|5f7c8ec7c33c6c004bbafe82","aud":[%q],"iat":%d,"exp":%d,`+
	`"azp":"my_client_id","scope":"openid profile email read:messages","name":"Jane Doe"}`,
	benchIssuer, benchAudience, now.Unix()-60, now.Unix()+3600)

func benchVerifier(b *testing.B, a Algorithm, options ...Option) *Verifier {
	return newVerifier(b, keyFor(b, a), append(options, Issuer(benchIssuer), Audience(benchAudience))...)
}

func BenchmarkVerify(b *testing.B) {
	for _, a := range []Algorithm{HS256, RS256, ES256, EdDSA} {
		b.Run(string(a), func(b *testing.B) {
			v, raw := benchVerifier(b, a), mint(a, benchClaims)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSignature is the part of BenchmarkVerify that is cryptography.
func BenchmarkSignature(b *testing.B) {
	for _, a := range []Algorithm{HS256, RS256, ES256, EdDSA} {
		b.Run(string(a), func(b *testing.B) {
			k := newKey(b, public(signer(a)), KeyOptions{})
			input := []byte(encode(`{"alg":"HS256","typ":"JWT"}`) + "." + encode(benchClaims))
			sig := signature(a, signer(a), string(input))
			b.ReportAllocs()
			for b.Loop() {
				if !k.checks[a.bit().index()](input, sig) {
					b.Fatal("the signature does not hold")
				}
			}
		})
	}
}
