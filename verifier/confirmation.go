package verifier

import (
	"fmt"
	"slices"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// The confirmation methods that this library knows (RFC 7800 §3.1): the members
// of cnf that bind a token to a key.
const (
	ConfirmJKT     = "jkt"      // the thumbprint of a DPoP key (RFC 9449 §6)
	ConfirmX5TS256 = "x5t#S256" // the thumbprint of a client certificate (RFC 8705 §3.1)
)

// Confirmer is a [ClaimValidator] that checks that the client holds the key to which a token is
// bound. Packages dpop and mtls have one each.
//
// A token with a cnf that no validator confirms is refused ([ErrTokenBound]). Its issuer made it
// useless to a thief; to accept it as a bearer token would undo that. [IgnoreConfirmation] accepts
// it nevertheless.
type Confirmer interface {
	ClaimValidator
	// Confirms names the member of cnf that Validate checks, such as "jkt".
	Confirms() string
}

// rank puts confirmers behind other validators.
func rank(v ClaimValidator) int {
	if _, ok := v.(Confirmer); ok {
		return 1
	}
	return 0
}

// IgnoreConfirmation accepts tokens that are bound to a key (cnf, RFC 7800) from any client that
// presents them. By default they are refused ([ErrTokenBound]).
func IgnoreConfirmation() Option { return func(c *config) error { c.ignoreCnf = true; return nil } }

// Confirmation returns a member of cnf by its name, such as [ConfirmJKT] (RFC 7800 §3.1). It returns
// "" if the token has no such member, or one that is not a string.
func (t *Token) Confirmation(method string) string {
	cnf, ok := t.claim("cnf")
	if !ok || cnf[0] != '{' {
		return ""
	}
	value := ""
	o := strictjson.New(cnf)
	for o.Next() {
		if o.Name == method {
			value, _ = strictjson.String(o.Value)
		}
	}
	if o.Err != nil {
		return ""
	}
	return value
}

// checkConfirmation refuses a token whose cnf nobody confirms. Members that are
// not known are not a reason by themselves (RFC 7800 §3.1): one that is
// confirmed is enough, but those that this library knows are never passed over.
func (c *config) checkConfirmation(cnf string) error {
	if c.ignoreCnf {
		return nil
	}
	o := strictjson.New(cnf)
	some, confirmed := false, false
	for o.Next() {
		some = true
		if slices.Contains(c.confirmed, o.Name) {
			confirmed = true
			if s, ok := strictjson.String(o.Value); !ok || s == "" {
				return refuse(ErrClaimInvalid, "invalid cnf value", fmt.Errorf("the member %s is not a string", o.Name))
			}
		} else if o.Name == ConfirmJKT || o.Name == ConfirmX5TS256 {
			return unconfirmed(o.Name)
		}
	}
	if o.Err != nil {
		return refuse(ErrClaimInvalid, "invalid cnf value", o.Err)
	}
	if some && !confirmed {
		return unconfirmed("of that kind")
	}
	return nil
}

func unconfirmed(member string) error {
	return refuse(ErrTokenBound, "the token is bound to a key",
		fmt.Errorf("no validator confirms the cnf %s: add one, or the option IgnoreConfirmation", member))
}
