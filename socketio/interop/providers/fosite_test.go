package providers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	jose3 "github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	fositestorage "github.com/ory/fosite/storage"
	fositejwt "github.com/ory/fosite/token/jwt"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// fositeProvider is a provider on ory/fosite as Ory Hydra sets it up: access tokens are
// JWTs with client_id and scp, or opaque.
type fositeProvider struct {
	*authority
	*front
	t        testing.TB
	issuer   string
	provider fosite.OAuth2Provider

	mu   sync.Mutex
	keys []jose3.JSONWebKey // the first one signs
}

// fositeSession has the claims of both kinds of token.
type fositeSession struct {
	*openid.DefaultSession
	access fositejwt.JWTClaims
}

func (s *fositeSession) GetJWTClaims() fositejwt.JWTClaimsContainer { return &s.access }
func (s *fositeSession) GetJWTHeader() *fositejwt.Headers           { return &fositejwt.Headers{} }
func (s *fositeSession) Clone() fosite.Session {
	return &fositeSession{s.DefaultSession.Clone().(*openid.DefaultSession), s.access}
}

func startFosite(t testing.TB, opaque bool) *fositeProvider {
	t.Helper()
	p := &fositeProvider{authority: newAuthority(t), t: t}
	p.front = p.authority.front(t)
	p.issuer = p.origin + "/"
	p.rotate(true)
	config := &fosite.Config{
		AccessTokenIssuer: p.issuer, IDTokenIssuer: p.issuer, GlobalSecret: []byte("a global secret of 32 characters"),
		HashCost: 4, ScopeStrategy: fosite.ExactScopeStrategy, RefreshTokenScopes: []string{"offline"},
	}
	secret := must[[]byte](t)((&fosite.BCrypt{Config: config}).Hash(t.Context(), []byte("secret")))
	store := fositestorage.NewMemoryStore()
	store.Clients["web"] = &fosite.DefaultClient{
		ID: "web", Secret: secret, RedirectURIs: []string{callback}, ResponseTypes: []string{"code"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"}, Scopes: []string{"openid", "offline", "chat"},
		Audience: []string{chat, mail},
	}
	key := func(context.Context) (any, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.keys[0], nil
	}
	strategy := &compose.CommonStrategy{
		CoreStrategy:               compose.NewOAuth2HMACStrategy(config),
		OpenIDConnectTokenStrategy: compose.NewOpenIDConnectStrategy(key, config),
		Signer:                     &fositejwt.DefaultSigner{GetPrivateKey: key},
	}
	if !opaque {
		strategy.CoreStrategy = compose.NewOAuth2JWTStrategy(key, strategy.CoreStrategy, config)
	}
	p.provider = compose.Compose(config, store, strategy,
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2ClientCredentialsGrantFactory, compose.OAuth2RefreshTokenGrantFactory,
		compose.OpenIDConnectExplicitFactory, compose.OpenIDConnectRefreshFactory, compose.OAuth2PKCEFactory,
		compose.OAuth2TokenIntrospectionFactory, compose.OAuth2TokenRevocationFactory)
	p.set(p.handler())
	return p
}

func (p *fositeProvider) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.issuer, "jwks_uri": p.issuer + "jwks", "authorization_endpoint": p.issuer + "auth", "token_endpoint": p.issuer + "token",
			"introspection_endpoint": p.issuer + "introspect", "revocation_endpoint": p.issuer + "revoke",
			"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"ES256"}, "subject_types_supported": []string{"public"},
		})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		var set jose3.JSONWebKeySet
		for _, k := range p.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		_ = json.NewEncoder(w).Encode(set)
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		request, err := p.provider.NewAuthorizeRequest(r.Context(), r)
		if err != nil {
			p.provider.WriteAuthorizeError(r.Context(), w, request, err)
			return
		}
		grant(request)
		response, err := p.provider.NewAuthorizeResponse(r.Context(), request, p.session("ada", request.GetClient().GetID()))
		if err != nil {
			p.provider.WriteAuthorizeError(r.Context(), w, request, err)
			return
		}
		p.provider.WriteAuthorizeResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		request, err := p.provider.NewAccessRequest(r.Context(), r, p.session("web", "web"))
		if err != nil {
			p.provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		if request.GetGrantTypes().ExactOne("client_credentials") {
			grant(request)
		}
		response, err := p.provider.NewAccessResponse(r.Context(), request)
		if err != nil {
			p.provider.WriteAccessError(r.Context(), w, request, err)
			return
		}
		p.provider.WriteAccessResponse(r.Context(), w, request, response)
	})
	mux.HandleFunc("/introspect", func(w http.ResponseWriter, r *http.Request) {
		response, err := p.provider.NewIntrospectionRequest(r.Context(), r, p.session("", ""))
		if err != nil {
			p.provider.WriteIntrospectionError(r.Context(), w, err)
			return
		}
		p.provider.WriteIntrospectionResponse(r.Context(), w, response)
	})
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) {
		p.provider.WriteRevocationResponse(r.Context(), w, p.provider.NewRevocationRequest(r.Context(), r))
	})
	return mux
}

