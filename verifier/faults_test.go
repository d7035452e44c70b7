package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// The faults that were found in the built library, by the row of their list.

// noError is a nil *UnauthorizedError as an application returns it by mistake:
// from a function whose result is declared as *UnauthorizedError.
func noError() error {
	var u *UnauthorizedError
	return u
}

// TestFaultsD3TypedNil: a nil *UnauthorizedError in an error is not a success,
// and nothing that is done with it crashes.
func TestFaultsD3TypedNil(t *testing.T) {
	good := mint(HS256, `{"sub":"jane"}`)
	failing := KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { return nil, noError() })
	both := KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) {
		return []*Key{newKey(t, secret, KeyOptions{})}, noError()
	})
	opaque := func(err error) *Verifier {
		return must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { return []byte(`{"active":true}`), err })))
	}
	validator := func(err error) Option {
		return Validate(ClaimValidatorFunc(func(context.Context, *Token, *Handshake) error { return err }))
	}
	for name, v := range map[string]*Verifier{
		"validator":               newVerifier(t, keyFor(t, HS256), validator(noError())),
		"validator, with a cache": newVerifier(t, keyFor(t, HS256), validator(noError()), CacheVerified(1)),
		"validator, wrapped":      newVerifier(t, keyFor(t, HS256), validator(fmt.Errorf("ours: %w", noError()))),
		"validator, joined":       newVerifier(t, keyFor(t, HS256), validator(errors.Join(errors.New("ours"), noError()))),
		"extractor":               newVerifier(t, keyFor(t, HS256), WithExtractor(ExtractorFunc(func(context.Context, *Handshake) (string, error) { return good, noError() }))),
		"extractor in a chain":    newVerifier(t, keyFor(t, HS256), WithExtractor(OneOf(Query("token"), ExtractorFunc(func(context.Context, *Handshake) (string, error) { return "", noError() })))),
		"key provider":            newVerifier(t, failing),
		"key provider, and keys":  newVerifier(t, both),
		"introspector":            opaque(noError()),
		"introspector, wrapped":   opaque(fmt.Errorf("ours: %w", noError())),
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				token, err := v.Authenticate(t.Context(), query("token="+good))
				if token != nil || err == nil {
					t.Fatalf("got %v, %v", token, err)
				}
				u := AsUnauthorized(err)
				if u == nil || !errors.Is(err, ErrRejected) || u.Retryable || u.Message != "rejected by the server" {
					t.Fatalf("got %#v", u)
				}
			}
		})
	}

	for name, err := range map[string]error{"bare": noError(), "wrapped": fmt.Errorf("x: %w", noError()), "joined": errors.Join(noError(), noError())} {
		if AsUnauthorized(err) == nil {
			t.Errorf("%s: it became no error", name)
		}
		if errors.Is(err, ErrTokenExpired) || !errors.Is(err, ErrRejected) || err.Error() == "" {
			t.Errorf("%s: it is not a refusal", name)
		}
	}
	var u *UnauthorizedError
	if text, err := u.MarshalJSON(); err != nil || !strings.Contains(string(text), `"rejected"`) {
		t.Errorf("in JSON it is %s, %v", text, err)
	}
	if u.Unwrap() != nil || !strings.Contains(u.LogValue().String(), "rejected") {
		t.Errorf("unwrapped %v, logged %v", u.Unwrap(), u.LogValue())
	}
	if AsUnauthorized(nil) != nil {
		t.Error("nil became an error")
	}
}

// TestFaultsD3Panics: no function of the application's ends the process.
func TestFaultsD3Panics(t *testing.T) {
	good := mint(HS256, `{"sub":"jane","iss":"i","aud":"a"}`)
	var nobody map[string]int
	crash := func() { nobody["x"] = 1 }
	for name, v := range map[string]*Verifier{
		"extractor":     newVerifier(t, keyFor(t, HS256), WithExtractor(ExtractorFunc(func(context.Context, *Handshake) (string, error) { crash(); return good, nil }))),
		"key provider":  newVerifier(t, KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { crash(); return nil, nil })),
		"issuer func":   newVerifier(t, keyFor(t, HS256), IssuerFunc(func(string) bool { crash(); return true })),
		"audience func": newVerifier(t, keyFor(t, HS256), AudienceFunc(func(string) bool { crash(); return true })),
		"validator":     newVerifier(t, keyFor(t, HS256), Validate(ClaimValidatorFunc(func(context.Context, *Token, *Handshake) error { crash(); return nil }))),
		"clock":         must(New(keyFor(t, HS256), WithClock(func() time.Time { crash(); return now }))),
		"introspector":  must(NewOpaque(IntrospectorFunc(func(context.Context, string) ([]byte, error) { crash(); return nil, nil }))),
	} {
		t.Run(name, func(t *testing.T) {
			token, err := v.Authenticate(t.Context(), query("token="+good))
			u := AsUnauthorized(err)
			if token != nil || u == nil || !errors.Is(err, ErrServer) || u.Code != CodeInternal || u.Retryable {
				t.Fatalf("got %v, %#v", token, u)
			}
			var p *PanicError
			if !errors.As(err, &p) || !strings.Contains(fmt.Sprint(p.Value), "nil map") || !strings.Contains(string(p.Stack), "faults_test.go") {
				t.Errorf("the cause is %v", u.Err)
			}
			if shown := must(json.Marshal(u)); strings.Contains(string(shown), "nil map") {
				t.Errorf("the client is shown %s", shown)
			}
			if name != "extractor" {
				if _, err := v.Verify(t.Context(), good); !errors.Is(err, ErrServer) {
					t.Errorf("Verify: %v", err)
				}
			}
		})
	}
}

