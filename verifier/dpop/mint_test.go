package dpop

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
	"encoding/json"
	"maps"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Proofs and tokens are minted only with the standard library, so that what the
// tests hold for right does not come from the code that is tested.

// now is the time in all tests that do not say otherwise.
var now = time.Unix(1_700_000_000, 0)

func clock() time.Time { return now }

const endpoint = "https://chat.example.com/socket.io/"

type members = map[string]any

// with returns m with other members; one that is nil is left out.
func with(m, others members) members {
	all := maps.Clone(m)
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// client has a key.
type client struct {
	alg string
	key crypto.Signer
	jwk members
}

var (
	alice = sync.OnceValue(func() *client { return newClient("ES256") })
	bob   = sync.OnceValue(func() *client { return newClient("ES256") })
)

func newClient(alg string) *client {
	c := &client{alg: alg}
	switch alg {
	case "ES256", "ES384", "ES512":
		curve := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg]
		key := must(ecdsa.GenerateKey(curve, rand.Reader))
		point := must(key.PublicKey.Bytes())[1:]
		c.key = key
		c.jwk = members{"kty": "EC", "crv": curve.Params().Name, "x": encode(point[:len(point)/2]), "y": encode(point[len(point)/2:])}
	case "EdDSA":
		public, key, _ := ed25519.GenerateKey(rand.Reader)
		c.key = key
		c.jwk = members{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}
	default:
		key := rsaKey()
		c.key = key
		c.jwk = members{"kty": "RSA", "n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes())}
	}
	return c
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

// thumbprint computes RFC 7638: encoding/json sorts the members of a map.
func (c *client) thumbprint() string {
	sum := sha256.Sum256(must(json.Marshal(c.jwk)))
	return encode(sum[:])
}

// header and claims are those of a good proof for a token.
func (c *client) header() members { return members{"typ": "dpop+jwt", "alg": c.alg, "jwk": c.jwk} }

func (c *client) claims(token string) members {
	hash := sha256.Sum256([]byte(token))
	return members{
		"jti": encode(must(randomBytes(12))), "htm": "GET", "htu": endpoint, "iat": now.Unix(), "ath": encode(hash[:]),
	}
}

func randomBytes(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := rand.Read(b)
	return b, err
}

// proof is a good proof for a token, except for what is said otherwise.
func (c *client) proof(token string, header, claims members) string {
	return c.sign(with(c.header(), header), with(c.claims(token), claims))
}

func (c *client) sign(header, claims members) string {
	input := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(claims)))
	return input + "." + encode(c.signature(input))
}

func (c *client) signature(input string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[c.alg[2:]]
	digest := []byte(input)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch key := c.key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		size := (key.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		must(s.FillBytes(out[size:]), err)
		return out
	case *rsa.PrivateKey:
		var options crypto.SignerOpts = hash
		if c.alg[0] == 'P' {
			options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		return must(key.Sign(rand.Reader, digest, options))
	default:
		return must(c.key.Sign(nil, digest, hash))
	}
}

var secret = []byte("0123456789abcdef0123456789abcdef")

// token is an access token of the claims.
func token(claims members) string {
	input := encode([]byte(`{"alg":"HS256","typ":"at+jwt"}`)) + "." + encode(must(json.Marshal(claims)))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

// tokenOf is a token bound to the client's key.
func (c *client) token() string {
	return token(members{"sub": "alice", "exp": now.Unix() + 600, "cnf": members{"jkt": c.thumbprint()}})
}

// newServer is what a server has: a verifier that asks for proofs.
func newServer(t testing.TB, options ...Option) *verifier.Verifier {
	t.Helper()
	return serverOf(t, append([]Option{URL(endpoint)}, options...)...)
}

func serverOf(t testing.TB, options ...Option) *verifier.Verifier {
	t.Helper()
	proof, err := New(append([]Option{WithClock(clock)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	key := must(verifier.NewKey(secret, verifier.KeyOptions{}))
	keys := verifier.KeyProviderFunc(func(context.Context, *verifier.UnverifiedToken) ([]*verifier.Key, error) {
		return []*verifier.Key{key}, nil
	})
	v, err := verifier.New(keys, verifier.WithClock(clock), verifier.WithExtractor(Extractor()), verifier.Validate(proof))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// inPayload is a handshake with token and proof in the auth payload.
func inPayload(token, proof string) *verifier.Handshake {
	return &verifier.Handshake{Method: "GET", Auth: map[string]any{"token": token, "dpop": proof}}
}

// flip returns the segment with one bit changed.
func flip(proof string) string {
	b := []byte(proof)
	i := len(b) - 5
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
