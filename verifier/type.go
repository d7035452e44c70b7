package verifier

import (
	"errors"
	"fmt"
	"strings"
)

// Type asks that the header's typ be one of the types, letter case and a
// leading "application/" aside (RFC 7515 §4.1.9). An "" among them stands for
// a header without typ.
//
// By default any typ is accepted but those that name another kind of JWT
// (RFC 8725 §3.11): what ends in "+jwt", as dpop+jwt, logout+jwt and
// secevent+jwt do, is refused unless it is at+jwt, an access token's. A
// verifier of such tokens, and of them alone, asks for them:
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
