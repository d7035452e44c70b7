package verifier

import (
	"fmt"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// kinds is what a token says that it is, in its claims: a set, since several of
// them may say so.
type kinds uint8

const (
	kindAccess     kinds = 1 << iota // an access token
	kindRefresh                      // a refresh token
	kindID                           // an ID token
	kindOther                        // a token of another kind, such as a logout token
	kindUnknown                      // a token_use that names no kind known here
	shapeOfIDToken                   // it has claims that only ID tokens have

	anotherKind = kindRefresh | kindID | kindOther | kindUnknown
)

// kindClaims are the claims in which issuers say what kind a token is:
// token_use (Cognito, dex, Hydra), token_type (RFC 7662, SimpleJWT), typ
// (Keycloak), type (Flask-JWT-Extended), purpose (Curity), tokenName (ForgeRock).
var kindClaims = []string{"token_use", "token_type", "typ", "type", "purpose", "tokenName"}

// kindOfClaim returns what a claim of kindClaims says, 0 where it says nothing of
// kinds. Only token_use has no other meaning.
func kindOfClaim(name, value string) kinds {
	s, ok := strictjson.String(value)
	if !ok {
		return 0
	}
	kind := kindOf(s)
	switch {
	case kind == 0 && name == "token_use":
		return kindUnknown
	case name == "type" || name == "purpose":
		return kind & (kindAccess | kindRefresh) // applications have other uses for these words
	}
	return kind
}

// kindOf tells the kind of token that a word names, in any spelling: "Refresh",
// "refresh_token", "urn:ietf:params:oauth:token-type:refresh_token" (RFC 8693 §3).
func kindOf(word string) kinds {
	word = word[strings.LastIndexByte(word, ':')+1:]
	if len(word) > 40 {
		return 0
	}
	word = strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			return r
		}
		return -1
	}, word)
	word = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(word, "jwt"), "token"), "jwt")
	switch word {
	case "access", "at", "bearer", "dpop", "pop", "mac":
		return kindAccess
	case "refresh", "rt", "offline":
		return kindRefresh
	case "id", "identity":
		return kindID
	case "logout", "na", "code", "authorizationcode", "authcode", "devicecode", "registrationaccess", "initialaccess", "secevent", "userinfo", "reset", "passwordreset", "verification", "invite", "invitation", "confirmation":
		return kindOther
	}
	return 0
}

// checkKind refuses a token that says it is not an access token.
func (c *config) checkKind(t *Token, k kinds) error {
	if k&kindAccess != 0 {
		k &^= shapeOfIDToken // some issuers repeat the nonce in access tokens
	}
	if k &= c.refusedKinds; k == 0 {
		return nil
	}
	cause := "it has a claim of ID tokens: nonce, at_hash, c_hash or s_hash"
	if k&anotherKind != 0 {
		for _, name := range kindClaims {
			if text, ok := t.claim(name); ok && kindOfClaim(name, text)&k != 0 {
				cause = fmt.Sprintf("%s is %.60s", name, text)
			}
		}
	}
	return refuse(ErrTypeMismatch, "not an access token", fmt.Errorf("%s: another kind of token, see the option IgnoreTokenUse", cause))
}

// RefuseIDTokens refuses ID tokens, for issuers that sign both kinds alike: those
// that say so in token_use or typ (Cognito, Keycloak), and those with a claim that
// access tokens do not have: nonce, at_hash, c_hash or s_hash (OpenID Connect Core
// 1.0 §2, §3.3.2.11). An ID token without any of these is told by its audience,
// which is the client: give [Audience] too, or ask for a scope.
//
// [NewOpaque] refuses ID tokens that say so without this option.
func RefuseIDTokens() Option {
	return func(c *config) error {
		c.refuseID = true
		return nil
	}
}

// IgnoreTokenUse accepts tokens that say that they are of another kind. Without it, a token is
// refused ([ErrTypeMismatch]) if one of its claims token_use, token_type, typ, type, purpose or
// tokenName says that it is a refresh token. [NewOpaque] then also refuses every other kind
// except access tokens.
func IgnoreTokenUse() Option { return func(c *config) error { c.ignoreUse = true; return nil } }
