package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// signedAnswers verifies answers that are JWTs (RFC 9701). Nil stands for plain
// JSON.
type signedAnswers struct {
	issuer, clientID string
	keys             verifier.KeyProvider
	answers          *verifier.Verifier
}

// SignedAnswers asks the endpoint for answers that are signed (RFC 9701), and
// takes no others: a proxy that ends TLS, or a log, can then prove or forge
// nothing. They are verified with the keys, and must come from the issuer and be
// for this client.
func SignedAnswers(issuer, clientID string, keys verifier.KeyProvider) Option {
	return func(c *config) error {
		if c.signed != nil {
			return errors.New("SignedAnswers is given twice")
		}
		c.signed = &signedAnswers{issuer: issuer, clientID: clientID, keys: keys}
		return nil
	}
}

// build makes the verifier, once the clock is known.
func (s *signedAnswers) build(now func() time.Time) (err error) {
	if s == nil {
		return nil
	}
	s.answers, err = verifier.New(s.keys,
		verifier.Type("token-introspection+jwt"), verifier.Issuer(s.issuer), verifier.Audience(s.clientID),
		verifier.RequireClaims("iat", "token_introspection"), verifier.MaxAge(timeout+time.Minute),
		verifier.MaxTokenLength(maxSize), verifier.WithClock(now))
	if err != nil {
		return fmt.Errorf("SignedAnswers: %w", err)
	}
	return nil
}

// mediaType is that of the answers.
func (s *signedAnswers) mediaType() string {
	if s == nil {
		return "application/json"
	}
	return "application/token-introspection+jwt"
}

// open returns the JSON in the body of an answer.
func (s *signedAnswers) open(ctx context.Context, body []byte) ([]byte, error) {
	if s == nil {
		return body, nil
	}
	token, err := s.answers.Verify(ctx, string(body))
	if err != nil {
		return nil, fmt.Errorf("the endpoint's signed answer is refused: %w", err)
	}
	var claims struct {
		Answer json.RawMessage `json:"token_introspection"`
	}
	if err := token.Claims(&claims); err != nil {
		return nil, fmt.Errorf("the endpoint's signed answer is refused: %w", err)
	}
	return claims.Answer, nil
}
