package verifier

import (
	"encoding/json"
	"fmt"
	"time"
)

// record is the JSON form of [Token.Record].
type record struct {
	Issuer    string    `json:"iss,omitempty"`
	Subject   string    `json:"sub,omitempty"`
	TokenID   string    `json:"jti,omitempty"`
	SessionID string    `json:"sid,omitempty"`
	IssuedAt  time.Time `json:"iat,omitzero"`
	Claims    string    `json:"claims,omitempty"`
}

// Record returns what the token says, as JSON. It is for state that is kept beyond a connection, and
// that may go only to the same user later. It has neither header nor signature, so nobody can
// authenticate with it. [TokenFromRecord] reads it.
func (t *Token) Record() string {
	text, err := json.Marshal(record{t.Issuer, t.Subject, t.ID, t.SessionID, t.IssuedAt, t.payload})
	if err != nil { // a date that JSON cannot hold, of a token made by the application
		return ""
	}
	return string(text)
}

// TokenFromRecord returns the token of a [Token.Record], with its claims. It has no Header,
// [Token.Raw] and [Token.Key], and it is not verified again: read records only from a store that
// clients cannot write to. It returns an error if text is not a record.
func TokenFromRecord(text string) (*Token, error) {
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("verifier: TokenFromRecord: %w", err)
	}
	t := &Token{payload: r.Claims}
	if r.Claims != "" {
		if _, err := parseClaims(t); err != nil {
			return nil, fmt.Errorf("verifier: TokenFromRecord: %w", err)
		}
	}
	t.Issuer, t.Subject, t.ID, t.SessionID, t.IssuedAt = r.Issuer, r.Subject, r.TokenID, r.SessionID, r.IssuedAt
	return t, nil
}
