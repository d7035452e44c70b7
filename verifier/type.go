package verifier

import (
	"errors"
	"fmt"
	"strings"
)

// Type requires that typ, in the header, be one of the types (RFC 7515 §4.1.9). Letter case and a
// leading "application/" do not matter. The type "" stands for a header without typ. Any other
// token is refused ([ErrTypeMismatch]).
//
// By default any typ is accepted except those of other kinds of JWT (RFC 8725 §3.11): a typ that
// ends in "+jwt", such as dpop+jwt, logout+jwt or secevent+jwt, is refused unless it is at+jwt,
// which is an access token. A verifier of another kind asks for it, and accepts only that:
//
//	verifier.Type("logout+jwt")
func Type(types ...string) Option {
	return func(c *config) error {
		if len(types) == 0 {
			return errors.New("verifier: Type needs at least one value")
		}
		if c.types != nil {
			return errors.New("verifier: Type is given twice, or beside AccessTokenProfile, which asks for at+jwt: give all types at once")
		}
		for _, t := range types {
			c.types = append(c.types, mediaType(t))
		}
		return nil
	}
}

// accessTokenType is the typ of access tokens (RFC 9068 §2.1).
const accessTokenType = "at+jwt"

// checkType tells by the header whether this is the kind of token expected.
func (c *config) checkType(typ string) error {
	typ = mediaType(typ)
	if c.types == nil {
		if len(typ) != len("JWT") && !c.ignoreUse && kindOf(typ) == kindRefresh {
			return refuse(ErrTypeMismatch, "jwt typ invalid", fmt.Errorf("typ is %.40q: a refresh token, see the option IgnoreTokenUse", typ))
		}
		const kind = "+jwt"
		if len(typ) < len(kind) || !strings.EqualFold(typ[len(typ)-len(kind):], kind) || strings.EqualFold(typ, accessTokenType) {
			return nil
		}
		return refuse(ErrTypeMismatch, "jwt typ invalid", fmt.Errorf("typ is %.40q: another kind of token, see the option Type", typ))
	}
	for _, t := range c.types {
		if strings.EqualFold(t, typ) {
			return nil
		}
	}
	return refuse(ErrTypeMismatch, "jwt typ invalid", fmt.Errorf("typ is %.40q: expected one of %q", typ, c.types))
}

// mediaType leaves out what RFC 7515 §4.1.9 lets a sender leave out.
func mediaType(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && strings.EqualFold(typ[:len(prefix)], prefix) && strings.IndexByte(typ[len(prefix):], '/') < 0 {
		return typ[len(prefix):]
	}
	return typ
}
