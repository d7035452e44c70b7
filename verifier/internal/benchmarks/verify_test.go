package benchmarks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"testing"
	"time"

	auth0 "github.com/auth0/go-jwt-middleware/v3/validator"
	golangjwt "github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
	pascaldekloe "github.com/pascaldekloe/jwt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const (
	issuer   = "https://tenant.eu.auth0.com/"
	audience = "https://api.example.com"
)

// sample is a token of one algorithm, and what verifies it.
type sample struct {
	alg       string
	public    any // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
	raw       string
	input     []byte // header and payload, as signed
	signature []byte
}

func samples(b *testing.B) []*sample {
	b.Helper()
	secret := make([]byte, 32)
	rand.Read(secret)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check(b, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(b, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	check(b, err)
	return []*sample{
		newSample(b, "HS256", secret, secret),
		newSample(b, "RS256", rsaKey, &rsaKey.PublicKey),
		newSample(b, "ES256", ecKey, &ecKey.PublicKey),
		newSample(b, "EdDSA", edKey, edKey.Public()),
	}
}

// newSample signs what an identity provider puts into an access token, only with
// the standard library.
func newSample(b *testing.B, alg string, private, public any) *sample {
	b.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	issued := time.Now().Add(-time.Minute).Unix()
	s := &sample{alg: alg, public: public}
	s.input = []byte(encode(fmt.Appendf(nil, `{"alg":%q,"typ":"JWT","kid":"NjVBRjY5MDlCMUIw"}`, alg)) + "." +
		encode(fmt.Appendf(nil, `{"iss":%q,"sub":"auth0|5f7c8ec7c33c6c004bbafe82","aud":[%q],"iat":%d,"exp":%d,`+
			`"azp":"my_client_id","scope":"openid profile email read:messages","name":"Jane Doe"}`,
			issuer, audience, issued, issued+24*3600)))
	digest := sha256.Sum256(s.input)
	var err error
	switch key := private.(type) {
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write(s.input)
		s.signature = mac.Sum(nil)
	case *rsa.PrivateKey:
		s.signature, err = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, t *big.Int
		r, t, err = ecdsa.Sign(rand.Reader, key, digest[:])
		check(b, err)
		s.signature = append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)
	case ed25519.PrivateKey:
		s.signature = ed25519.Sign(key, s.input)
	}
	check(b, err)
	s.raw = string(s.input) + "." + encode(s.signature)
	return s
}

// BenchmarkVerify verifies a token: signature, issuer, audience and time.
// by=crypto is only the signature, through the standard library, with the
// token taken apart already: the floor. by=jws is the same through jwx.
func BenchmarkVerify(b *testing.B) {
	for _, s := range samples(b) {
		for _, by := range []struct {
			name string
			make func(*testing.B, *sample) func() error
		}{
			// The first to allocate pays for the growth of the heap: the heavy
			// ones, which notice it least.
			{"auth0", verifyByAuth0},
			{"jwx", verifyByJWX},
			{"golang-jwt", verifyByGolangJWT},
			{"pascaldekloe", verifyByPascalDeKloe},
			{"jws", signatureByJWS},
			{"crypto", signatureByCrypto},
			{"socketio-jwt", verifyByUs},
			{"authenticate", authenticateByUs},
			{"cached", cachedByUs},
		} {
			b.Run("alg="+s.alg+"/by="+by.name, func(b *testing.B) {
				verify := by.make(b, s)
				check(b, verify())
				measure(b, verify)
			})
		}
	}
}

func measure(b *testing.B, verify func() error) {
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		if err := verify(); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start)
}

func reportCPU(b *testing.B, start int64) {
	if end := cpuTime(); end > start {
		b.ReportMetric(float64(end-start)/float64(b.N), "cpu-ns/op")
	}
}

// BenchmarkParallel is the throughput on as many cores as -cpu says.
func BenchmarkParallel(b *testing.B) {
	for _, s := range samples(b) {
		for _, by := range []struct {
			name string
			make func(*testing.B, *sample) func() error
		}{
			{"crypto", parallelSignature},
			{"socketio-jwt", verifyByUs},
			{"cached", cachedByUs},
		} {
			b.Run("alg="+s.alg+"/by="+by.name, func(b *testing.B) {
				verify := by.make(b, s)
				check(b, verify())
				start := cpuTime()
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := verify(); err != nil {
							b.Error(err)
							return
						}
					}
				})
				reportCPU(b, start)
			})
		}
	}
}

var errSignature = errors.New("invalid signature")

