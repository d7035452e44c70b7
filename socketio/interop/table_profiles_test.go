package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio/interop/jsclient"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/mtls"
)

func badProof(check string) refusal {
	return refusal{"invalid_dpop_proof", "DPoP proof invalid: " + check, "dpop_proof_invalid", false}
}

var (
	noProof    = refusal{"invalid_token", "no DPoP proof provided", "dpop_proof_missing", false}
	usedProof  = refusal{"invalid_dpop_proof", "DPoP proof used before", "dpop_proof_replayed", false}
	anotherKey = refusal{"invalid_token", "the token is bound to another DPoP key", "dpop_key_mismatch", false}
	unbound    = refusal{"invalid_token", "the token is not bound to a DPoP key", "token_not_bound", false}
	downgraded = refusal{"invalid_token", "a DPoP-bound token needs the scheme DPoP", "dpop_scheme_mismatch", false}
	stolen     = refusal{"invalid_token", "the token is bound to a key", "token_bound", false}
)

// proofAttack is a credential that does not pass, and why.
type proofAttack struct {
	name string
	credential
	refusal
}

// proofAttacks has a row for each check of RFC 9449 §4.3.
func proofAttacks() []proofAttack {
	flawed := func(header, others claims) credential {
		return func() (string, string) {
			token := aliceKey().token()
			return token, aliceKey().proof(token, header, others)
		}
	}
	private := claims{"d": raw64(make([]byte, 32))}
	for name, value := range aliceKey().jwk {
		private[name] = value
	}
	ago := func(d time.Duration) credential {
		return func() (string, string) {
			token := aliceKey().token()
			return token, aliceKey().proof(token, nil, claims{"iat": time.Now().Add(-d).Unix()})
		}
	}
	return []proofAttack{
		{"no proof", func() (string, string) { return aliceKey().token(), "" }, noProof},
		{"not a proof", func() (string, string) { return aliceKey().token(), "x" }, badProof("malformed")},
		{"another method", flawed(nil, claims{"htm": "POST"}), badProof("htm")},
		{"another URL", flawed(nil, claims{"htu": "https://evil.example/socket.io/"}), badProof("htu")},
		{"another token's ath", func() (string, string) {
			return aliceKey().token(), aliceKey().proof(alice, nil, nil)
		}, badProof("ath")},
		{"no ath", flawed(nil, claims{"ath": nil}), badProof("claims")},
		{"no jti", flawed(nil, claims{"jti": nil}), badProof("claims")},
		{"a key that is not in cnf", func() (string, string) {
			token := aliceKey().token()
			return token, bobKey().proof(token, nil, nil)
		}, anotherKey},
		{"a signature by another key", func() (string, string) {
			token := aliceKey().token()
			return token, bobKey().proof(token, claims{"jwk": aliceKey().jwk}, nil)
		}, badProof("signature")},
		{"a symmetric alg", flawed(claims{"alg": "HS256"}, nil), badProof("alg")},
		{"alg none", flawed(claims{"alg": "none"}, nil), badProof("alg")},
		{"a symmetric key", flawed(claims{"jwk": claims{"kty": "oct", "k": "AAAA"}}, nil), badProof("jwk")},
		{"a private key in the jwk", flawed(claims{"jwk": private}, nil), badProof("jwk")},
		{"no jwk", flawed(claims{"jwk": nil}, nil), badProof("jwk")},
		{"another typ", flawed(claims{"typ": "JWT"}, nil), badProof("typ")},
		{"too old", ago(70 * time.Second), badProof("iat")},
		{"from the future", ago(-time.Minute), badProof("iat")},
		{"a token bound to nothing", func() (string, string) { return alice, aliceKey().proof(alice, nil, nil) }, unbound},
		{"a token bound to nothing, without a proof", func() (string, string) { return alice, "" }, unbound},
	}
}

