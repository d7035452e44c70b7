package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

// Proofs of possession (RFC 9449) are made here without a library, like tokens.

// outward is where clients open connections as they see it, in front of a proxy.
const outward = "https://chat.example.com/socket.io/"

// prover is a client's key.
type prover struct {
	key *ecdsa.PrivateKey
	jwk claims
}

var (
	aliceKey = sync.OnceValue(newProver)
	bobKey   = sync.OnceValue(newProver)
)

func newProver() *prover {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return &prover{key, claims{"kty": "EC", "crv": "P-256", "x": raw64(point[1:33]), "y": raw64(point[33:])}}
}

// token is one for alice, bound to the key.
func (p *prover) token() string {
	text, err := json.Marshal(p.jwk) // members sorted, as RFC 7638 has them
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(text)
	return mint(claims{"sub": "alice", "cnf": claims{"jkt": raw64(sum[:])}})
}

// proof is a good one for the token, made now, except for the members of header and
// claims that are given; nil leaves one out.
func (p *prover) proof(token string, header, others claims) string {
	var jti [16]byte
	_, _ = rand.Read(jti[:])
	hash := sha256.Sum256([]byte(token))
	input := part(claims{"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}, header) + "." + part(claims{
		"jti": raw64(jti[:]), "htm": "GET", "htu": outward, "iat": time.Now().Unix(), "ath": raw64(hash[:]),
	}, others)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		panic(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + raw64(signature[:])
}

// part is a header or claims set, encoded.
func part(members, others claims) string {
	all := maps.Clone(members)
	maps.Copy(all, others)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return b64(string(text))
}

func raw64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// proving is p for tokens that are bound to a key.
func (p policy) proving(options ...dpop.Option) policy {
	proof, err := dpop.New(append([]dpop.Option{dpop.URL(outward)}, options...)...)
	if err != nil {
		panic(err)
	}
	p.verify = append(p.verify, verifier.WithExtractor(dpop.Extractor()), verifier.Validate(proof))
	return p
}

// A credential is a token and a proof as a client presents them. It is made when
// it is needed, since a proof is good for a minute.
type credential func() (token, proof string)

// once makes a credential whose second use presents what the first did.
func (c credential) once() credential {
	return sync.OnceValues(c)
}

func (c credential) object() map[string]any {
	token, proof := c()
	if proof == "" {
		return map[string]any{"token": token}
	}
	return map[string]any{"token": token, "dpop": proof}
}

// The ways to present one.

func (c credential) byEvent() step {
	return func(r *run) { r.Helper(); emits("authenticate", c.object())(r) }
}

func (c credential) byHeader() step {
	return func(r *run) {
		r.Helper()
		token, proof := c()
		header := map[string]string{"Authorization": "DPoP " + token}
		if proof != "" {
			header["DPoP"] = proof
		}
		opens(jsclient.Options{Header: header})(r)
	}
}

func (c credential) byQuery() step {
	return func(r *run) {
		r.Helper()
		token, proof := c()
		opens(jsclient.Options{Query: map[string]string{"token": token, "dpop": proof}})(r)
	}
}

func (c credential) byPayload() step {
	return func(r *run) { r.Helper(); opens(jsclient.Options{Auth: c.object()})(r) }
}

// wantsNonce waits for a refusal that tells a nonce, by the event or by the failed
// handshake of a modern client, and keeps the nonce.
func wantsNonce(event string, nonce *string) step {
	return func(r *run) {
		r.Helper()
		r.seen = r.client.ExpectNext(r, event)
		var told struct {
			Data struct {
				Code, Reason, Nonce string
				Retryable           bool
			}
		}
		r.seen.Decode(r, 0, &told)
		if d := told.Data; d.Code != "use_dpop_nonce" || d.Reason != "use_dpop_nonce" || !d.Retryable || d.Nonce == "" {
			r.Fatalf("%s is %s, want use_dpop_nonce and the nonce", event, r.seen)
		}
		*nonce = told.Data.Nonce
	}
}

// presents has a modern client connect again with another credential.
func presents(c credential) step {
	return func(r *run) {
		r.Helper()
		r.client.Present(r, c.object(), nil)
		r.client.Open(r)
	}
}

// by is p, decided by another authenticator than a verifier of signed tokens.
func (p policy) by(make func(t testing.TB) authenticator) policy {
	p.auth = make
	return p
}