func signatureByCrypto(_ *testing.B, s *sample) func() error {
	switch key := s.public.(type) {
	case []byte:
		mac := hmac.New(sha256.New, key)
		sum := make([]byte, 0, sha256.Size)
		return func() error {
			mac.Reset()
			mac.Write(s.input)
			return holds(hmac.Equal(s.signature, mac.Sum(sum)))
		}
	case *rsa.PublicKey:
		return func() error {
			digest := sha256.Sum256(s.input)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], s.signature)
		}
	case *ecdsa.PublicKey:
		return func() error {
			digest := sha256.Sum256(s.input)
			r, t := new(big.Int).SetBytes(s.signature[:32]), new(big.Int).SetBytes(s.signature[32:])
			return holds(ecdsa.Verify(key, digest[:], r, t))
		}
	case ed25519.PublicKey:
		return func() error { return holds(ed25519.Verify(key, s.input, s.signature)) }
	}
	return nil
}

// parallelSignature is signatureByCrypto without the state that one goroutine
// may reuse.
func parallelSignature(b *testing.B, s *sample) func() error {
	key, ok := s.public.([]byte)
	if !ok {
		return signatureByCrypto(b, s)
	}
	return func() error {
		mac := hmac.New(sha256.New, key)
		mac.Write(s.input)
		return holds(hmac.Equal(s.signature, mac.Sum(nil)))
	}
}

func holds(ok bool) error {
	if !ok {
		return errSignature
	}
	return nil
}

func signatureByJWS(b *testing.B, s *sample) func() error {
	v, err := jws.NewVerifier(jwa.SignatureAlgorithm(s.alg))
	check(b, err)
	return func() error { return v.Verify(s.input, s.signature, s.public) }
}

func newVerifier(b *testing.B, s *sample, options ...verifier.Option) *verifier.Verifier {
	b.Helper()
	key, err := verifier.NewKey(s.public, verifier.KeyOptions{})
	check(b, err)
	keys := []*verifier.Key{key}
	v, err := verifier.New(
		verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) { return keys, nil }),
		append(options, verifier.Issuer(issuer), verifier.Audience(audience))...)
	check(b, err)
	return v
}

func verifyByUs(b *testing.B, s *sample) func() error {
	v := newVerifier(b, s)
	return func() error {
		_, err := v.Verify(context.Background(), s.raw)
		return err
	}
}

// authenticateByUs also looks for the token in a handshake.
func authenticateByUs(b *testing.B, s *sample) func() error {
	v := newVerifier(b, s)
	h := &verifier.Handshake{Header: http.Header{"Authorization": {"Bearer " + s.raw}}}
	return func() error {
		_, err := v.Authenticate(context.Background(), h)
		return err
	}
}

// cachedByUs finds the token in the cache, all but the first time.
func cachedByUs(b *testing.B, s *sample) func() error {
	v := newVerifier(b, s, verifier.CacheVerified(1000))
	return func() error {
		_, err := v.Verify(context.Background(), s.raw)
		return err
	}
}

func verifyByPascalDeKloe(_ *testing.B, s *sample) func() error {
	token := []byte(s.raw)
	return func() error {
		var claims *pascaldekloe.Claims
		var err error
		switch key := s.public.(type) {
		case []byte:
			claims, err = pascaldekloe.HMACCheck(token, key)
		case *rsa.PublicKey:
			claims, err = pascaldekloe.RSACheck(token, key)
		case *ecdsa.PublicKey:
			claims, err = pascaldekloe.ECDSACheck(token, key)
		case ed25519.PublicKey:
			claims, err = pascaldekloe.EdDSACheck(token, key)
		}
		if err != nil {
			return err
		}
		if !claims.Valid(time.Now()) || claims.Issuer != issuer || !claims.AcceptAudience(audience) {
			return errors.New("claims refused")
		}
		return nil
	}
}

func verifyByGolangJWT(_ *testing.B, s *sample) func() error {
	p := golangjwt.NewParser(golangjwt.WithValidMethods([]string{s.alg}),
		golangjwt.WithIssuer(issuer), golangjwt.WithAudience(audience))
	key := func(*golangjwt.Token) (any, error) { return s.public, nil }
	return func() error {
		_, err := p.Parse(s.raw, key)
		return err
	}
}

func verifyByJWX(_ *testing.B, s *sample) func() error {
	raw := []byte(s.raw)
	options := []jwxjwt.ParseOption{jwxjwt.WithKey(jwa.SignatureAlgorithm(s.alg), s.public),
		jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience), jwxjwt.WithValidate(true)}
	return func() error {
		_, err := jwxjwt.Parse(raw, options...)
		return err
	}
}

func verifyByAuth0(b *testing.B, s *sample) func() error {
	v, err := auth0.New(
		auth0.WithKeyFunc(func(context.Context) (any, error) { return s.public, nil }),
		auth0.WithAlgorithm(auth0.SignatureAlgorithm(s.alg)), auth0.WithIssuer(issuer), auth0.WithAudience(audience))
	check(b, err)
	return func() error {
		_, err := v.ValidateToken(context.Background(), s.raw)
		return err
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
