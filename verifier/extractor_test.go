package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// decoded is what encoding/json makes of the text.
func decoded(text string) any {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

func header(name string, values ...string) *Handshake {
	return &Handshake{Header: http.Header{name: values}}
}

func query(q string) *Handshake { return &Handshake{Query: must(url.ParseQuery(q))} }

// with is a handshake with a query beside what else it has.
func with(h *Handshake, q string) *Handshake {
	c := *h
	c.Query = must(url.ParseQuery(q))
	return &c
}

func payload(text string) *Handshake { return &Handshake{Auth: decoded(text)} }

func event(text string) *Handshake { return &Handshake{Auth: decoded(text), InBand: true} }

// inBand is the handshake as it is once an event was sent.
func inBand(h *Handshake) *Handshake {
	c := *h
	c.InBand = true
	return &c
}

func TestExtractors(t *testing.T) {
	const badFormat = "Format is Authorization: Bearer [token]"
	const datatype = "invalid token datatype"
	failing := ExtractorFunc(func(context.Context, *Handshake) (string, error) { return "", errors.New("ticket store down") })
	never := ExtractorFunc(func(context.Context, *Handshake) (string, error) { panic("asked behind an error") })
	for _, row := range []struct {
		name      string
		extractor Extractor
		handshake *Handshake
		token     string
		reason    Reason // "" if there is no error
		code      string
		message   string
	}{
		{"bearer", BearerHeader(), header("Authorization", "Bearer x.y.z"), "x.y.z", "", "", ""},
		{"bearer, any case", BearerHeader(), header("Authorization", "bEaReR x.y.z"), "x.y.z", "", "", ""},
		{"bearer, no header", BearerHeader(), &Handshake{}, "", "", "", ""},
		{"bearer, another scheme", BearerHeader(), header("Authorization", "Basic eDp5"), "", "", "", ""},
		{"bearer, one part", BearerHeader(), header("Authorization", "x.y.z"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, only the scheme", BearerHeader(), header("Authorization", "Bearer"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, no token", BearerHeader(), header("Authorization", "Bearer "), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, empty", BearerHeader(), header("Authorization", ""), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, three parts", BearerHeader(), header("Authorization", "Bearer x.y.z w"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"FaultsG8 bearer, two spaces", BearerHeader(), header("Authorization", "Bearer  x.y.z"), "x.y.z", "", "", ""},
		{"FaultsG8 bearer, spaces all around", BearerHeader(), header("Authorization", "bearer    x.y.z  "), "x.y.z", "", "", ""},
		{"FaultsG8 bearer, only spaces", BearerHeader(), header("Authorization", "Bearer    "), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, a tab", BearerHeader(), header("Authorization", "Bearer\tx.y.z"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, a space before", BearerHeader(), header("Authorization", " x.y.z"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, twice", BearerHeader(), header("Authorization", "Bearer x.y.z", "Bearer x.y.z"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"bearer, in band", BearerHeader(), inBand(header("Authorization", "Bearer x.y.z")), "", "", "", ""},

		{"required", RequireBearerHeader(), header("Authorization", "Bearer x.y.z"), "x.y.z", "", "", ""},
		{"required, no header", RequireBearerHeader(), query("token=x.y.z"), "", ErrTokenMissing, CodeMissingHeader, "Server requires Authorization Header"},
		{"required, another scheme", RequireBearerHeader(), header("Authorization", "Basic eDp5"), "", ErrTokenMissing, CodeMissingHeader, "Server requires Authorization Header"},
		{"required, one part", RequireBearerHeader(), header("Authorization", "x"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},

		{"query", Query("token"), query("token=x.y.z&EIO=3"), "x.y.z", "", "", ""},
		{"query, another name", Query("jwt"), query("token=x&jwt=y"), "y", "", "", ""},
		{"query, in another case", Query("token"), query("Token=x"), "", "", "", ""},
		{"query, none", Query("token"), &Handshake{}, "", "", "", ""},
		{"query, empty", Query("token"), query("token="), "", "", "", ""},
		{"query, the same twice", Query("token"), query("token=x&token=x"), "x", "", "", ""},
		{"query, two", Query("token"), query("token=x&token=y"), "", ErrTokenConflict, CodeCredentialsBadFormat, "more than one token provided"},
		{"query, in band", Query("token"), inBand(query("token=x")), "", "", "", ""},

		{"cookie", Cookie("jwt"), header("Cookie", "a=b; jwt=x.y.z; c=d"), "x.y.z", "", "", ""},
		{"cookie, quoted", Cookie("jwt"), header("Cookie", `jwt="x.y.z"`), "x.y.z", "", "", ""},
		{"cookie, in two lines", Cookie("jwt"), header("Cookie", "a=b", "jwt=x"), "x", "", "", ""},
		{"cookie, none", Cookie("jwt"), &Handshake{}, "", "", "", ""},
		{"cookie, another", Cookie("jwt"), header("Cookie", "JWT=x"), "", "", "", ""},
		{"cookie, empty", Cookie("jwt"), header("Cookie", "jwt="), "", "", "", ""},
		{"cookie, the same twice", Cookie("jwt"), header("Cookie", "jwt=x; jwt=x"), "x", "", "", ""},
		{"cookie, two", Cookie("jwt"), header("Cookie", "jwt=x; jwt=y"), "", ErrTokenConflict, CodeCredentialsBadFormat, "more than one token provided"},
		{"cookie, two in two lines", Cookie("jwt"), header("Cookie", "jwt=x", "jwt=y"), "", ErrTokenConflict, CodeCredentialsBadFormat, "more than one token provided"},
		{"cookie, an empty one before", Cookie("jwt"), header("Cookie", "jwt=; jwt=x"), "", ErrTokenConflict, CodeCredentialsBadFormat, "more than one token provided"},
		{"cookie beside malformed ones", Cookie("jwt"), header("Cookie", `a b=c; "=; =; jwt=x; {}; d=`+"\x01"), "x", "", "", ""},
		{"cookie, in band", Cookie("jwt"), inBand(header("Cookie", "jwt=x")), "x", "", "", ""},

		{"payload", AuthPayload("token"), payload(`{"token":"x.y.z"}`), "x.y.z", "", "", ""},
		{"payload with a scheme", AuthPayload("token"), payload(`{"token":"Bearer x.y.z"}`), "x.y.z", "", "", ""},
		{"payload with a scheme, any case", AuthPayload("token"), payload(`{"token":"bearer x.y.z"}`), "x.y.z", "", "", ""},
		{"payload with only the scheme", AuthPayload("token"), payload(`{"token":"Bearer "}`), "Bearer ", "", "", ""},
		{"payload, another member", AuthPayload("jwt"), payload(`{"jwt":"x","token":"y"}`), "x", "", "", ""},
		{"payload, in another case", AuthPayload("token"), payload(`{"Token":"x"}`), "", "", "", ""},
		{"payload, none", AuthPayload("token"), &Handshake{}, "", "", "", ""},
		{"payload, null", AuthPayload("token"), payload(`null`), "", "", "", ""},
		{"payload, an empty object", AuthPayload("token"), payload(`{}`), "", "", "", ""},
		{"payload, null inside", AuthPayload("token"), payload(`{"token":null}`), "", "", "", ""},
		{"payload, empty", AuthPayload("token"), payload(`{"token":""}`), "", "", "", ""},
		{"payload, a string", AuthPayload("token"), payload(`"x.y.z"`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, a list", AuthPayload("token"), payload(`["x.y.z"]`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, a number", AuthPayload("token"), payload(`1`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, true", AuthPayload("token"), payload(`true`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, a number inside", AuthPayload("token"), payload(`{"token":123}`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, a list inside", AuthPayload("token"), payload(`{"token":["x"]}`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, an object inside", AuthPayload("token"), payload(`{"token":{"token":"x"}}`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"payload, false inside", AuthPayload("token"), payload(`{"token":false}`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"event", AuthPayload("token"), event(`{"token":"x"}`), "x", "", "", ""},
		{"event, empty", AuthPayload("token"), event(`{"token":""}`), "", ErrTokenMissing, CodeInvalidToken, "jwt must be provided"},
		{"event, a number", AuthPayload("token"), event(`{"token":1}`), "", ErrTokenMalformed, CodeInvalidToken, datatype},

		{"one of, the first", OneOf(Query("a"), Query("b")), query("a=x"), "x", "", "", ""},
		{"one of, the second", OneOf(Query("a"), Query("b")), query("b=x"), "x", "", "", ""},
		{"one of, none", OneOf(Query("a"), Query("b")), query("c=x"), "", "", "", ""},
		{"one of, the same", OneOf(Query("a"), Query("b")), query("a=x&b=x"), "x", "", "", ""},
		{"one of, two", OneOf(Query("a"), Query("b")), query("a=x&b=y"), "", ErrTokenConflict, CodeCredentialsBadFormat, "more than one token provided"},
		{"FaultsG8 query with a scheme", Query("token"), query("token=Bearer+x.y.z"), "x.y.z", "", "", ""},
		{"FaultsG8 query with a scheme, spaces", Query("token"), query("token=bearer%20%20x.y.z"), "x.y.z", "", "", ""},
		{"query, a token that begins like a scheme", Query("token"), query("token=bearerx.y.z"), "bearerx.y.z", "", "", ""},
		{"query, only the scheme", Query("token"), query("token=Bearer+"), "Bearer ", "", "", ""},
		{"FaultsG8 cookie with a scheme", Cookie("jwt"), header("Cookie", `jwt="Bearer x.y.z"`), "x.y.z", "", "", ""},
		{"FaultsG8 cookie with a scheme, encoded", Cookie("jwt"), header("Cookie", `jwt=Bearer%20x.y.z`), "x.y.z", "", "", ""},
		{"FaultsG8 payload with a scheme and spaces", AuthPayload("token"), payload(`{"token":"Bearer   x.y.z"}`), "x.y.z", "", "", ""},

		{"FaultsG8 basic beside a token", DefaultExtractor(), with(header("Authorization", "Basic eDp5"), "token=x"), "x", "", "", ""},
		{"FaultsG8 digest beside a token", DefaultExtractor(), with(header("Authorization", `Digest username="a", realm="b"`), "token=x"), "x", "", "", ""},
		{"FaultsG8 one part beside a token", DefaultExtractor(), with(header("Authorization", "Negotiate"), "token=x"), "x", "", "", ""},
		{"FaultsG8 an empty header beside a token", DefaultExtractor(), with(header("Authorization", ""), "token=x"), "x", "", "", ""},
		{"FaultsG8 a payload for another purpose beside a token", DefaultExtractor(), with(payload(`["room"]`), "token=x"), "x", "", "", ""},
		{"FaultsG8 only digest", DefaultExtractor(), header("Authorization", `Digest username="a", realm="b"`), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"only a malformed payload", DefaultExtractor(), payload(`["room"]`), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"a malformed bearer beside a token", DefaultExtractor(), with(header("Authorization", "Bearer x y"), "token=x"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"no bearer token beside a token", DefaultExtractor(), with(header("Authorization", "Bearer"), "token=x"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"two headers beside a token", DefaultExtractor(), with(header("Authorization", "Basic eDp5", "Bearer y"), "token=x"), "", ErrTokenMalformed, CodeCredentialsBadFormat, badFormat},
		{"a member that is not a string beside a token", DefaultExtractor(), with(payload(`{"token":1}`), "token=x"), "", ErrTokenMalformed, CodeInvalidToken, datatype},
		{"foreign within a chain of chains", OneOf(OneOf(BearerHeader()), Query("token")), with(header("Authorization", "Negotiate"), "token=x"), "x", "", "", ""},

		{"one of, an error", OneOf(failing, never), query("a=x"), "", ErrRejected, CodeUnknown, "rejected by the server"},
		{"one of, an error behind a token", OneOf(Query("a"), failing), query("a=x"), "", ErrRejected, CodeUnknown, "rejected by the server"},

		{"default, payload", DefaultExtractor(), payload(`{"token":"x"}`), "x", "", "", ""},
		{"default, header", DefaultExtractor(), header("Authorization", "Bearer x"), "x", "", "", ""},
		{"default, query", DefaultExtractor(), query("token=x"), "x", "", "", ""},
		{"default, no cookie", DefaultExtractor(), header("Cookie", "token=x"), "", "", "", ""},
		{"default, header and query differ", DefaultExtractor(), &Handshake{Header: http.Header{"Authorization": {"Bearer x"}}, Query: url.Values{"token": {"y"}}}, "", ErrTokenConflict, CodeCredentialsBadFormat, "more than one token provided"},
		{"default, header and query agree", DefaultExtractor(), &Handshake{Header: http.Header{"Authorization": {"Bearer x"}}, Query: url.Values{"token": {"x"}}}, "x", "", "", ""},
		{"default, in band the handshake's token is not presented", DefaultExtractor(), &Handshake{Header: http.Header{"Authorization": {"Bearer x"}}, Query: url.Values{"token": {"x"}}, Auth: map[string]any{"token": "y"}, InBand: true}, "y", "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := row.extractor.Extract(t.Context(), row.handshake)
			if row.reason == "" {
				if token != row.token || err != nil {
					t.Errorf("got %q, %v, want %q", token, err, row.token)
				}
				return
			}
			u := AsUnauthorized(err)
			if token != "" || err == nil || u.Code != row.code || u.Message != row.message || !errors.Is(u, row.reason) {
				t.Errorf("got %q, %#v, want %s, %s: %q", token, err, row.code, row.reason, row.message)
			}
		})
	}
}

// TestAuthenticate: from the handshake to the token or the refusal.
func TestAuthenticate(t *testing.T) {
	good := mint(HS256, `{"sub":"jane"}`)
	v := newVerifier(t, keyFor(t, HS256))
	for _, row := range []struct {
		name      string
		handshake *Handshake
		reason    Reason
		code      string
		message   string
	}{
		{"good", query("token=" + good), "", "", ""},
		{"nothing", &Handshake{}, ErrTokenMissing, CodeCredentialsRequired, "no token provided"},
		{"no handshake", nil, ErrTokenMissing, CodeCredentialsRequired, "no token provided"},
		{"an empty token", query("token="), ErrTokenMissing, CodeCredentialsRequired, "no token provided"},
		{"another scheme", header("Authorization", "Basic eDp5"), ErrTokenMissing, CodeCredentialsRequired, "no token provided"},
		{"a bad format", header("Authorization", good), ErrTokenMalformed, CodeCredentialsBadFormat, "Format is Authorization: Bearer [token]"},
		{"not a token", query("token=x"), ErrTokenMalformed, CodeInvalidToken, "jwt malformed"},
		{"only the scheme", payload(`{"token":"Bearer "}`), ErrTokenMalformed, CodeInvalidToken, "jwt malformed"},
		{"forged", query("token=" + good[:len(good)-4] + "AAAA"), ErrSignatureInvalid, CodeInvalidToken, "invalid signature"},
	} {
		t.Run(row.name, func(t *testing.T) {
			token, err := v.Authenticate(t.Context(), row.handshake)
			if row.reason == "" {
				if err != nil || token.Subject != "jane" {
					t.Fatalf("got %v, %v", token, err)
				}
				return
			}
			var u *UnauthorizedError
			if token != nil || !errors.As(err, &u) || u.Code != row.code || u.Message != row.message || u.Reason != row.reason {
				t.Fatalf("got %v, %#v", token, err)
			}
		})
	}

	t.Run("a custom extractor", func(t *testing.T) {
		type contextKey struct{}
		h := &Handshake{Namespace: "/x"}
		ticket := ExtractorFunc(func(ctx context.Context, got *Handshake) (string, error) {
			if got != h || ctx.Value(contextKey{}) == nil {
				t.Error("another handshake or context")
			}
			return good, nil
		})
		if _, err := newVerifier(t, keyFor(t, HS256), WithExtractor(ticket)).Authenticate(context.WithValue(t.Context(), contextKey{}, 1), h); err != nil {
			t.Error(err)
		}
	})
	t.Run("without a context", func(t *testing.T) {
		//lint:ignore SA1012 What the callers hand on is theirs.
		if _, err := v.Authenticate(nil, query("token="+good)); err != nil {
			t.Error(err)
		}
		//lint:ignore SA1012 As above.
		if _, err := v.Verify(nil, good); err != nil {
			t.Error(err)
		}
	})
}

// TestValidators: what they are given, in which order, and what their errors
// become.
func TestValidators(t *testing.T) {
	h := query("token=" + mint(HS256, `{"sub":"jane"}`))
	var calls []string
	says := func(name string, err error) ClaimValidator {
		return ClaimValidatorFunc(func(_ context.Context, token *Token, got *Handshake) error {
			calls = append(calls, name)
			if token.Subject != "jane" || got != h {
				t.Errorf("%s was given %v, %v", name, token, got)
			}
			return err
		})
	}
	errOurs := errors.New("select from users: connection refused")
	banned := &UnauthorizedError{Code: "banned", Message: "you are banned", Reason: "banned", Retryable: true}
	for _, row := range []struct {
		name       string
		validators []ClaimValidator
		code       string
		message    string
		reason     Reason
		calls      int
	}{
		{"all accept", []ClaimValidator{says("a", nil), says("b", nil)}, "", "", "", 2},
		{"an error of ours", []ClaimValidator{says("a", errOurs), says("b", nil)}, CodeUnknown, "rejected by the server", ErrRejected, 1},
		{"a refusal", []ClaimValidator{says("a", nil), says("b", banned)}, "banned", "you are banned", "banned", 2},
		{"only a reason", []ClaimValidator{says("a", ErrTokenExpired)}, CodeUnknown, "rejected by the server", ErrRejected, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			calls = nil
			token, err := newVerifier(t, keyFor(t, HS256), Validate(row.validators[:1]...), Validate(row.validators[1:]...)).Authenticate(t.Context(), h)
			if len(calls) != row.calls {
				t.Errorf("called %q", calls)
			}
			if row.reason == "" {
				if token == nil || err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			var u *UnauthorizedError
			if token != nil || !errors.As(err, &u) || u.Code != row.code || u.Message != row.message || !errors.Is(err, row.reason) {
				t.Errorf("got %v, %#v", token, err)
			}
		})
	}
}

// TestValidatorsOutsideOfAHandshake: h is never nil.
func TestValidatorsOutsideOfAHandshake(t *testing.T) {
	for _, options := range [][]Option{nil, {CacheVerified(1)}} {
		calls := 0
		v := newVerifier(t, keyFor(t, HS256), append(options, Validate(ClaimValidatorFunc(func(_ context.Context, _ *Token, h *Handshake) error {
			calls++
			if h == nil {
				t.Error("the handshake is nil")
			}
			return nil
		})))...)
		for range 2 {
			if _, err := v.Verify(t.Context(), mint(HS256, `{}`)); err != nil {
				t.Error(err)
			}
		}
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	}
}

func TestHandshakeFromRequest(t *testing.T) {
	r := httptest.NewRequest("POST", "https://chat.example/socket.io/?EIO=3&token=x", nil)
	r.Header.Set("Authorization", "Bearer y")
	r.RemoteAddr = "192.0.2.7:1234"
	h := HandshakeFromRequest(r)
	if h.Method != "POST" || h.URL != r.URL || h.Host != "chat.example" || h.Query.Get("token") != "x" ||
		h.Header.Get("Authorization") != "Bearer y" || h.Namespace != "/" || h.RemoteAddr != "192.0.2.7:1234" ||
		h.TLS == nil || h.TLS != r.TLS || h.Auth != nil || h.InBand {
		t.Errorf("%+v", h)
	}
}
