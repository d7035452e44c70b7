package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// accept reads the claims of an authentic token into it, and checks them.
func (v *Verifier) accept(ctx context.Context, t *Token, h *Handshake) (claims, error) {
	c, err := v.read(t)
	if err == nil {
		err = v.check(ctx, t, &c, h)
	}
	return c, err
}

// read fills in t from its payload.
func (v *Verifier) read(t *Token) (claims, error) {
	c, err := parseClaims(t)
	if err != nil {
		return c, refuse(ErrTokenMalformed, "invalid token", err)
	}
	if v.ignoreExpiry {
		t.until = -1
	} else if !t.ExpiresAt.IsZero() {
		t.until = int64(v.tolerance)
	}
	return c, nil
}

// check checks the claims of an authentic token.
func (v *Verifier) check(ctx context.Context, t *Token, c *claims, h *Handshake) error {
	if err := v.checkClaims(t, c); err != nil {
		return err
	}
	if c.cnf != "" {
		if err := v.checkConfirmation(c.cnf); err != nil {
			return err
		}
	}
	for _, validator := range v.validators {
		if err := validator.Validate(ctx, t, h); err != nil {
			return AsUnauthorized(err)
		}
	}
	return nil
}

// checkClaims is jsonwebtoken's list, in its order.
func (v *Verifier) checkClaims(t *Token, c *claims) error {
	now := v.now()
	if err := v.checkDates(t, c, now); err != nil {
		return err
	}
	if v.audience != nil && !slices.ContainsFunc(t.Audience, v.audience.match) {
		return refuse(ErrAudienceMismatch, "jwt audience invalid. expected: "+v.audience.shown, fmt.Errorf("aud is %q", t.Audience))
	}
	if v.issuer != nil && (t.Issuer == "" || !v.issuer.match(t.Issuer)) {
		return refuse(ErrIssuerMismatch, "jwt issuer invalid. expected: "+v.issuer.shown, v.issuer.cause(t.Issuer))
	}
	if v.subject != nil && t.Subject != *v.subject {
		return refuse(ErrSubjectMismatch, "jwt subject invalid. expected: "+*v.subject, fmt.Errorf("sub is %q", t.Subject))
	}
	if v.id != nil && t.ID != *v.id {
		return refuse(ErrTokenIDMismatch, "jwt jwtid invalid. expected: "+*v.id, fmt.Errorf("jti is %q", t.ID))
	}
	if v.nonce != nil && c.nonce != *v.nonce {
		return refuse(ErrNonceMismatch, "jwt nonce invalid. expected: "+*v.nonce, fmt.Errorf("nonce is %q", c.nonce))
	}
	if err := v.checkAge(t, c, now); err != nil {
		return err
	}
	if c.badOther != "" {
		return c.badClaim(t)
	}
	return v.checkKind(t, c.kind)
}

// badClaim is the refusal of a registered claim of the wrong type.
func (c *claims) badClaim(t *Token) error {
	var cause error
	if c.badOther == "iat" {
		cause = c.iat.cause(t, "iat")
	}
	return refuse(ErrClaimInvalid, "invalid "+c.badOther+" value", cause)
}

// checkDates checks nbf and exp.
func (v *Verifier) checkDates(t *Token, c *claims, now time.Time) error {
	if !v.ignoreNotBefore {
		if c.nbf != dateGood {
			return refuse(ErrClaimInvalid, "invalid nbf value", c.nbf.cause(t, "nbf"))
		}
		if t.NotBefore.After(now.Add(v.skew)) {
			return refuse(ErrTokenNotActive, "jwt not active", fmt.Errorf("not before %v", t.NotBefore))
		}
	}
	if !v.ignoreExpiry {
		if c.exp != dateGood {
			return refuse(ErrClaimInvalid, "invalid exp value", c.exp.cause(t, "exp"))
		}
		if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt.Add(v.tolerance)) {
			return refuse(ErrTokenExpired, "jwt expired", fmt.Errorf("expired at %v", t.ExpiresAt))
		}
	}
	return nil
}

// checkAge checks what MaxAge and MaxLifetime ask of iat and exp.
func (v *Verifier) checkAge(t *Token, c *claims, now time.Time) error {
	if v.maxAge != 0 {
		switch {
		case c.iat == dateFar:
			return refuse(ErrClaimInvalid, "invalid iat value", c.iat.cause(t, "iat"))
		case !c.hasIat:
			return refuse(ErrClaimInvalid, "iat required when maxAge is specified", nil)
		case t.IssuedAt.After(now.Add(v.skew)):
			return refuse(ErrTokenNotActive, "jwt not active", fmt.Errorf("issued at %v, ahead of our clock", t.IssuedAt))
		case !now.Before(t.IssuedAt.Add(v.maxAge).Add(v.tolerance)):
			return refuse(ErrMaxAgeExceeded, "maxAge exceeded", fmt.Errorf("issued at %v", t.IssuedAt))
		}
	}
	if v.maxLifetime == 0 {
		return nil
	}
	if t.ExpiresAt.IsZero() {
		if v.introspector != nil {
			return nil // it ends by Token.until
		}
		return refuse(ErrClaimInvalid, "claim required: exp", errors.New("MaxLifetime asks for an exp"))
	}
	from := now.Add(v.skew)
	if c.hasIat && t.IssuedAt.Before(from) {
		from = t.IssuedAt
	}
	if t.ExpiresAt.After(from.Add(v.maxLifetime)) {
		return refuse(ErrLifetimeExceeded, "jwt lifetime exceeded", fmt.Errorf("good until %v: more than %v", t.ExpiresAt, v.maxLifetime))
	}
	return nil
}
