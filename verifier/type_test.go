package verifier

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// wantRefusal fails unless err is a refusal of the reason with the message.
func wantRefusal(t *testing.T, err error, reason Reason, message string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	var u *UnauthorizedError
	if !errors.As(err, &u) {
		t.Fatalf("got %v, want the refusal %s", err, reason)
	}
	if u.Reason != reason || u.Message != message {
		t.Fatalf("refused with %s %q (%v), want %s %q", u.Reason, u.Message, u.Err, reason, message)
	}
}

func TestType(t *testing.T) {
	const absent = "-"
	for _, row := range []struct {
		typ      string
		types    []string // nil for the default
		accepted bool
	}{
		{absent, nil, true},
		{"JWT", nil, true},
		{"jwt", nil, true},
		{"", nil, true},
		{"Bearer", nil, true},
		{"+jwt", nil, false},
		{"refresh", nil, false},
		{"application/", []string{"logout+jwt", ""}, false},
		{"application//logout+jwt", []string{"/logout+jwt"}, false},
		{"at+jwt", nil, true},
		{"AT+JWT", nil, true},
		{"application/at+jwt", nil, true},
		{"Application/AT+jwt", nil, true},
		{"application/x/at+jwt", nil, false},
		{"text/at+jwt", nil, false},
		{"dpop+jwt", nil, false},
		{"DPoP+JWT", nil, false},
		{"application/dpop+jwt", nil, false},
		{"logout+jwt", nil, false},
		{"secevent+jwt", nil, false},
		{"client-authentication+jwt", nil, false},
		{"token-introspection+jwt", nil, false},
		{"kb+jwt", nil, false},

		{"logout+jwt", []string{"logout+jwt"}, true},
		{"application/Logout+JWT", []string{"logout+jwt"}, true},
		{"logout+jwt", []string{"application/logout+jwt"}, true},
		{"at+jwt", []string{"logout+jwt"}, false},
		{"JWT", []string{"logout+jwt"}, false},
		{absent, []string{"logout+jwt"}, false},
		{absent, []string{"logout+jwt", ""}, true},
		{"JWT", []string{"logout+jwt", "", "JWT"}, true},
		{"logout+jwtx", []string{"logout+jwt"}, false},
		{"xlogout+jwt", []string{"logout+jwt"}, false},
	} {
		t.Run(fmt.Sprintf("%s as %q", row.typ, row.types), func(t *testing.T) {
			var options []Option
			if row.types != nil {
				options = append(options, Type(row.types...))
			}
			header := fmt.Sprintf(`{"alg":"HS256","typ":%q}`, row.typ)
			if row.typ == absent {
				header = `{"alg":"HS256"}`
			}
			_, err := newVerifier(t, keyFor(t, HS256), options...).Verify(context.Background(), mintWith(HS256, secret, header, `{"sub":"a"}`))
			if row.accepted {
				wantRefusal(t, err, "", "")
			} else {
				wantRefusal(t, err, ErrTypeMismatch, "jwt typ invalid")
			}
		})
	}
	if _, err := New(keyFor(t, HS256), Type()); err == nil {
		t.Error("no type at all is accepted")
	}
}

// confirms is a validator that confirms a method, whatever the token.
type confirms string

func (c confirms) Confirms() string                                 { return string(c) }
func (confirms) Validate(context.Context, *Token, *Handshake) error { return nil }

func TestConfirmation(t *testing.T) {
	jkt, x5t := Validate(confirms(ConfirmJKT)), Validate(confirms(ConfirmX5TS256))
	for _, row := range []struct {
		name    string
		cnf     string
		options []Option
		reason  Reason
	}{
		{"none", `null`, nil, ""},
		{"empty", `{}`, nil, ""},
		{"a key of DPoP", `{"jkt":"x"}`, nil, ErrTokenBound},
		{"a certificate", `{"x5t#S256":"x"}`, nil, ErrTokenBound},
		{"a key by its id", `{"kid":"x"}`, nil, ErrTokenBound},
		{"ignored", `{"jkt":"x","x5t#S256":"y"}`, []Option{IgnoreConfirmation()}, ""},
		{"confirmed", `{"jkt":"x"}`, []Option{jkt}, ""},
		{"confirmed, with a member unknown", `{"jkt":"x","kid":"y"}`, []Option{jkt}, ""},
		{"another confirmed", `{"jkt":"x"}`, []Option{x5t}, ErrTokenBound},
		{"one of two", `{"jkt":"x","x5t#S256":"y"}`, []Option{jkt}, ErrTokenBound},
		{"both of two", `{"jkt":"x","x5t#S256":"y"}`, []Option{jkt, x5t}, ""},
		{"one of the application's", `{"kid":"y"}`, []Option{Validate(confirms("kid"))}, ""},
		{"a number", `{"jkt":1}`, []Option{jkt}, ErrClaimInvalid},
		{"an empty string", `{"jkt":""}`, []Option{jkt}, ErrClaimInvalid},
		{"not an object", `"x"`, nil, ErrClaimInvalid},
		{"a list", `["jkt"]`, []Option{jkt}, ErrClaimInvalid},
		{"twice", `{"jkt":"x","jkt":"y"}`, []Option{jkt}, ErrClaimInvalid},
		{"twice in another case", `{"jkt":"x","JKT":"y"}`, []Option{jkt}, ErrClaimInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := newVerifier(t, keyFor(t, HS256), row.options...).Verify(context.Background(), mint(HS256, `{"cnf":`+row.cnf+`}`))
			message := map[Reason]string{ErrTokenBound: "the token is bound to a key", ErrClaimInvalid: "invalid cnf value"}[row.reason]
			wantRefusal(t, err, row.reason, message)
			if err == nil && len(row.cnf) > 4 {
				if got := token.Confirmation(ConfirmJKT); row.name != "one of the application's" && got != "x" {
					t.Errorf("Confirmation is %q", got)
				}
				if got := token.Confirmation("absent"); got != "" {
					t.Errorf("Confirmation of an absent method is %q", got)
				}
			}
		})
	}
}

// noting notes that it was asked.
type noting struct {
	confirms
	asked *[]string
}

func (n noting) Validate(context.Context, *Token, *Handshake) error {
	*n.asked = append(*n.asked, string(n.confirms))
	return nil
}

// TestConfirmersLast: a proof is not used up for a token that is refused anyway.
func TestConfirmersLast(t *testing.T) {
	var asked []string
	note := func(name string) ClaimValidator {
		return ClaimValidatorFunc(func(context.Context, *Token, *Handshake) error {
			asked = append(asked, name)
			return nil
		})
	}
	v := newVerifier(t, keyFor(t, HS256), Validate(noting{"jkt", &asked}, note("a")), Validate(note("b"), noting{"x5t#S256", &asked}), RequireScope("s"))
	if _, err := v.Verify(context.Background(), mint(HS256, `{"scope":"s"}`)); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(asked); got != "[a b jkt x5t#S256]" {
		t.Errorf("asked in the order %s", got)
	}
	asked = nil
	if _, err := v.Verify(context.Background(), mint(HS256, `{}`)); err == nil || len(asked) != 2 {
		t.Errorf("%v, after asking %s", err, asked)
	}
}