// TestFaultsF3NilVerifier: a Verifier that New did not make refuses.
func TestFaultsF3NilVerifier(t *testing.T) {
	for _, v := range []*Verifier{nil, new(Verifier)} {
		_, err := v.Authenticate(t.Context(), query("token=x"))
		if u := AsUnauthorized(err); u == nil || !strings.Contains(err.Error(), "not made by New") || strings.Contains(u.Message, "New") {
			t.Errorf("Authenticate: %v", err)
		}
		if _, err := v.Verify(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "not made by New") {
			t.Errorf("Verify: %v", err)
		}
	}
}

// TestFaultsB9 : claims that do not fit are the token's fault, and no outage.
func TestFaultsB9(t *testing.T) {
	byTenant := KeyProviderFunc(func(_ context.Context, u *UnverifiedToken) ([]*Key, error) {
		var c struct {
			Tenant string `json:"tenant"`
		}
		if err := u.Claims(&c); err != nil {
			return nil, err
		}
		return []*Key{newKey(t, secret, KeyOptions{})}, nil
	})
	v := newVerifier(t, byTenant)
	for name, row := range map[string]struct {
		raw    string
		reason Reason
	}{
		"another type":   {mint(HS256, `{"tenant":7}`), ErrClaimInvalid},
		"another case":   {mint(HS256, `{"TENANT":"x"}`), ErrClaimInvalid},
		"twice":          {mint(HS256, `{"tenant":"x","tenant":"y"}`), ErrClaimInvalid},
		"not JSON":       {mint(HS256, `tenant`), ErrClaimInvalid},
		"not base64url":  {strings.Join([]string{encode(`{"alg":"HS256"}`), "e30=", encode("01234567890123456789012345678901")}, "."), ErrTokenMalformed},
		"nothing wrong":  {mint(HS256, `{"tenant":"x"}`), ""},
		"none, accepted": {mint(HS256, `{}`), ""},
	} {
		_, err := v.Verify(t.Context(), row.raw)
		if u := AsUnauthorized(err); row.reason == "" && err != nil || row.reason != "" && (u == nil || u.Reason != row.reason || u.Retryable || u.Code != CodeInvalidToken) {
			t.Errorf("%s: got %v, want %s", name, err, row.reason)
		}
	}
}

