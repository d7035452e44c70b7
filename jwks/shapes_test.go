package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// jwk returns the key as it is published, with members laid over its own; nil takes one
// out.
func jwk(k *verifiertest.Key, more map[string]any) map[string]any {
	m := map[string]any{}
	for name, v := range k.JWK() {
		m[name] = v
	}
	for name, v := range more {
		if m[name] = v; v == nil {
			delete(m, name)
		}
	}
	return m
}

func keySet(keys ...map[string]any) string {
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// inPEM writes the key's public half, or a certificate of it.
func inPEM(k *verifiertest.Key, certified bool) string {
	if !certified {
		der, err := x509.MarshalPKIXPublicKey(k.Material())
		if err != nil {
			panic(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Material(), authority)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.Bytes()
}

// serve answers each request for the key set with the body and header.
func serve(body string, header map[string]string) verifiertest.Fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if strings.Contains(r.URL.Path, "openid-configuration") {
			serve(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.Write([]byte(body))
	}
}

// movedTo redirects requests for the key set, but those for where it has moved.
func movedTo(target string) verifiertest.Fault {
	return func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		if strings.HasSuffix(r.URL.Path, "/jwks.json") && r.URL.RawQuery == "" {
			http.Redirect(w, r, target, http.StatusMovedPermanently)
			return
		}
		serve(w, r)
	}
}

// TestShapes: key sets as identity providers publish them. Each is served by the fake
// issuer, with its own keys, and a token of each key verifies.
func TestShapes(t *testing.T) {
	rs := verifiertest.NewKey(verifier.RS256, "rsa-1")
	es, ed := verifiertest.NewKey(verifier.ES256, "ec-1"), verifiertest.NewKey(verifier.EdDSA, "ed-1")
	enc := verifiertest.NewKey(verifier.RS256, "rsa-1") // for encryption, under the kid of the other
	forged, other := verifiertest.NewKey(verifier.RS256, "rsa-1"), verifiertest.NewKey(verifier.RS256, "b")
	nameless := verifiertest.NewKey(verifier.RS256, "")
	set := keySet(jwk(rs, nil))
	for _, tt := range []struct {
		name  string
		body  string
		fault verifiertest.Fault // instead of the body
		head  map[string]string
		keys  []*verifiertest.Key
		token verifiertest.Claims // members of the token's header
	}{
		{name: "Auth0: x5c, x5t", body: keySet(jwk(rs, map[string]any{"x5c": []string{"MIIC"}, "x5t": "abc"}), jwk(es, nil)), keys: []*verifiertest.Key{rs, es}},
		{name: "Entra: no alg, issuer and cloud_instance_name", body: keySet(jwk(rs, map[string]any{"alg": nil, "x5t": "rsa-1", "x5c": []string{"MIIC"}, "cloud_instance_name": "microsoftonline.com", "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"})), keys: []*verifiertest.Key{rs}, token: verifiertest.Claims{"x5t": "rsa-1"}},
		{name: "AD FS: kid that is x5t, no alg", body: keySet(jwk(rs, map[string]any{"alg": nil, "x5t": "rsa-1"})), keys: []*verifiertest.Key{rs}},
		{name: "Keycloak: an encryption key beside", body: keySet(jwk(rs, nil), jwk(other, map[string]any{"use": "enc", "alg": "RSA-OAEP"})), keys: []*verifiertest.Key{rs}},
		{name: "an encryption key of the same kid", body: keySet(jwk(enc, map[string]any{"use": "enc"}), jwk(rs, nil)), keys: []*verifiertest.Key{rs}},
		{name: "two keys of one kid", body: keySet(jwk(enc, nil), jwk(rs, nil)), keys: []*verifiertest.Key{rs, enc}},
		{name: "two keys of one kid, of two types", body: keySet(jwk(rs, map[string]any{"kid": "one"}), jwk(es, map[string]any{"kid": "one"})), keys: []*verifiertest.Key{rs, es}, token: verifiertest.Claims{"kid": "one"}},
		{name: "one key twice", body: keySet(jwk(rs, nil), jwk(rs, nil)), keys: []*verifiertest.Key{rs}},
		{name: "one key under two algorithms", body: keySet(jwk(rs, nil), jwk(rs, map[string]any{"alg": "PS256"})), keys: []*verifiertest.Key{rs}},
		{name: "Apple: several keys, no x5c", body: keySet(jwk(rs, nil), jwk(other, nil)), keys: []*verifiertest.Key{rs}},
		{name: "Kubernetes: jwk-set+json", body: set, head: map[string]string{"Content-Type": "application/jwk-set+json"}, keys: []*verifiertest.Key{rs}},
		{name: "GitLab: kid, no use", body: keySet(jwk(rs, map[string]any{"use": nil})), keys: []*verifiertest.Key{rs}},
		{name: ".NET: empty members", body: keySet(jwk(rs, map[string]any{"key_ops": []string{}, "oth": []string{}, "x5c": []string{}, "d": "", "kty": "RSA"})), keys: []*verifiertest.Key{rs}},
		{name: ".NET: null members", body: keySet(jwk(rs, map[string]any{"key_ops": json.RawMessage("null"), "d": json.RawMessage("null"), "x": json.RawMessage("null"), "use": json.RawMessage("null")})), keys: []*verifiertest.Key{rs}},
		{name: "key_ops verify", body: keySet(jwk(rs, map[string]any{"key_ops": []string{"verify"}, "use": nil})), keys: []*verifiertest.Key{rs}},
		{name: "WebCrypto: ext and key_ops", body: keySet(jwk(ed, map[string]any{"ext": true, "key_ops": []string{"verify"}, "use": nil})), keys: []*verifiertest.Key{ed}},
		{name: "RFC 9864: alg Ed25519", body: keySet(jwk(ed, map[string]any{"alg": "Ed25519"})), keys: []*verifiertest.Key{ed}, token: verifiertest.Claims{"alg": "Ed25519"}},
		{name: "RFC 9864: alg Ed25519, tokens EdDSA", body: keySet(jwk(ed, map[string]any{"alg": "Ed25519"})), keys: []*verifiertest.Key{ed}},
		{name: "RFC 9864: alg ESP256", body: keySet(jwk(es, map[string]any{"alg": "ESP256"})), keys: []*verifiertest.Key{es}, token: verifiertest.Claims{"alg": "ESP256"}},
		{name: "SPIRE: jwt-svid beside x509-svid", body: strings.Replace(keySet(jwk(es, map[string]any{"use": "jwt-svid", "alg": nil}), jwk(verifiertest.NewKey(verifier.ES256, ""), map[string]any{"use": "x509-svid"})), "{", `{"spiffe_sequence":3,"spiffe_refresh_hint":300,`, 1), keys: []*verifiertest.Key{es}},
		{name: "post-quantum neighbours", body: keySet(verifiertest.AKP("pq"), map[string]any{"kty": "LMS", "kid": "x"}, jwk(rs, nil), map[string]any{"kty": "OKP", "crv": "Ed448", "x": "AAAA", "kid": "y"}, map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}), keys: []*verifiertest.Key{rs}},
		{name: "damaged neighbours", body: keySet(jwk(rs, nil), map[string]any{"kty": "RSA", "n": "!", "e": "AQAB"}, nil, map[string]any{"kty": 1}), keys: []*verifiertest.Key{rs}},
		{name: "no kid, in key or token", body: keySet(jwk(nameless, nil)), keys: []*verifiertest.Key{nameless}},
		{name: "no kid in the key", body: keySet(jwk(rs, map[string]any{"kid": nil})), keys: []*verifiertest.Key{rs}},
		{name: "no kid in the token", body: keySet(jwk(es, nil), jwk(rs, nil)), keys: []*verifiertest.Key{rs, es}, token: verifiertest.Claims{"kid": nil}},
		{name: "Google: certificates by kid", body: encode(t, map[string]string{"rsa-1": inPEM(rs, true), "other": inPEM(enc, true)}), keys: []*verifiertest.Key{rs}},
		{name: "Google IAP: keys by kid", body: encode(t, map[string]string{"ec-1": inPEM(es, false)}), keys: []*verifiertest.Key{es}},
		{name: "text/plain", body: set, head: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, keys: []*verifiertest.Key{rs}},
		{name: "application/octet-stream", body: set, head: map[string]string{"Content-Type": "application/octet-stream"}, keys: []*verifiertest.Key{rs}},
		{name: "no content type", body: set, head: map[string]string{"Content-Type": ""}, keys: []*verifiertest.Key{rs}},
		{name: "a content type that is none", body: set, head: map[string]string{"Content-Type": "json;;"}, keys: []*verifiertest.Key{rs}},
		{name: "text/html, and a set", body: set, head: map[string]string{"Content-Type": "text/html"}, keys: []*verifiertest.Key{rs}},
		{name: "a byte order mark", body: "\ufeff" + set, keys: []*verifiertest.Key{rs}},
		{name: "white space around", body: "\n\t " + set + "\r\n", keys: []*verifiertest.Key{rs}},
		{name: "gzip, unasked", body: string(gzipped(set)), head: map[string]string{"Content-Encoding": "gzip"}, keys: []*verifiertest.Key{rs}},
		{name: "a redirect", fault: movedTo("/.well-known/jwks.json?moved"), keys: []*verifiertest.Key{rs}},
		{name: "a redirect to the default port", fault: movedTo("https://issuer.test:443/.well-known/jwks.json?moved"), keys: []*verifiertest.Key{rs}},
		{name: "a redirect in capitals", fault: movedTo("https://ISSUER.test/.well-known/jwks.json?moved"), keys: []*verifiertest.Key{rs}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := verifiertest.NewIssuer("https://issuer.test/", rs)
				if tt.fault == nil {
					tt.fault = serve(tt.body, tt.head)
				}
				issuer.Break(tt.fault)
				client := &http.Client{Transport: anyCase{issuer.Client().Transport}}
				v := newVerifier(t, made(t)(jwks.OIDC(issuer.URL(), jwks.HTTPClient(client), jwks.WithLogger(quiet))))
				for _, k := range tt.keys {
					if _, err := v.Verify(t.Context(), issuer.TokenBy(k, tt.token, nil)); err != nil {
						t.Error(err)
					}
				}
				if _, err := v.Verify(t.Context(), issuer.TokenBy(forged, tt.token, nil)); err == nil {
					t.Error("a forged token was accepted")
				}
			})
		})
	}
}