func proofRows() []behaviour {
	good := func() credential {
		return func() (string, string) {
			token := aliceKey().token()
			return token, aliceKey().proof(token, nil, nil)
		}
	}
	opened := script{opens(jsclient.Options{}), connects()}
	then := func(steps ...any) script {
		var all script
		for _, s := range steps {
			switch s := s.(type) {
			case step:
				all = append(all, s)
			case script:
				all = append(all, s...)
			}
		}
		return all
	}
	is := asks("whoami", 0, `["alice"]`)
	authenticated := sees("authenticated", "[]")
	aged := credential(func() (string, string) {
		token := aliceKey().token()
		return token, aliceKey().proof(token, nil, claims{"iat": time.Now().Add(-50 * time.Second).Unix()})
	})

	rows := []behaviour{
		{name: "dpop/by event", guards: root(byEvent().proving()), script: then(opened, good().byEvent(), authenticated, is), calls: calls("alice")},
		{name: "dpop/not quite too old", guards: root(byEvent().proving()), script: then(opened, aged.byEvent(), authenticated, is), calls: calls("alice")},
		{name: "dpop/in headers", guards: root(byHandshake().proving()), script: then(good().byHeader(), connects(), is), calls: calls("alice")},
		{name: "dpop/in the query", guards: root(byHandshake().proving()), script: then(good().byQuery(), connects(), is), calls: calls("alice")},
		{name: "dpop/in the auth payload", guards: root(byHandshake().proving()), only: modern, script: then(good().byPayload(), connects(), is), calls: calls("alice")},
		{
			name: "dpop/an unbound token, where that is allowed", guards: root(byEvent().proving(dpop.AllowBearer())),
			script: script{opens(atOnce(alice)), connects(), authenticated, is}, calls: calls("alice"),
		},
		{
			name: "dpop/a bound token, where nobody asks for proofs", guards: root(byHandshake()),
			script: then(step(func(r *run) { opens(withQuery(aliceKey().token()))(r) }), refused(stolen)), calls: []string{"failure token_bound"},
		},
		{
			name: "dpop/a bound token as Bearer", guards: root(byHandshake().proving()),
			script: then(step(func(r *run) {
				token := aliceKey().token()
				opens(jsclient.Options{Header: map[string]string{"Authorization": "Bearer " + token, "DPoP": aliceKey().proof(token, nil, nil)}})(r)
			}), refused(downgraded)), calls: []string{"failure dpop_scheme_mismatch"},
		},
		{
			name: "dpop/two proofs", guards: root(byHandshake().proving()),
			script: then(step(func(r *run) {
				token := aliceKey().token()
				opens(jsclient.Options{
					Header: map[string]string{"Authorization": "DPoP " + token, "DPoP": aliceKey().proof(token, nil, nil)},
					Query:  map[string]string{"dpop": aliceKey().proof(token, nil, nil)},
				})(r)
			}), refused(badProof("malformed"))), calls: []string{"failure dpop_proof_invalid"},
		},
		func() behaviour {
			seen := good().once()
			return behaviour{
				name: "dpop/replayed by a thief, event", guards: root(byEvent().proving()),
				script: then(opened, seen.byEvent(), authenticated, is, called("alice"),
					opened, seen.byEvent(), unauthorized(usedProof), acknowledges(), disconnected(), as("alice"), is),
				calls: []string{"authenticated alice", "success alice", "failure dpop_proof_replayed", "disconnected"},
			}
		}(),
		func() behaviour {
			seen := good().once()
			return behaviour{
				name: "dpop/replayed by a thief, handshake", guards: root(byHandshake().proving()),
				script: then(seen.byHeader(), connects(), is, called("alice"), seen.byHeader(), refused(usedProof), as("alice"), is),
				calls:  []string{"authenticated alice", "success alice", "failure dpop_proof_replayed", "disconnected"},
			}
		}(),
		func() behaviour {
			first := good().once()
			return behaviour{
				name: "dpop/proven again at renewal", guards: root(byHandshake().proving()),
				script: then(first.byHeader(), connects(), is,
					good().byEvent(), authenticated,
					first.byEvent(), unauthorized(usedProof),
					credential(func() (string, string) { return aliceKey().token(), "" }).byEvent(), unauthorized(noProof),
					good().byEvent(), authenticated, is),
				calls: []string{"authenticated alice", "success alice", "failure dpop_proof_replayed", "failure dpop_proof_missing", "disconnected"},
			}
		}(),
		func() behaviour {
			nonce := ""
			withNonce := credential(func() (string, string) {
				token := aliceKey().token()
				return token, aliceKey().proof(token, nil, claims{"nonce": nonce})
			})
			return behaviour{
				name: "dpop/the server's nonce, by event", guards: root(byEvent().proving(dpop.Nonces(nil, time.Hour))),
				script: then(opened, good().byEvent(), wantsNonce("unauthorized", &nonce), withNonce.byEvent(), authenticated, is),
				calls:  append([]string{"failure use_dpop_nonce"}, calls("alice")...),
			}
		}(),
		func() behaviour {
			nonce := ""
			withNonce := credential(func() (string, string) {
				token := aliceKey().token()
				return token, aliceKey().proof(token, nil, claims{"nonce": nonce})
			})
			return behaviour{
				name: "dpop/the server's nonce, by handshake", guards: root(byHandshake().proving(dpop.Nonces(nil, time.Hour))), only: modern,
				script: then(good().byPayload(), wantsNonce("connect_error", &nonce), presents(withNonce), connects(), is),
				calls:  append([]string{"failure use_dpop_nonce"}, calls("alice")...),
			}
		}(),
	}
	for _, a := range proofAttacks() {
		failed := []string{"failure " + a.reason}
		rows = append(rows,
			behaviour{
				name: "dpop/event/" + a.name, guards: root(byEvent().proving()),
				script: then(opened, a.byEvent(), unauthorized(a.refusal), acknowledges(), disconnected()), calls: failed,
			},
			behaviour{
				name: "dpop/handshake/" + a.name, guards: root(byHandshake().proving()), only: legacy,
				script: then(a.byHeader(), refused(a.refusal)), calls: failed,
			},
			behaviour{
				name: "dpop/handshake/" + a.name, guards: root(byHandshake().proving()), only: modern,
				script: then(a.byPayload(), refused(a.refusal)), calls: failed,
			},
		)
	}
	return rows
}