// TestFaultsB7: another issuer is said to be that, before that no key is known.
func TestFaultsB7(t *testing.T) {
	nobody := KeyProviderFunc(func(context.Context, *UnverifiedToken) ([]*Key, error) { return nil, nil })
	const ours = "https://login.example/"
	for name, row := range map[string]struct {
		claims string
		option Option
		reason Reason
		cause  string
	}{
		"a slash":              {`{"iss":"https://login.example"}`, Issuer(ours), ErrIssuerMismatch, `iss is "https://login.example", expected "https://login.example/"`},
		"none":                 {`{}`, Issuer(ours), ErrIssuerMismatch, `iss is "", expected`},
		"not one of a list":    {`{"iss":"c"}`, Issuer("a", "b"), ErrIssuerMismatch, `iss is "c", expected "a,b"`},
		"not by the function":  {`{"iss":"c"}`, IssuerFunc(func(string) bool { return false }), ErrIssuerMismatch, `iss is "c"`},
		"control characters":   {`{"iss":"a\nb"}`, Issuer(ours), ErrIssuerMismatch, `iss is "a\nb"`},
		"long":                 {`{"iss":"` + strings.Repeat("x", 4000) + `"}`, Issuer(ours), ErrIssuerMismatch, `iss is "xxx`},
		"the right one":        {`{"iss":"https://login.example/"}`, Issuer(ours), ErrKeyNotFound, `no key for iss "https://login.example/", kid "", alg "HS256"`},
		"whichever, is a key":  {`{"iss":"x"}`, Subject("s"), ErrKeyNotFound, `no key for iss "x"`},
		"no claims, is a key?": {`[]`, Subject("s"), ErrKeyNotFound, `no key for iss ""`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newVerifier(t, nobody, row.option).Verify(t.Context(), mint(HS256, row.claims))
			u := AsUnauthorized(err)
			if u == nil || u.Reason != row.reason || u.Retryable || !strings.Contains(err.Error(), row.cause) || len(err.Error()) > 600 {
				t.Fatalf("got %v, want %s: %s", err, row.reason, row.cause)
			}
			if shown := must(json.Marshal(u)); strings.Contains(string(shown), "login.example") {
				t.Errorf("the client is shown %s", shown)
			}
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("", "error", err)
			var line struct{ Error struct{ Cause string } }
			if err := json.Unmarshal([]byte(log.String()), &line); err != nil || row.reason == ErrIssuerMismatch && !strings.Contains(line.Error.Cause, row.cause) ||
				row.reason == ErrKeyNotFound && line.Error.Cause != `no key for kid "", alg "HS256"` {
				t.Errorf("the log has %s", log.String())
			}
		})
	}

	// Of a token whose signature holds, too.
	_, err := newVerifier(t, keyFor(t, HS256), Issuer(ours)).Verify(t.Context(), mint(HS256, `{"iss":"x"}`))
	if !errors.Is(err, ErrIssuerMismatch) || !strings.Contains(err.Error(), `iss is "x", expected "https://login.example/"`) {
		t.Errorf("got %v", err)
	}
}

// TestFaultsG1: the names of RFC 9864 are those of the algorithms they stand for.
func TestFaultsG1(t *testing.T) {
	for name, same := range map[Algorithm]Algorithm{Ed25519: EdDSA, ESP256: ES256, ESP384: ES384, ESP512: ES512} {
		for _, alg := range []Algorithm{name, same} {
			raw := mintWith(same, signer(same), fmt.Sprintf(`{"alg":%q}`, alg), `{}`)
			for _, options := range []KeyOptions{{}, {Algorithms: []Algorithm{name}}, {Algorithms: []Algorithm{same}}} {
				key := newKey(t, public(signer(same)), options)
				if !key.Allows(name) || !key.Allows(same) || key.Allows(RS256) {
					t.Errorf("%v allows something else", key)
				}
				for _, narrowed := range []Option{Subject(""), Algorithms(name), Algorithms(same)} {
					v, err := New(keyList{key}, narrowed)
					if err != nil {
						v = must(New(keyList{key}))
					}
					if _, err := v.Verify(t.Context(), raw); err != nil {
						t.Errorf("alg %s: %v", alg, err)
					}
				}
			}
		}
	}
	if _, err := newVerifier(t, keyFor(t, EdDSA)).Verify(t.Context(), mintWith(EdDSA, signer(EdDSA), `{"alg":"Ed448"}`, `{}`)); !errors.Is(err, ErrAlgorithmNotAllowed) {
		t.Errorf("another curve: %v", err)
	}
	if _, err := newVerifier(t, keyFor(t, ES256)).Verify(t.Context(), mintWith(ES256, signer(ES256), `{"alg":"ESP384"}`, `{}`)); !errors.Is(err, ErrAlgorithmNotAllowed) {
		t.Errorf("another curve: %v", err)
	}
}

// TestFaultsF3Places: what a binding must know of where tokens come from.
func TestFaultsF3Places(t *testing.T) {
	for _, row := range []struct {
		e             Extractor
		event, cookie bool
	}{
		{DefaultExtractor(), true, false},
		{BearerHeader(), false, false},
		{RequireBearerHeader(), false, false},
		{Query("t"), false, false},
		{OneOf(BearerHeader(), OneOf(Query("t"))), false, false},
		{OneOf(BearerHeader(), OneOf(Cookie("t"))), true, true},
		{Cookie("t"), true, true},
		{OneOf(Cookie("t"), BearerHeader()), true, true},
		{OneOf(AuthPayload("t"), BearerHeader()), true, false},
		{AuthPayload("t"), true, false},
		{ExtractorFunc(func(context.Context, *Handshake) (string, error) { return "", nil }), true, false},
	} {
		v := newVerifier(t, keyFor(t, HS256), WithExtractor(row.e))
		if v.FindsInEvent() != row.event || v.ReadsCookie() != row.cookie {
			t.Errorf("%#v: event %v, cookie %v", row.e, v.FindsInEvent(), v.ReadsCookie())
		}
	}
}
