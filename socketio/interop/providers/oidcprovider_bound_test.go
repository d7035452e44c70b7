package providers

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
	"github.com/seed15b1dee8/socketio-jwt/verifier/mtls"
)

// outward is the URL of the endpoint, as clients see it.
const outward = "https://chat.example/socket.io/"

// bound is a client with a DPoP key and a token bound to it.
type bound struct {
	t     testing.TB
	key   string
	token string
}

// present connects with the token and the proof, if there is one.
func (b bound) present(url, proof string) *jsclient.Client {
	b.t.Helper()
	auth := map[string]string{"token": b.token}
	if proof != "" {
		auth["dpop"] = proof
	}
	return connectWith(b.t, jsclient.Options{URL: url, Auth: auth})
}

// proof makes a proof with the npm package dpop.
func (b bound) proof(nonce string) string {
	b.t.Helper()
	return ask(b.t, asking{Grant: "proof", KeyPair: b.key, URL: outward, Token: b.token, Nonce: nonce}).Proof
}

// TestOIDCProviderDPoP: the provider and the server each ask for a nonce. A
// proof is good once. A bound token is worth nothing without a proof by its key.
func TestOIDCProviderDPoP(t *testing.T) {
	for _, alg := range []string{"ES256", "Ed25519"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			p := startOIDCProvider(t, "ES256", nil)
			got := p.ask(asking{Grant: "code", Resource: chat, Scope: "openid chat", KeyPair: t.Name(), KeyAlg: alg})
			if got.Type != "dpop" {
				t.Fatalf("the provider issued a token of the type %q", got.Type)
			}
			b := bound{t, t.Name(), got.Access}
			keys := p.keys(t, p.issuer)
			proven := func(options ...dpop.Option) string {
				d := must[*dpop.Validator](t)(dpop.New(append(options, dpop.URL(outward))...))
				return serve(t, p.verifier(keys, verifier.WithExtractor(dpop.Extractor()), verifier.Validate(d)))
			}

			url := proven(dpop.Nonces(nil, time.Minute))
			var told []struct{ Data struct{ Nonce string } }
			text := rejected(t, "a proof without the server's nonce", b.present(url, b.proof("")), dpop.ErrUseNonce)
			if err := json.Unmarshal([]byte(text), &told); err != nil || told[0].Data.Nonce == "" {
				t.Fatalf("no nonce in %s: %v", text, err)
			}
			nonce := told[0].Data.Nonce
			good := b.proof(nonce)
			first := b.present(url, good)
			greeted(t, first, "ada")
			rejected(t, "a replayed proof", b.present(url, good), dpop.ErrProofReplayed)
			rejected(t, "an invented nonce", b.present(url, b.proof("invented")), dpop.ErrUseNonce)
			first.ExpectNone(t, "disconnect")

			rejected(t, "no proof", b.present(url, ""), dpop.ErrProofMissing)
			rejected(t, "a proof by another key", bound{t, t.Name() + "/thief", got.Access}.present(url, bound{t, t.Name() + "/thief", got.Access}.proof(nonce)), dpop.ErrKeyMismatch)
			other := ask(t, asking{Grant: "proof", KeyPair: b.key, URL: "https://mail.example/socket.io/", Token: b.token, Nonce: nonce}).Proof
			rejected(t, "a proof for another server", b.present(url, other), dpop.ErrProofInvalid)
			plain := bound{t, b.key, p.code(chat).Access}
			rejected(t, "an unbound token", plain.present(url, plain.proof(nonce)), dpop.ErrNotBound)

			// Downgrades.
			headers := map[string]string{"Authorization": "Bearer " + b.token, "DPoP": b.proof(nonce)}
			rejected(t, "a bound token as Bearer", connectWith(t, jsclient.Options{URL: url, Header: headers}), dpop.ErrSchemeMismatch)
			headers = map[string]string{"Authorization": "DPoP " + b.token, "DPoP": b.proof(nonce)}
			greeted(t, connectWith(t, jsclient.Options{URL: url, Header: headers}), "ada")
			both := proven(dpop.AllowBearer())
			greeted(t, plain.present(both, ""), "ada")
			rejected(t, "a bound token without a proof, where bearer tokens may come", b.present(both, ""), dpop.ErrProofMissing)
			refused(t, "a bound token where nobody asks for proofs", serve(t, p.verifier(keys)), b.token, verifier.ErrTokenBound)
		})
	}
}

// TestOIDCProviderMutualTLS: a token that is bound to a client certificate is accepted
// over a connection with that certificate only.
func TestOIDCProviderMutualTLS(t *testing.T) {
	t.Parallel()
	p := startOIDCProvider(t, "ES256", nil)
	type certificate struct{ cert, key string }
	issue := func(name string) certificate {
		cert, key, err := p.authority.issue(name)
		if err != nil {
			t.Fatal(err)
		}
		return certificate{cert, key}
	}
	mine, thief := issue("mine"), issue("thief")
	got := p.ask(asking{Grant: "client_credentials", ID: "bound", Resource: chat, Scope: "chat", Cert: mine.cert, Key: mine.key})
	plain := p.clientCredentials(chat)

	keys := p.keys(t, p.issuer)
	proven := func(options ...mtls.Option) string {
		m := must[*mtls.Validator](t)(mtls.New(options...))
		s := unstarted(t, p.verifier(keys, verifier.Validate(m)))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{p.tls}, ClientAuth: tls.RequestClientCert}
		s.Config.ErrorLog = quietLog
		s.StartTLS()
		return s.URL
	}
	read := func(path string) string { return string(must[[]byte](t)(os.ReadFile(path))) }
	connect := func(url, token string, c certificate) *jsclient.Client {
		extra := map[string]any{"ca": read(p.ca)}
		if c.cert != "" {
			extra["cert"], extra["key"] = read(c.cert), read(c.key)
		}
		return connectWith(t, jsclient.Options{URL: url, Auth: map[string]string{"token": token}, Extra: extra})
	}

	url := proven()
	greeted(t, connect(url, got.Access, mine), "bound")
	rejected(t, "no certificate", connect(url, got.Access, certificate{}), mtls.ErrCertificateMissing)
	rejected(t, "another certificate", connect(url, got.Access, thief), mtls.ErrCertificateMismatch)
	rejected(t, "an unbound token", connect(url, plain, mine), mtls.ErrNotBound)
	both := proven(mtls.AllowBearer())
	greeted(t, connect(both, plain, certificate{}), "web")
	rejected(t, "a bound token without its certificate, where bearer tokens may come", connect(both, got.Access, certificate{}), mtls.ErrCertificateMissing)
	refused(t, "a bound token where nobody asks for certificates", serve(t, p.verifier(keys)), got.Access, verifier.ErrTokenBound)
}
