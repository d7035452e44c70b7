package verifier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestFaultsB4: unless the answer says "active": true the token is refused.
func TestFaultsB4(t *testing.T) {
	for claims, good := range map[string]bool{
		`{"active":true,"sub":"s"}`:            true,
		`{"active":false,"sub":"s"}`:           false,
		`{"active":"true","sub":"s"}`:          false,
		`{"active":1}`:                         false,
		`{"active":null}`:                      false,
		`{"active":[true]}`:                    false,
		`{"active":{"active":true}}`:           false,
		`{"Active":true}`:                      false,
		`{"ACTIVE":true,"active":true}`:        false,
		`{"active":true,"active":true}`:        false,
		`{"sub":"s"}`:                          false,
		`{}`:                                   false,
		`{"data":{"active":true},"sub":"s"}`:   false,
		`{"active":true,"exp":1700000000}`:     false,
		` {"sub":"s" , "active" : true } `:     true,
		`{"\u0061ctive":true}`:                 true,
		`{"active":tru}`:                       false,
		`{"active":true}{"active":false}`:      false,
		`{"active":true,"sub":"s","exp":null}`: false,
	} {
		v := must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(claims), nil }), WithClock(clock)))
		token, err := v.Verify(t.Context(), "x")
		if (err == nil) != good || (token != nil) != good {
			t.Errorf("%s: got %v", claims, err)
		}
		if u := AsUnauthorized(err); u != nil && u.Retryable {
			t.Errorf("%s: it is retryable", claims)
		}
	}
	for _, nothing := range [][]byte{nil, {}, []byte("null"), []byte("true")} {
		v := must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return nothing, nil })))
		if _, err := v.Verify(t.Context(), "x"); err == nil {
			t.Errorf("%q is accepted", nothing)
		}
	}
}

// TestFaultsB5Lifetime: what an opaque token's answer does not say has an end.
func TestFaultsB5Lifetime(t *testing.T) {
	at := now
	until := func(claims string, options ...Option) time.Time {
		t.Helper()
		v := must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(claims), nil }),
			append(options, WithClock(func() time.Time { return at }))...))
		token, err := v.Verify(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		return token.ValidUntil()
	}
	for name, row := range map[string]struct {
		got, want time.Time
	}{
		"no exp":                    {until(`{"active":true}`), at.Add(DefaultOpaqueLifetime)},
		"no exp, another lifetime":  {until(`{"active":true}`, MaxLifetime(time.Minute)), at.Add(time.Minute)},
		"an exp":                    {until(`{"active":true,"exp":1700000060}`), at.Add(time.Minute)},
		"an exp beyond the default": {until(`{"active":true,"exp":1800000000}`), time.Unix(1800000000, 0)},
		"exp ignored":               {until(`{"active":true}`, IgnoreExpiration()), time.Time{}},
	} {
		if !row.got.Equal(row.want) {
			t.Errorf("%s: it is good until %v, want %v", name, row.got, row.want)
		}
	}
}

// TestFaultsB3: a token that says it is a refresh token gives no access.
func TestFaultsB3(t *testing.T) {
	const access, refresh, id, other = 0, 1, 2, 3
	rows := map[string]int{
		`"token_use":"refresh_token","token_type":"Bearer"`: refresh, // dex, Hydra
		`"token_use":"refresh"`:                             refresh,
		`"typ":"Refresh"`:                                   refresh, // Keycloak
		`"typ":"Offline"`:                                   refresh,
		`"token_type":"refresh"`:                            refresh, // SimpleJWT
		`"token_type":"Refresh_Token"`:                      refresh,
		`"token_type":"urn:ietf:params:oauth:token-type:refresh_token"`: refresh,
		`"type":"refresh"`:                 refresh, // Flask-JWT-Extended
		`"purpose":"refresh_token"`:        refresh, // Curity
		`"tokenName":"refresh_token"`:      refresh, // ForgeRock
		`"token_use":"id"`:                 id,      // Cognito
		`"typ":"ID"`:                       id,
		`"token_type":"id_token"`:          id,
		`"token_use":"authorization_code"`: other,
		`"token_use":"x"`:                  other,
		`"token_type":"N_A"`:               other, // RFC 8693
		`"typ":"Logout"`:                   other,

		`"token_use":"access"`:       access,
		`"token_use":"access_token"`: access,
		`"typ":"Bearer","nonce":"n"`: access, // Keycloak, before 24
		`"token_type":"Bearer"`:      access,
		`"token_type":"DPoP"`:        access,
		`"token_type":"something"`:   access,
		`"type":"id"`:                access,
		`"type":"message"`:           access,
		`"typ":["Refresh"]`:          access,
		`"sub":"refresh"`:            access,
		`"purpose":"verification"`:   access,
	}
	for claims, kind := range rows {
		raw, answer := mint(HS256, "{"+claims+"}"), `{"active":true,`+claims+`}`
		jwt := func(options ...Option) error {
			_, err := newVerifier(t, keyFor(t, HS256), options...).Verify(t.Context(), raw)
			return err
		}
		opaque := func(options ...Option) error {
			v := must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(answer), nil }), options...))
			_, err := v.Verify(t.Context(), "x")
			return err
		}
		for what, verdict := range map[string]struct {
			err     error
			refused bool
		}{
			"a JWT":                             {jwt(), kind == refresh},
			"a JWT, with a cache":               {jwt(CacheVerified(1)), kind == refresh},
			"a JWT, ID tokens refused":          {jwt(RefuseIDTokens()), kind != access},
			"a JWT, whatever it says":           {jwt(IgnoreTokenUse()), false},
			"an opaque token":                   {opaque(), kind != access},
			"an opaque token, whatever it says": {opaque(IgnoreTokenUse()), false},
		} {
			u := AsUnauthorized(verdict.err)
			if (u != nil) != verdict.refused || u != nil && (u.Reason != ErrTypeMismatch || u.Retryable || !strings.Contains(verdict.err.Error(), "another kind of token")) {
				t.Errorf("%s of %s: got %v", what, claims, verdict.err)
			}
		}
	}

	for typ, good := range map[string]bool{"Refresh": false, "refresh_token": false, "refresh+jwt": false, "RT": false, "JWT": true, "JOSE": true, "at+jwt": true, "other": true} {
		raw := mintWith(HS256, secret, fmt.Sprintf(`{"alg":"HS256","typ":%q}`, typ), `{}`)
		if _, err := newVerifier(t, keyFor(t, HS256)).Verify(t.Context(), raw); (err == nil) != good || err != nil && !errors.Is(err, ErrTypeMismatch) {
			t.Errorf("the header's typ %s: got %v", typ, err)
		}
	}

	for _, claim := range []string{"nonce", "at_hash", "c_hash", "s_hash"} {
		raw := mint(HS256, `{"`+claim+`":"x"}`)
		if _, err := newVerifier(t, keyFor(t, HS256)).Verify(t.Context(), raw); err != nil {
			t.Errorf("%s: %v", claim, err)
		}
		if _, err := newVerifier(t, keyFor(t, HS256), RefuseIDTokens()).Verify(t.Context(), raw); !errors.Is(err, ErrTypeMismatch) {
			t.Errorf("%s: %v", claim, err)
		}
	}
}

