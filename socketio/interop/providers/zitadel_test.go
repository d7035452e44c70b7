package providers

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// zitadelStorage is the example's, whose keys can be rotated. Clients other than "opaque"
// ask for access tokens that are JWTs.
type zitadelStorage struct {
	*storage.Storage

	mu   sync.Mutex
	keys []zitadelKey // the first one signs
}

func (s *zitadelStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil || id == "opaque" {
		return c, err
	}
	return jwtClient{c}, nil
}

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (s *zitadelStorage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0], nil
}

func (s *zitadelStorage) KeySet(context.Context) (set []op.Key, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		set = append(set, zitadelPublicKey{k})
	}
	return set, nil
}

// rotate has a new key sign; withdraw removes the others.
func (s *zitadelStorage) rotate(withdraw bool) {
	private := must2(rsa.GenerateKey(rand.Reader, 2048))
	s.mu.Lock()
	defer s.mu.Unlock()
	if withdraw {
		s.keys = nil
	}
	s.keys = append([]zitadelKey{{rand.Text(), private}}, s.keys...)
}

type zitadelKey struct {
	id      string
	private *rsa.PrivateKey
}

func (zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k zitadelKey) Key() any                                  { return k.private }
func (k zitadelKey) ID() string                                { return k.id }

type zitadelPublicKey struct{ zitadelKey }

func (zitadelPublicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (zitadelPublicKey) Use() string                        { return "sig" }
func (k zitadelPublicKey) Key() any                         { return &k.private.PublicKey }

const callback = "https://client.example/callback"

// zitadel is the example server of zitadel/oidc v3.
type zitadel struct {
	*authority
	*front
	t       testing.TB
	issuer  string
	storage *zitadelStorage
}

// registerZitadelClients fills the example's list of clients, which is a global variable.
var registerZitadelClients = sync.OnceFunc(func() {
	for _, id := range []string{"web", "other", "opaque"} {
		storage.RegisterClients(storage.WebClient(id, "secret", callback))
	}
})

func startZitadel(t testing.TB) *zitadel {
	t.Helper()
	registerZitadelClients()
	z := &zitadel{authority: newAuthority(t), t: t}
	z.front = z.authority.front(t)
	z.issuer = z.origin + "/"
	z.storage = &zitadelStorage{Storage: storage.NewStorage(storage.NewUserStore(z.issuer))}
	z.storage.rotate(true)
	z.set(exampleop.SetupServer(z.issuer, z.storage, quiet, false))
	return z
}

// verifier makes one as docs/providers.md has it.
func (z *zitadel) verifier(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
	z.t.Helper()
	return must[*verifier.Verifier](z.t)(verifier.New(keys, append(options, verifier.Audience("web"), verifier.RefuseIDTokens(), verifier.RequireClaims("sub", "exp", "jti"))...))
}

func (z *zitadel) rows() provider {
	return provider{
		authority: z.authority, issuer: z.issuer, subject: "id1", verifier: z.verifier,
		token: func() string { return z.code(z.t, "web").Access }, rotate: z.storage.rotate, stop: z.stop, start: z.start,
	}
}

// code gets tokens for a client by the authorization code flow with PKCE, as a browser
// and an application do together.
func (z *zitadel) code(t testing.TB, client string) (got tokens) {
	t.Helper()
	response := must[*http.Response](t)(z.client.Get(z.issuer + ".well-known/openid-configuration"))
	var metadata struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
	}
	err := json.NewDecoder(response.Body).Decode(&metadata)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	jar := must[*cookiejar.Jar](t)(cookiejar.New(nil))
	var back *url.URL
	browser := &http.Client{Transport: z.client.Transport, Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	const secret = "a code verifier that is long enough to be one, as RFC 7636 has it"
	challenge := sha256.Sum256([]byte(secret))
	response = must[*http.Response](t)(browser.Get(metadata.Authorize + "?" + url.Values{
		"client_id": {client}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid offline_access"}, "state": {"s"},
		"code_challenge": {b64(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode()))
	response.Body.Close()
	response = must[*http.Response](t)(browser.PostForm(z.issuer+"login/username", url.Values{
		"username": {"test-user@localhost"}, "password": {"verysecure"}, "id": {response.Request.URL.Query().Get("authRequestID")},
	}))
	response.Body.Close()
	if back == nil || back.Query().Get("code") == "" {
		t.Fatalf("no code: %v, status %d", back, response.StatusCode)
	}
	request := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, metadata.Token, strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {secret},
	}.Encode())))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(client, "secret")
	response = must[*http.Response](t)(z.client.Do(request))
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil || got.Access == "" || got.ID == "" {
		t.Fatalf("status %d: %v, %+v", response.StatusCode, err, got)
	}
	return got
}

func TestZitadel(t *testing.T) {
	t.Parallel()
	z := startZitadel(t)
	url := serve(t, z.verifier(z.keys(t, z.issuer)))
	got, other := z.code(t, "web"), z.code(t, "other")
	accepted(t, url, got.Access, "id1").Close(t)
	refused(t, "an ID token", url, got.ID, verifier.ErrTypeMismatch, verifier.ErrClaimInvalid)
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrTokenMalformed)
	refused(t, "a token for another client", url, other.Access, verifier.ErrAudienceMismatch)
	refused(t, "an expired token", serve(t, z.verifier(z.keys(t, z.issuer), expired())), got.Access, verifier.ErrTokenExpired)
}

func TestZitadelRotates(t *testing.T) { t.Parallel(); rotates(t, startZitadel(t).rows()) }

func TestZitadelSlow(t *testing.T) { t.Parallel(); slow(t, startZitadel(t).rows()) }

func TestZitadelOpaque(t *testing.T) {
	t.Parallel()
	z := startZitadel(t)
	asked := must[*introspection.Client](t)(introspection.New(z.origin+"/oauth/introspect", introspection.ClientSecret("opaque", "secret"),
		introspection.HTTPClient(z.client), introspection.TTL(0), introspection.WithLogger(quiet)))
	v := must[*verifier.Verifier](t)(verifier.NewOpaque(asked, verifier.ClaimEquals("client_id", "opaque")))
	url := serve(t, v)
	got := z.code(t, "opaque")
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrTokenInactive)
	refused(t, "an ID token", url, got.ID, verifier.ErrTokenInactive)
	refused(t, "nonsense", url, "nonsense", verifier.ErrTokenInactive)
	unreachable(t, asked, v, got.Access, z.code(t, "opaque").Access, "id1", z.front.stop, z.front.start)
	// Another token: the client waits before it asks again about one whose request failed.
	revoked(t, asked, v, z.code(t, "opaque").Access, "id1", func(token string) {
		ask(t, asking{Grant: "revoke", Issuer: z.issuer, ID: "opaque", Secret: "secret", Token: token})
	})
}
