package providers

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// jwtStorage has the example's clients ask for access tokens that are JWTs.
type jwtStorage struct{ *storage.Storage }

func (s jwtStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return jwtClient{c}, nil
}

type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

const callback = "https://client.example/callback"

// zitadel is the example server of zitadel/oidc v3.
type zitadel struct {
	*authority
	issuer string
	server *httptest.Server
}

func startZitadel(t testing.TB) *zitadel {
	t.Helper()
	storage.RegisterClients(storage.WebClient("web", "secret", callback), storage.WebClient("other", "secret", callback))
	a := newAuthority(t)
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	z := &zitadel{authority: a, issuer: fmt.Sprintf("https://localhost:%d/", l.Addr().(*net.TCPAddr).Port)}
	users := storage.NewUserStore(z.issuer)
	router := exampleop.SetupServer(z.issuer, jwtStorage{storage.NewStorage(users)}, quiet, false)
	z.server = httptest.NewUnstartedServer(router)
	z.server.Listener = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{a.tls}})
	z.server.Start()
	t.Cleanup(z.server.Close)
	return z
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

// TestZitadel: as docs/providers.md has it.
func TestZitadel(t *testing.T) {
	z := startZitadel(t)
	keys := func() *jwks.Provider {
		return must[*jwks.Provider](t)(jwks.OIDC(z.issuer, jwks.HTTPClient(z.client), jwks.WithLogger(quiet)))
	}
	with := func(p verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
		return must[*verifier.Verifier](t)(verifier.New(p, append(options, verifier.Audience("web"), verifier.RefuseIDTokens(), verifier.RequireClaims("sub", "exp", "jti"))...))
	}
	first := with(keys())
	u := serve(t, first)
	got, other := z.code(t, "web"), z.code(t, "other")
	accepted(t, u, got.Access, "id1").Close(t)
	refused(t, "an ID token", u, got.ID, verifier.ErrTypeMismatch, verifier.ErrClaimInvalid)
	refused(t, "a refresh token", u, got.Refresh, verifier.ErrTokenMalformed)
	refused(t, "a token for another client", u, other.Access, verifier.ErrAudienceMismatch)
	refused(t, "an expired token", serve(t, with(keys(), verifier.WithClock(func() time.Time { return time.Now().Add(24 * time.Hour) }))), got.Access, verifier.ErrTokenExpired)

	z.server.Close()
	accepted(t, u, got.Access, "id1").Close(t) // in the outage
	if _, err := with(keys()).Verify(t.Context(), got.Access); !errors.Is(err, verifier.ErrKeysUnavailable) {
		t.Errorf("a server that starts during the outage: got %v", err)
	}
}
