package chat

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// The keys that the fake providers sign with.
var (
	rsaKey = verifiertest.NewKey(verifier.RS256, "key-1")
	ecKey  = verifiertest.NewKey(verifier.ES256, "key-1")
)

type claims = verifiertest.Claims

// provider is a fake identity provider with the shapes of a real one.
type provider struct {
	program func(...jwks.Option) *verifier.Verifier
	issuer  string // the iss of its tokens
	key     *verifiertest.Key

	metadata string                              // the address of its metadata, unless it is the issuer's own
	calls    string                              // the issuer in the metadata, if it is another
	keys     string                              // the address of its keys, if there is no metadata or they are elsewhere
	body     func() string                       // what is there, unless it is a JWK Set
	member   verifiertest.JWK                    // members of its JWK laid over the usual ones
	header   claims                              // of its tokens
	place    string                              // the header that a proxy puts the token into
	mint     func(header, payload claims) string // in place of key's
	token    claims                              // a good one
	refused  map[string]claims                   // what makes it a bad one
}

const guid, api = "99999999-8888-7777-6666-555555555555", "11111111-2222-3333-4444-555555555555"

var providers = map[string]provider{
	"auth0": {program: auth0, issuer: "https://tenant.eu.auth0.com/", key: rsaKey, keys: "https://tenant.eu.auth0.com/.well-known/jwks.json",
		token:   claims{"sub": "auth0|65f0", "aud": []string{"https://chat.example.com", "https://tenant.eu.auth0.com/userinfo"}, "azp": "client", "scope": "openid profile", "permissions": []string{"chat:write"}},
		refused: map[string]claims{"an ID token": {"aud": "client", "nonce": "n"}, "no permission": {"permissions": []string{}}}},
	"okta": {program: okta, issuer: "https://example.okta.com/oauth2/default", key: rsaKey,
		token:   claims{"ver": 1, "jti": "AT.x", "aud": "api://default", "cid": "0oa", "uid": "00u", "scp": []string{"openid", "chat:write"}, "sub": "ada@example.com"},
		refused: map[string]claims{"an ID token": {"aud": "0oa", "scp": nil}, "no scope": {"scp": []string{"openid"}}}},
	"entra": {program: entra, issuer: "https://login.microsoftonline.com/" + guid + "/v2.0", key: rsaKey, member: verifiertest.JWK{"alg": nil, "x5t": "key-1"}, keys: "https://login.microsoftonline.com/" + guid + "/discovery/v2.0/keys",
		token:   claims{"aud": api, "sub": "pairwise", "oid": "o", "tid": guid, "ver": "2.0", "scp": "Chat.Write Chat.Read"},
		refused: map[string]claims{"for Graph": {"aud": "00000003-0000-0000-c000-000000000000"}, "an ID token": {"aud": "client", "scp": nil}, "version 1.0": {"iss": "https://sts.windows.net/" + guid + "/"}, "another tenant": {"iss": "https://login.microsoftonline.com/" + api + "/v2.0"}}},
	"entra1": {program: entra1, issuer: "https://sts.windows.net/" + guid + "/", key: rsaKey, metadata: "https://login.microsoftonline.com/" + guid + "/.well-known/openid-configuration", keys: "https://login.microsoftonline.com/common/discovery/keys",
		token:   claims{"aud": "api://" + api, "sub": "pairwise", "tid": guid, "ver": "1.0", "scp": "Chat.Write"},
		refused: map[string]claims{"version 2.0": {"iss": "https://login.microsoftonline.com/" + guid + "/v2.0", "ver": "2.0"}, "another tenant": {"iss": "https://sts.windows.net/" + api + "/"}}},
	"entraTenants": {program: entraTenants, issuer: "https://login.microsoftonline.com/" + guid + "/v2.0", key: rsaKey,
		token:   claims{"aud": api, "tid": guid, "ver": "2.0"},
		refused: map[string]claims{"no customer": {"iss": "https://login.microsoftonline.com/" + api + "/v2.0"}, "no tenant": {"iss": "https://login.microsoftonline.com/common/v2.0"}}},
	"b2c": {program: b2c, issuer: "https://contoso.b2clogin.com/" + guid + "/v2.0/", key: rsaKey, metadata: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/v2.0/.well-known/openid-configuration", keys: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_signin/discovery/v2.0/keys",
		token:   claims{"aud": api, "sub": "o", "tfp": "B2C_1_signin", "scp": "chat.write", "ver": "1.0"},
		refused: map[string]claims{"another policy": {"tfp": "B2C_1_reset"}, "an ID token": {"aud": "client", "scp": nil}}},
	"adfs": {program: adfs, issuer: "http://adfs.example.com/adfs/services/trust", calls: "https://adfs.example.com/adfs", key: rsaKey, member: verifiertest.JWK{"alg": nil, "x5t": "key-1"}, metadata: "https://adfs.example.com/adfs/.well-known/openid-configuration", keys: "https://adfs.example.com/adfs/discovery/keys",
		token:   claims{"aud": "https://chat.example.com", "apptype": "Public", "appid": "client", "authmethod": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport", "ver": "1.0", "scp": "openid chat", "sub": "x"},
		refused: map[string]claims{"an ID token": {"iss": "https://adfs.example.com/adfs", "aud": "client", "scp": nil}}},
	"google": {program: google, issuer: "https://accounts.google.com", key: rsaKey, keys: "https://www.googleapis.com/oauth2/v3/certs",
		token:   claims{"aud": "123-abc.apps.googleusercontent.com", "azp": "123-abc.apps.googleusercontent.com", "sub": "110169484474386276334", "email": "ada@example.com", "email_verified": true, "hd": "example.com"},
		refused: map[string]claims{"another domain": {"hd": "evil.example"}, "no domain": {"hd": nil}, "an address nobody checked": {"email_verified": false}}},
	"iap": {program: iap, issuer: "https://cloud.google.com/iap", key: ecKey, keys: "https://www.gstatic.com/iap/verify/public_key-jwk", place: "X-Goog-Iap-Jwt-Assertion",
		token:   claims{"aud": "/projects/123/global/backendServices/456", "sub": "accounts.google.com:1", "email": "ada@example.com"},
		refused: map[string]claims{"no exp": {"exp": nil}}},
	"firebase": {program: firebase, issuer: "https://securetoken.google.com/my-project", key: rsaKey, keys: "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com",
		body:    func() string { return encode(map[string]string{"key-1": certificate(rsaKey)}) },
		token:   claims{"aud": "my-project", "sub": "u", "user_id": "u", "auth_time": 1700000000, "firebase": map[string]any{"sign_in_provider": "password"}},
		refused: map[string]claims{"another project": {"iss": "https://securetoken.google.com/evil", "aud": "evil"}, "no subject": {"sub": nil}}},
	"cognito": {program: cognito, issuer: "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example", key: rsaKey,
		token:   claims{"sub": "aaaa", "client_id": "1h57kf5cpq17m0eml12EXAMPLE", "token_use": "access", "username": "ada", "cognito:groups": []string{"chatters"}, "scope": "aws.cognito.signin.user.admin"},
		refused: map[string]claims{"an ID token": {"token_use": "id", "client_id": nil, "aud": "1h57kf5cpq17m0eml12EXAMPLE"}, "another client": {"client_id": "evil"}, "another group": {"cognito:groups": []string{"readers"}}}},
	"alb": {program: alb, issuer: "https://login.example.com/realms/staff", key: ecKey, keys: "https://public-keys.auth.elb.eu-west-1.amazonaws.com/key-1", place: "X-Amzn-Oidc-Data", mint: padded,
		body:   func() string { return publicKey(balancer) },
		header: claims{"signer": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/chat/50dc6c495c0c9188", "client": "c", "iss": "https://login.example.com/realms/staff"},
		token:  claims{"sub": "ada", "email": "ada@example.com"}},
	"keycloak": {program: keycloak, issuer: "https://login.example.com/realms/staff", key: rsaKey, keys: "https://login.example.com/realms/staff/protocol/openid-connect/certs",
		token:   claims{"sub": "f3b1", "aud": []string{"chat-api", "account"}, "typ": "Bearer", "azp": "chat-web", "realm_access": map[string]any{"roles": []string{"offline_access", "chat"}}},
		refused: map[string]claims{"an ID token": {"typ": "ID", "aud": "chat-web"}, "an ID token for the API": {"typ": "ID"}, "a refresh token": {"typ": "Refresh"}, "no role": {"realm_access": map[string]any{"roles": []string{}}}}},
	"apple": {program: apple, issuer: "https://appleid.apple.com", key: rsaKey, keys: "https://appleid.apple.com/auth/keys",
		token:   claims{"aud": "com.example.chat", "sub": "001999.x", "email_verified": "true", "auth_time": 1700000000},
		refused: map[string]claims{"no subject": {"sub": nil}}},
	"githubActions": {program: githubActions, issuer: "https://token.actions.githubusercontent.com", key: rsaKey, keys: "https://token.actions.githubusercontent.com/.well-known/jwks",
		token:   claims{"aud": "https://chat.example.com", "sub": "repo:octo/chat:ref:refs/heads/main", "repository": "octo/chat", "repository_id": "123456", "ref": "refs/heads/main"},
		refused: map[string]claims{"another repository": {"repository_id": "1", "repository": "evil/chat"}, "a pull request": {"ref": "refs/pull/1/merge"}}},
	"gitlab": {program: gitlab, issuer: "https://gitlab.com", key: rsaKey, keys: "https://gitlab.com/oauth/discovery/keys",
		token:   claims{"aud": "https://chat.example.com", "sub": "project_path:shop/chat:ref_type:branch:ref:main", "project_id": "4711", "ref_protected": "true"},
		refused: map[string]claims{"another project": {"project_id": "1"}, "a branch of anybody": {"ref_protected": "false"}}},
	"kubernetes": {program: kubernetes, issuer: "https://kubernetes.default.svc.cluster.local", key: rsaKey, keys: "https://kubernetes.default.svc/openid/v1/jwks",
		token:   claims{"aud": []string{"chat"}, "sub": "system:serviceaccount:shop:cart", "kubernetes.io": map[string]any{"namespace": "shop"}},
		refused: map[string]claims{"another account": {"sub": "system:serviceaccount:shop:default"}}},
	"supabase": {program: supabase, issuer: "https://abcdefgh.supabase.co/auth/v1", key: ecKey, keys: "https://abcdefgh.supabase.co/auth/v1/.well-known/jwks.json", member: verifiertest.JWK{"key_ops": []string{"verify"}, "ext": true},
		token:   claims{"aud": "authenticated", "role": "authenticated", "sub": "u", "is_anonymous": false, "aal": "aal1", "session_id": "s"},
		refused: map[string]claims{"the project's key": {"role": "anon", "sub": nil, "aud": nil}, "an anonymous user": {"is_anonymous": true}}},
	"clerk": {program: clerk, issuer: "https://example.clerk.accounts.dev", key: rsaKey, keys: "https://example.clerk.accounts.dev/.well-known/jwks.json",
		token:   claims{"azp": "https://chat.example.com", "sub": "user_1", "sid": "sess_1", "nbf": 1700000000},
		refused: map[string]claims{"another page": {"azp": "https://evil.example"}, "no session": {"sid": nil}}},
	"cloudflare": {program: cloudflare, issuer: "https://example.cloudflareaccess.com", key: rsaKey, keys: "https://example.cloudflareaccess.com/cdn-cgi/access/certs", place: "Cf-Access-Jwt-Assertion",
		body: func() string {
			return encode(map[string]any{"keys": []any{rsaKey.JWK()}, "public_cert": map[string]string{"kid": "key-1", "cert": certificate(rsaKey)}, "public_certs": []any{}})
		},
		token:   claims{"aud": []string{"32eafc7626e737917046dc3fb4b1c8ab37ee1d7df0be1ff0ad1ba0a4b64ab1e0"}, "email": "ada@example.com", "type": "app", "sub": "u"},
		refused: map[string]claims{"the team's session": {"type": "org"}}},
	"curity": {program: curity, issuer: "https://login.example.com/oauth/v2/oauth-anonymous", key: rsaKey, keys: "https://login.example.com/oauth/v2/oauth-anonymous/jwks",
		token:   claims{"aud": "https://chat.example.com", "purpose": "access_token", "scope": "openid chat", "sub": "ada", "delegationId": "d"},
		refused: map[string]claims{"an ID token": {"purpose": "id"}, "no scope": {"scope": "openid"}}},
	"ping": {program: ping, issuer: "https://auth.pingone.eu/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/as", key: rsaKey, keys: "https://auth.pingone.eu/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/as/jwks",
		token:   claims{"aud": []string{"https://chat.example.com"}, "client_id": "c", "sub": "u", "scope": "chat:write", "env": "e", "org": "o"},
		refused: map[string]claims{"an ID token": {"aud": "c", "scope": nil}}},
	"forgerock": {program: forgerock, issuer: "https://login.example.com/am/oauth2/realms/root/realms/alpha", key: rsaKey, keys: "https://login.example.com/am/oauth2/realms/root/realms/alpha/connect/jwk_uri",
		token:   claims{"tokenName": "access_token", "aud": "chat-web", "sub": "ada", "scope": []string{"chat"}, "realm": "/alpha", "token_type": "Bearer"},
		refused: map[string]claims{"a refresh token": {"tokenName": "refresh_token"}, "an ID token": {"tokenName": "id_token"}}},
	"authentik": {program: authentik, issuer: "https://auth.example.com/application/o/chat/", key: rsaKey, keys: "https://auth.example.com/application/o/chat/jwks/",
		token:   claims{"aud": "chat-client-id", "azp": "chat-client-id", "sub": "u", "scope": "openid chat", "uid": "x"},
		refused: map[string]claims{"an ID token": {"scope": nil}, "one with a nonce": {"nonce": "n"}}},
	"zitadel": {program: zitadel, issuer: "https://example.zitadel.cloud", key: rsaKey, keys: "https://example.zitadel.cloud/oauth/v2/keys",
		token:   claims{"aud": []string{"web@chat", "229185432123456789"}, "sub": "u", "jti": "j"},
		refused: map[string]claims{"an ID token": {"at_hash": "h", "jti": nil}, "only for the client": {"aud": "web@chat"}}},
	"dex": {program: dex, issuer: "https://login.example.com/dex", key: rsaKey, keys: "https://login.example.com/dex/keys",
		token:   claims{"aud": "chat-web", "sub": "CgR0ZXN0", "groups": []string{"chatters"}, "at_hash": "h", "email": "ada@example.com"},
		refused: map[string]claims{"another group": {"groups": []string{"readers"}}}},
	"hydra": {program: hydra, issuer: "https://login.example.com/", key: rsaKey,
		token:   claims{"aud": []string{"https://chat.example.com"}, "client_id": "c", "ext": map[string]any{}, "jti": "j", "scp": []string{"chat"}, "sub": "ada"},
		refused: map[string]claims{"an ID token": {"client_id": nil, "scp": nil, "at_hash": "h"}}},
	"oidcProvider": {program: oidcProvider, issuer: "https://login.example.com", key: rsaKey, keys: "https://login.example.com/jwks", header: claims{"typ": "at+jwt"},
		token:   claims{"aud": "https://chat.example.com", "client_id": "c", "jti": "j", "scope": "chat", "sub": "ada"},
		refused: map[string]claims{"no client": {"client_id": nil}, "no scope": {"scope": ""}}},
	"spire": {program: spire, issuer: "https://spire.example.org", key: ecKey, keys: "https://spire.example.org/bundle", header: claims{"typ": nil},
		body: func() string {
			svid := ecKey.JWK()
			svid["use"] = "jwt-svid"
			delete(svid, "alg")
			return encode(map[string]any{"spiffe_sequence": 1, "spiffe_refresh_hint": 300, "keys": []any{svid, map[string]any{"use": "x509-svid", "kty": "EC", "x5c": []string{"MII"}}}})
		},
		token:   claims{"iss": nil, "aud": []string{"spiffe://example.org/chat"}, "sub": "spiffe://example.org/cart"},
		refused: map[string]claims{"another trust domain": {"sub": "spiffe://evil.org/cart"}, "no exp": {"exp": nil}}},
	"own": {program: own, issuer: "https://login.example.com", key: ecKey, keys: "https://login.example.com/jwks.json",
		token:   claims{"aud": "chat", "sub": "ada"},
		refused: map[string]claims{"no exp": {"exp": nil}}},
}

func encode(v any) string { return string(verifier.Must(json.Marshal(v))) }

// balancer is the key of a load balancer.
var balancer = verifier.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))

