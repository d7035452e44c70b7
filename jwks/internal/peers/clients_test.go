package peers

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	middleware "github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// ttl is how long each client may keep a set, unless the row says otherwise. Ours takes
// no less than a second.
const ttl = time.Second

// verify verifies a token, which comes from the address if the client minds.
type verify func(raw, address string) error

// clients are those that are compared, as their documentation has them used.
var clients = map[string]func(ctx context.Context, i *verifiertest.Issuer, ttl time.Duration) (verify, error){
	"jwks": func(ctx context.Context, i *verifiertest.Issuer, ttl time.Duration) (verify, error) {
		p, err := jwks.URL(i.JWKSURL(), jwks.TTL(ttl), jwks.HTTPClient(i.Client()), jwks.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			return nil, err
		}
		v, err := verifier.New(p, verifier.Issuer(i.URL()), verifier.Audience("chat"))
		if err != nil {
			return nil, err
		}
		return func(raw, address string) error {
			_, err := v.Authenticate(ctx, &verifier.Handshake{Query: url.Values{"token": {raw}}, RemoteAddr: address})
			return err
		}, nil
	},
	"keyfunc": func(ctx context.Context, i *verifiertest.Issuer, ttl time.Duration) (verify, error) {
		k, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{i.JWKSURL()}, keyfunc.Override{
			Client: i.Client(), RefreshInterval: ttl,
			RefreshErrorHandlerFunc: func(string) func(context.Context, error) { return func(context.Context, error) {} },
		})
		if err != nil {
			return nil, err
		}
		return func(raw, _ string) error {
			_, err := jwt.Parse(raw, k.Keyfunc, jwt.WithIssuer(i.URL()), jwt.WithAudience("chat"))
			return err
		}, nil
	},
	"go-jwt-middleware": func(ctx context.Context, i *verifiertest.Issuer, ttl time.Duration) (verify, error) {
		issuer, err := url.Parse(i.URL())
		if err != nil {
			return nil, err
		}
		set, err := url.Parse(i.JWKSURL())
		if err != nil {
			return nil, err
		}
		p, err := middleware.NewCachingProvider(middleware.WithIssuerURL(issuer), middleware.WithCustomJWKSURI(set), middleware.WithCustomClient(i.Client()), middleware.WithCacheTTL(ttl))
		if err != nil {
			return nil, err
		}
		v, err := validator.New(validator.WithKeyFunc(p.KeyFunc), validator.WithAlgorithms([]validator.SignatureAlgorithm{validator.RS256, validator.ES256, validator.EdDSA}),
			validator.WithIssuer(i.URL()), validator.WithAudience("chat"))
		if err != nil {
			return nil, err
		}
		return func(raw, _ string) error {
			_, err := v.ValidateToken(ctx, raw)
			return err
		}, nil
	},
}
