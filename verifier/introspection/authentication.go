package introspection

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// ClientSecret authenticates this server to the endpoint by HTTP Basic
// authentication, client_secret_basic (RFC 6749 §2.3.1).
func ClientSecret(id, secret string) Option {
	return func(c *config) error {
		if id == "" || secret == "" {
			return errors.New("ClientSecret: the id or the secret is empty")
		}
		credentials := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
		return c.authenticate(func(_ context.Context, _ url.Values, header http.Header) error {
			header.Set("Authorization", "Basic "+credentials)
			return nil
		})
	}
}

// ClientSecretPost authenticates this server to the endpoint in the body of the
// request, client_secret_post (RFC 6749 §2.3.1), for endpoints that do not take
// [ClientSecret].
func ClientSecretPost(id, secret string) Option {
	return func(c *config) error {
		if id == "" || secret == "" {
			return errors.New("ClientSecretPost: the id or the secret is empty")
		}
		return c.authenticate(func(_ context.Context, form url.Values, _ http.Header) error {
			form.Set("client_id", id)
			form.Set("client_secret", secret)
			return nil
		})
	}
}

// BearerToken authenticates this server to the endpoint by its own access token
// (RFC 7662 §2.1), which f returns, fresh or kept.
func BearerToken(f func(ctx context.Context) (string, error)) Option {
	return func(c *config) error {
		if f == nil {
			return errors.New("BearerToken: the function is nil")
		}
		return c.authenticate(func(ctx context.Context, _ url.Values, header http.Header) error {
			token, err := f(ctx)
			if err != nil {
				return fmt.Errorf("the access token for the endpoint: %w", err)
			}
			header.Set("Authorization", "Bearer "+token)
			return nil
		})
	}
}

func (c *config) authenticate(by func(context.Context, url.Values, http.Header) error) error {
	if c.authorize != nil {
		return errors.New("give one of ClientSecret, ClientSecretPost, PrivateKeyJWT and BearerToken, once and not both")
	}
	c.authorize = by
	return nil
}