// anyCase reaches the issuer by its host in any spelling, as a network does.
type anyCase struct{ http.RoundTripper }

func (a anyCase) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = strings.TrimSuffix(strings.ToLower(r.URL.Host), ":443")
	return a.RoundTripper.RoundTrip(r)
}

// TestRequestHeader: headers are sent where the operator said, and not where the
// metadata leads.
func TestRequestHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, elsewhere := verifiertest.NewIssuer("https://kubernetes.default.svc/"), verifiertest.NewIssuer("https://elsewhere.test/")
		n, failure := 0, error(nil)
		header := jwks.RequestHeader(func(context.Context) (http.Header, error) {
			n++
			return http.Header{"authorization": {fmt.Sprintf("Bearer %d", n)}}, failure
		})
		client := jwks.HTTPClient(verifiertest.Client(cluster, elsewhere))
		v := newVerifier(t, made(t)(jwks.OIDC(cluster.URL(), header, client, jwks.WithLogger(quiet))))
		if _, err := v.Verify(t.Context(), cluster.Token(nil)); err != nil {
			t.Fatal(err)
		}
		for i, r := range cluster.Requests() {
			if got := r.Header.Get("Authorization"); got != fmt.Sprintf("Bearer %d", i+1) {
				t.Errorf("request %d had %q", i, got)
			}
		}
		cluster.Announce(verifiertest.Claims{"jwks_uri": elsewhere.JWKSURL()})
		v = newVerifier(t, made(t)(jwks.OIDC(cluster.URL(), header, client, jwks.WithLogger(quiet))))
		v.Verify(t.Context(), cluster.Token(nil))
		if r := elsewhere.Requests(); len(r) != 1 || r[0].Header.Get("Authorization") != "" {
			t.Errorf("elsewhere got %+v", r)
		}
		failure = errors.New("no token")
		v = newVerifier(t, made(t)(jwks.URL(cluster.JWKSURL(), header, client, jwks.WithLogger(quiet))))
		_, err := v.Verify(t.Context(), cluster.Token(nil))
		refusedFor(t, "an error", err, verifier.ErrKeysUnavailable)
	})
}