func publicKey(k *ecdsa.PrivateKey) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: verifier.Must(x509.MarshalPKIXPublicKey(&k.PublicKey))}))
}

// padded mints a token as a load balancer does, and signs the padded text.
func padded(header, payload claims) string {
	all := claims{"alg": "ES256", "typ": "JWT", "kid": "key-1"}
	maps.Copy(all, header)
	input := base64.URLEncoding.EncodeToString([]byte(encode(all))) + "." + base64.URLEncoding.EncodeToString([]byte(encode(payload)))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, balancer, digest[:])
	signature := make([]byte, 64)
	verifier.Must(r, err).FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.URLEncoding.EncodeToString(signature)
}

func certificate(k *verifiertest.Key) string {
	authority := verifier.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), KeyUsage: x509.KeyUsageDigitalSignature}
	der := verifier.Must(x509.CreateCertificate(rand.Reader, template, template, k.Material(), authority))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// ServeHTTP publishes the metadata and the keys, and nothing else.
func (p provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	metadata, keys := p.metadata, p.keys
	if metadata == "" {
		metadata = strings.TrimSuffix(p.issuer, "/") + "/.well-known/openid-configuration"
	}
	if keys == "" {
		keys = strings.TrimSuffix(p.issuer, "/") + "/keys"
	}
	calls := p.calls
	if calls == "" {
		calls = p.issuer
	}
	jwk := p.key.JWK()
	for name, v := range p.member {
		if jwk[name] = v; v == nil {
			delete(jwk, name)
		}
	}
	switch at := r.URL.String(); {
	case at == metadata:
		w.Write([]byte(encode(claims{"issuer": calls, "jwks_uri": keys, "authorization_endpoint": keys, "access_token_issuer": p.issuer})))
	case at == keys && p.body != nil:
		w.Write([]byte(p.body()))
	case at == keys:
		w.Write([]byte(encode(map[string]any{"keys": []any{jwk}})))
	default:
		http.NotFound(w, r)
	}
}