// certificate is one of a client's.
type certificate struct {
	cert, key  string // PEM
	header     string // as a proxy writes it into Client-Cert
	thumbprint string
}

var (
	aliceCertificate = sync.OnceValue(newCertificate)
	bobCertificate   = sync.OnceValue(newCertificate)
)

func newCertificate() certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return certificate{
		cert:       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:        string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		header:     ":" + base64.StdEncoding.EncodeToString(der) + ":",
		thumbprint: mtls.Thumbprint(der),
	}
}

// showing is a client with the token that shows the certificate itself.
func (c certificate) showing(token string) jsclient.Options {
	o := withQuery(token)
	// The server's own certificate is one of a test's, and no business of the row's.
	o.Extra = map[string]any{"cert": c.cert, "key": c.key, "rejectUnauthorized": false}
	return o
}

// profileRows are those of access tokens with more about them than a signature.
func profileRows() []behaviour {
	certified := func(options ...mtls.Option) policy {
		cert, err := mtls.New(options...)
		if err != nil {
			panic(err)
		}
		p := byHandshake()
		p.verify = append(p.verify, verifier.Validate(cert))
		return p
	}
	proxied := certified(mtls.TrustHeader("Client-Cert", mtls.StructuredField, netip.MustParsePrefix("127.0.0.0/8")))
	bound := mint(claims{"sub": "alice", "cnf": claims{"x5t#S256": aliceCertificate().thumbprint}})
	byProxy := func(c certificate) jsclient.Options {
		return jsclient.Options{Query: map[string]string{"token": bound}, Header: map[string]string{"Client-Cert": c.header}}
	}
	mismatch := refusal{"invalid_token", "the token is bound to another certificate", "certificate_mismatch", false}
	missing := refusal{"invalid_token", "no client certificate provided", "certificate_missing", false}
	asking := func(options ...verifier.Option) policy {
		p := byHandshake()
		p.verify = options
		return p
	}
	is := asks("whoami", 0, `["alice"]`)
	scoped := mint(claims{"sub": "alice", "scope": "chat:read chat:write"})

	return append(proofRows(),
		behaviour{name: "mtls/the certificate", tls: true, guards: root(certified()), script: script{opens(aliceCertificate().showing(bound)), connects(), is}, calls: calls("alice")},
		behaviour{
			name: "mtls/another certificate", tls: true, guards: root(certified()),
			script: script{opens(bobCertificate().showing(bound)), refused(mismatch)}, calls: []string{"failure certificate_mismatch"},
		},
		behaviour{
			name: "mtls/no certificate", tls: true, guards: root(certified()),
			script: script{
				opens(jsclient.Options{Query: map[string]string{"token": bound}, Extra: map[string]any{"rejectUnauthorized": false}}), refused(missing),
			},
			calls: []string{"failure certificate_missing"},
		},
		behaviour{
			name: "mtls/no TLS, and a header that nobody trusts", guards: root(certified()),
			script: script{opens(byProxy(aliceCertificate())), refused(missing)}, calls: []string{"failure certificate_missing"},
		},
		behaviour{name: "mtls/by a proxy", guards: root(proxied), script: script{opens(byProxy(aliceCertificate())), connects(), is}, calls: calls("alice")},
		behaviour{
			name: "mtls/by a proxy, another certificate", guards: root(proxied),
			script: script{opens(byProxy(bobCertificate())), refused(mismatch)}, calls: []string{"failure certificate_mismatch"},
		},
		behaviour{
			name: "mtls/by a proxy, no certificate", guards: root(proxied),
			script: script{opens(withQuery(bound)), refused(missing)}, calls: []string{"failure certificate_missing"},
		},
		behaviour{name: "profile/scopes", guards: root(asking(verifier.RequireScope("chat:write"))), script: script{opens(withQuery(scoped)), connects(), is}, calls: calls("alice")},
		behaviour{
			name: "profile/a scope is lacking", guards: root(asking(verifier.RequireScope("chat:admin"))),
			script: script{opens(withQuery(scoped)), refused(refusal{"invalid_token", "insufficient scope", "insufficient_scope", false})},
			calls:  []string{"failure insufficient_scope"},
		},
		behaviour{
			name: "profile/a proof is not an access token", guards: root(asking()),
			script: script{opens(withQuery(sign(`{"alg":"HS256","typ":"dpop+jwt"}`, `{"sub":"alice"}`, secret))), refused(refusal{"invalid_token", "jwt typ invalid", "type_mismatch", false})},
			calls:  []string{"failure type_mismatch"},
		},
		behaviour{name: "opaque/active", guards: root(byHandshake().by(opaque)), script: script{opens(withQuery("alice's")), connects(), is}, calls: calls("alice")},
		behaviour{
			name: "opaque/inactive", guards: root(byHandshake().by(opaque)),
			script: script{opens(withQuery("revoked")), refused(refusal{"invalid_token", "token inactive", "token_inactive", false})},
			calls:  []string{"failure token_inactive"},
		},
	)
}

// opaque asks an introspection endpoint that knows one token.
func opaque(t testing.TB) authenticator {
	endpoint := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.PostFormValue("token") {
		case "alice's":
			_, _ = io.WriteString(w, `{"active":true,"sub":"alice","exp":4102444800}`)
		case "outage":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, `{"active":false}`)
		}
	}))
	t.Cleanup(endpoint.Close)
	client, err := introspection.New(endpoint.URL, introspection.ClientSecret("chat", "secret"), introspection.HTTPClient(endpoint.Client()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	v, err := verifier.NewOpaque(client)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