// TestRefresh: a refresh asks now, whatever the store, the ETag and the last failure
// say, and reports what cannot be fetched.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := newStore()
		w := newWorld(t)
		p := w.another(jwks.WithStore(shared))
		w.verifier = w.verifierOf(p)
		list := made(t)(jwks.Issuers(map[string]verifier.KeyProvider{w.issuer.URL(): p, "secret": w.issuer}))
		dynamic := made(t)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return true, nil }, jwks.HTTPClient(w.issuer.Client()), jwks.WithLogger(quiet)))
		if _, err := newVerifier(t, dynamic).Verify(t.Context(), w.issuer.Token(nil)); err != nil {
			t.Fatal(err)
		}
		w.good("at first")
		time.Sleep(time.Minute)
		if err := w.another(jwks.WithStore(shared)).Refresh(t.Context()); err != nil { // the store has a newer set
			t.Error(err)
		}
		synctest.Wait()
		w.issuer.Rotate(unpublished("key-2"))
		w.issuer.Withdraw("key-1")
		for name, r := range map[string]*jwks.Provider{"URL": p, "Issuers": list, "IssuersFunc": dynamic} {
			if err := r.Refresh(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			requests := w.issuer.Requests()
			if last := requests[len(requests)-1]; last.Header.Get("If-None-Match") != "" || last.Status != http.StatusOK {
				t.Errorf("%s: the issuer was asked whether anything changed: %+v", name, last)
			}
		}
		if err := w.verify(w.issuer.TokenBy(w.key, nil, nil), "192.0.2.1:1"); !errors.Is(err, verifier.ErrKeyNotFound) {
			t.Errorf("withdrawn: got %v", err)
		}
		w.issuer.Break(verifiertest.Down())
		if err := p.Refresh(t.Context()); err == nil {
			t.Error("a refresh in an outage reports nothing")
		}
		w.good("in the outage")
		w.issuer.Break(nil)
		if err := p.Refresh(t.Context()); err != nil {
			t.Errorf("right after the outage: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.issuer.Break(verifiertest.Slow(time.Second))
		if err := p.Refresh(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		time.Sleep(2 * time.Second)
	})
}