// RoundTrip reaches the provider at each of its addresses, and nobody else.
func (p provider) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result(), nil
}

// raw returns a good token of the provider, with more in its header and its claims, by
// the key. A value of nil removes a claim.
func (p provider) raw(key *verifiertest.Key, header, more claims) string {
	now := time.Now()
	all := claims{"iss": p.issuer, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, p.token)
	maps.Copy(all, more)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	head := claims{}
	maps.Copy(head, p.header)
	maps.Copy(head, header)
	if p.mint != nil && key == p.key {
		return p.mint(head, all)
	}
	return key.Mint(head, all)
}

// handshake presents a token as the provider's clients do, or the proxy before them.
func (p provider) handshake(raw string) *verifier.Handshake {
	h := &verifier.Handshake{Header: http.Header{"Authorization": {"Bearer " + raw}}, Query: url.Values{}}
	if p.place != "" {
		h.Header = http.Header{p.place: {raw}}
	}
	return h
}

// bad returns what makes a token of the provider a bad one, by name.
func (p provider) bad() map[string]claims {
	all := map[string]claims{"expired": {"exp": time.Now().Add(-time.Hour).Unix()}}
	if _, ok := p.token["iss"]; !ok {
		all["another issuer's"] = claims{"iss": strings.TrimSuffix(p.issuer, "/") + ".evil.example/"}
	}
	if _, ok := p.token["aud"]; ok {
		all["for another audience"] = claims{"aud": "another"}
		all["for no audience"] = claims{"aud": nil}
	}
	maps.Copy(all, p.refused)
	return all
}

