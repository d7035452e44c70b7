package verifier

import (
	"strings"
	"testing"
	"time"
)

// TestRecord: a record holds every claim and no credential.
func TestRecord(t *testing.T) {
	const payload = `{"iss":"i","sub":"ada","aud":"a","jti":"1","sid":"s","iat":1000000000,"exp":2000000000,"cnf":{"jkt":"k"},"org":"red"}`
	for name, token := range map[string]*Token{
		"of a verifier":      {raw: "header.payload.signature", payload: payload, Issuer: "i", Subject: "ada", ID: "1", SessionID: "s", IssuedAt: time.Unix(1_000_000_000, 0)},
		"of the application": {Issuer: "i", Subject: "ada", ID: "1", SessionID: "s", IssuedAt: time.Unix(1_000_000_000, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			text := token.Record()
			if strings.Contains(text, "signature") {
				t.Errorf("the record holds the token: %s", text)
			}
			got, err := TokenFromRecord(text)
			if err != nil {
				t.Fatal(err)
			}
			if got.Issuer != token.Issuer || got.Subject != token.Subject || got.ID != token.ID || got.SessionID != token.SessionID || !got.IssuedAt.Equal(token.IssuedAt) {
				t.Errorf("got %+v, want %+v", *got, *token)
			}
			if got.Confirmation(ConfirmJKT) != token.Confirmation(ConfirmJKT) || got.payload != token.payload {
				t.Errorf("the claims are %s, want %s", got.payload, token.payload)
			}
		})
	}
	for _, text := range []string{"", "null", "{", `{"claims":"{"}`, `{"claims":"[]"}`} {
		if got, err := TokenFromRecord(text); err == nil && (got.Issuer != "" || got.Subject != "" || text != "null") {
			t.Errorf("%q is a record: %+v", text, got)
		}
	}
}