// TestMaxLifetime: how long a token is good is bounded, by its iat and from now.
func TestMaxLifetime(t *testing.T) {
	for _, row := range []struct {
		claims string
		reason Reason
	}{
		{`{"iat":1700000000,"exp":1700003600}`, ""},
		{`{"iat":1700000000,"exp":1700003601}`, ErrLifetimeExceeded},
		{`{"iat":1699999000,"exp":1700003600}`, ErrLifetimeExceeded},
		{`{"iat":1600000000,"exp":1700000001}`, ErrLifetimeExceeded},
		{`{"iat":1800000000,"exp":1800003600}`, ErrLifetimeExceeded}, // issued ahead
		{`{"exp":1700003605}`, ""},
		{`{"exp":1700003606}`, ErrLifetimeExceeded},
		{`{"iat":1700000000}`, ErrClaimInvalid},
		{`{}`, ErrClaimInvalid},
	} {
		if err := verdict(t, row.claims, MaxLifetime(time.Hour)); row.reason == "" && err != nil || row.reason != "" && !errors.Is(err, row.reason) {
			t.Errorf("%s: got %v, want %s", row.claims, err, row.reason)
		}
	}
}

// checker is an introspector that has its own way to be asked again.
type checker struct {
	IntrospectorFunc
	active bool
	err    error
}

func (c checker) StillActive(context.Context, string) (bool, error) { return c.active, c.err }

// TestFaultsB5StillActive: active, not active, and that it could not be asked are
// three results.
func TestFaultsB5StillActive(t *testing.T) {
	says := func(claims string, err error) IntrospectorFunc {
		return func(context.Context, string) ([]byte, error) { return []byte(claims), err }
	}
	down := errors.New("down")
	for name, row := range map[string]struct {
		i      Introspector
		active bool
		failed bool
	}{
		"active":              {says(`{"active":true}`, nil), true, false},
		"not active":          {says(`{"active":false}`, nil), false, false},
		"active as a string":  {says(`{"active":"true"}`, nil), false, false},
		"nothing":             {says(``, nil), false, false},
		"refused":             {says(``, Inactive(nil)), false, false},
		"refused, wrapped":    {says(``, fmt.Errorf("x: %w", Inactive(nil))), false, false},
		"down":                {says(``, down), false, true},
		"down, and an answer": {says(`{"active":true}`, down), false, true},
		"a refusal for now":   {says(``, &UnauthorizedError{Retryable: true}), false, true},
		"a nil refusal":       {says(`{"active":true}`, noError()), false, true},
		"a panic":             {IntrospectorFunc(func(context.Context, string) ([]byte, error) { panic("x") }), false, true},
		"by its own way":      {checker{says(`{"active":false}`, nil), true, nil}, true, false},
		"by its own way, no":  {checker{says(`{"active":true}`, nil), false, nil}, false, false},
		"which is down":       {checker{says(`{"active":true}`, nil), true, down}, false, true},
	} {
		active, err := StillActive(t.Context(), row.i, "x")
		if active != row.active || (err != nil) != row.failed {
			t.Errorf("%s: got %v, %v", name, active, err)
		}
	}
}