func TestProviders(t *testing.T) {
	tokenFile = filepath.Join(t.TempDir(), "token") // of the pod that Kubernetes' program runs in
	if err := os.WriteFile(tokenFile, []byte("service account\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, p := range providers {
		t.Run(name, func(t *testing.T) {
			options := []jwks.Option{jwks.HTTPClient(&http.Client{Transport: p}), jwks.WithLogger(slog.New(slog.DiscardHandler))}
			v := p.program(options...)
			verify := func(key *verifiertest.Key, header, more claims) error {
				_, err := v.Authenticate(t.Context(), p.handshake(p.raw(key, header, more)))
				return err
			}
			if err := verify(p.key, nil, nil); err != nil {
				t.Fatal(err)
			}
			for what, more := range p.bad() {
				if err := verify(p.key, nil, more); err == nil {
					t.Errorf("%s: accepted", what)
				} else if errors.Is(err, verifier.ErrKeysUnavailable) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := verify(verifiertest.NewKey(verifier.ES256, "key-1"), nil, nil); err == nil {
				t.Error("a forged token was accepted")
			}
			if p.header["signer"] != nil {
				if err := verify(p.key, claims{"signer": "arn:aws:elasticloadbalancing:eu-west-1:666:loadbalancer/app/evil/1"}, nil); !errors.Is(err, verifier.ErrHeaderMismatch) {
					t.Errorf("another load balancer's: got %v", err)
				}
			}
			if p.header["typ"] == "at+jwt" {
				if err := verify(p.key, claims{"typ": "JWT"}, nil); !errors.Is(err, verifier.ErrTypeMismatch) {
					t.Errorf("an ID token: got %v", err)
				}
			}
		})
	}
}