// grant grants what a request asks for.
func grant(r fosite.Requester) {
	for _, scope := range r.GetRequestedScopes() {
		r.GrantScope(scope)
	}
	for _, audience := range r.GetRequestedAudience() {
		r.GrantAudience(audience)
	}
}

func (p *fositeProvider) session(subject, client string) *fositeSession {
	s := &fositeSession{openid.NewDefaultSession(), fositejwt.JWTClaims{Subject: subject, JTI: rand.Text(), Extra: map[string]any{"client_id": client}}}
	s.Subject, s.Claims.Subject = subject, subject
	return s
}

func (p *fositeProvider) rotate(withdraw bool) {
	private := must2(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p.mu.Lock()
	defer p.mu.Unlock()
	if withdraw {
		p.keys = nil
	}
	p.keys = append([]jose3.JSONWebKey{{Key: private, KeyID: rand.Text(), Algorithm: "ES256", Use: "sig"}}, p.keys...)
}

func (p *fositeProvider) code(audience string) tokens {
	p.t.Helper()
	return ask(p.t, asking{Grant: "code", Issuer: p.issuer, ID: "web", Secret: "secret", Scope: "openid offline chat", Extra: map[string]string{"audience": audience}})
}

func (p *fositeProvider) clientCredentials() string {
	p.t.Helper()
	return ask(p.t, asking{Grant: "client_credentials", Issuer: p.issuer, ID: "web", Secret: "secret", Scope: "chat", Extra: map[string]string{"audience": chat}}).Access
}

// verifier makes one as docs/providers.md has it.
func (p *fositeProvider) verifier(keys verifier.KeyProvider, options ...verifier.Option) *verifier.Verifier {
	p.t.Helper()
	return must[*verifier.Verifier](p.t)(verifier.New(keys, append(options,
		verifier.Audience(chat), verifier.RequireClaims("client_id", "jti"), verifier.RequireScope("chat"))...))
}

func (p *fositeProvider) rows() provider {
	return provider{
		authority: p.authority, issuer: p.issuer, subject: "web", verifier: p.verifier,
		token: p.clientCredentials, rotate: p.rotate, stop: p.stop, start: p.start,
	}
}

func TestFosite(t *testing.T) {
	t.Parallel()
	p := startFosite(t, false)
	url := serve(t, p.verifier(p.authority.keys(t, p.issuer)))
	got := p.code(chat)
	accepted(t, url, got.Access, "ada").Close(t)
	accepted(t, url, p.clientCredentials(), "web").Close(t)
	refused(t, "an ID token", url, got.ID, verifier.ErrAudienceMismatch)
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrTokenMalformed)
	refused(t, "a token for another API", url, p.code(mail).Access, verifier.ErrAudienceMismatch)
	refused(t, "an expired token", serve(t, p.verifier(p.authority.keys(t, p.issuer), expired())), got.Access, verifier.ErrTokenExpired)
}

func TestFositeRotates(t *testing.T) { t.Parallel(); rotates(t, startFosite(t, false).rows()) }

func TestFositeSlow(t *testing.T) { t.Parallel(); slow(t, startFosite(t, false).rows()) }

// TestFositeOpaque: fosite calls a refresh token active and says nothing of its kind. Its
// prefix tells.
func TestFositeOpaque(t *testing.T) {
	t.Parallel()
	p := startFosite(t, true)
	asked := must[*introspection.Client](t)(introspection.New(p.issuer+"introspect", introspection.ClientSecret("web", "secret"),
		introspection.HTTPClient(p.client), introspection.TTL(0), introspection.WithLogger(quiet)))
	got, other := p.code(chat), p.code(mail)
	v := must[*verifier.Verifier](t)(verifier.NewOpaque(asked, verifier.Audience(chat), verifier.TokenPrefix("ory_at_")))
	url := serve(t, v)
	refused(t, "a refresh token", url, got.Refresh, verifier.ErrTypeMismatch)
	refused(t, "an ID token", url, got.ID, verifier.ErrTypeMismatch)
	refused(t, "a token for another API", url, other.Access, verifier.ErrAudienceMismatch)

	loose := must[*verifier.Verifier](t)(verifier.NewOpaque(asked, verifier.Audience(chat)))
	accepted(t, serve(t, loose), got.Refresh, "ada").Close(t) // why the prefix is needed

	unreachable(t, asked, v, got.Access, p.code(chat).Access, "ada", p.front.stop, p.front.start)
	// Another token: the client waits before it asks again about one whose request failed.
	revoked(t, asked, v, p.code(chat).Access, "ada", func(token string) {
		ask(t, asking{Grant: "revoke", Issuer: p.issuer, ID: "web", Secret: "secret", Token: token})
	})
}
