package interop

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// badToken is a token that does not pass, and why.
type badToken struct {
	name   string
	token  string
	policy policy
	refusal
}

// badTokens has a row for each message of jsonwebtoken.
func badTokens() []badToken {
	with := func(options ...verifier.Option) policy { return policy{verify: options} }
	keysSay := func(f func() ([]*verifier.Key, error)) policy {
		return policy{keys: func(testing.TB) verifier.KeyProvider { return keyFunc(f) }}
	}
	noPolicy := policy{}
	header := `{"alg":"HS256","typ":"JWT"}`
	unsigned := alice[:strings.LastIndexByte(alice, '.')+1]
	now := time.Now().Unix()

	return []badToken{
		{"two parts", "a.b", noPolicy, malformed},
		{"not base64", "!.!.!", noPolicy, unreadable},
		{"a header that is not JSON", b64("x") + "." + b64("{}") + ".AAAA", noPolicy, unreadable},
		{"no signature", unsigned, noPolicy, refusal{"invalid_token", "jwt signature is required", "signature_invalid", false}},
		{"no key", alice, keysSay(func() ([]*verifier.Key, error) { return nil, nil }), refusal{"invalid_secret", "secret or public key must be provided", "key_not_found", false}},
		{
			"the key function says why", alice,
			keysSay(func() ([]*verifier.Key, error) {
				return nil, &verifier.UnauthorizedError{Code: verifier.CodeInvalidSecret, Message: "no such tenant", Reason: verifier.ErrKeyNotFound}
			}),
			refusal{"invalid_secret", "no such tenant", "key_not_found", false},
		},
		{
			"the key function gives a custom code", alice,
			keysSay(func() ([]*verifier.Key, error) {
				return nil, &verifier.UnauthorizedError{Code: "tenant_unknown", Message: "no such tenant", Reason: "tenant_unknown"}
			}),
			refusal{"tenant_unknown", "no such tenant", "tenant_unknown", false},
		},
		{"the key function panics", alice, keysSay(func() ([]*verifier.Key, error) { panic("the key function panics") }), crashed},
		{"another algorithm", sign(`{"alg":"RS256"}`, `{"sub":"alice"}`, secret), noPolicy, refusal{"invalid_token", "invalid algorithm", "algorithm_not_allowed", false}},
		{"alg none", sign(`{"alg":"none"}`, `{"sub":"alice"}`, secret), noPolicy, refusal{"invalid_token", "invalid algorithm", "algorithm_not_allowed", false}},
		{"an algorithm that is not among the allowed", alice, with(verifier.Algorithms(verifier.HS512)), refusal{"invalid_token", "invalid algorithm", "algorithm_not_allowed", false}},
		{
			"a public key as the secret", sign(header, `{"sub":"alice"}`, publicPEM(rsaKey.Public())),
			noPolicy.with(pemKeys), refusal{"invalid_token", "invalid algorithm", "algorithm_not_allowed", false},
		},
		{"forged", sign(header, `{"sub":"alice"}`, "another secret"), noPolicy, signature},
		{"forged, with another private key", signWith(other256Key, "ES256", `{"sub":"alice"}`), noPolicy.with(pemKeys), signature},
		{"a payload that is not JSON", sign(header, `alice`, secret), noPolicy, unreadable},
		{"a payload that is not an object", sign(header, `["alice"]`, secret), noPolicy, unreadable},
		{"a payload that is null", sign(header, `null`, secret), noPolicy, unreadable},
		{"nbf of another type", mint(claims{"nbf": "soon"}), noPolicy, refusal{"invalid_token", "invalid nbf value", "claim_invalid", false}},
		{"not active yet", mint(claims{"nbf": now + 3600}), noPolicy, refusal{"invalid_token", "jwt not active", "token_not_active", false}},
		{"exp of another type", mint(claims{"exp": "never"}), noPolicy, refusal{"invalid_token", "invalid exp value", "claim_invalid", false}},
		{"expired", mint(claims{"exp": now - 1}), noPolicy, expired},
		{"not active and expired", mint(claims{"nbf": now + 3600, "exp": now - 1}), noPolicy, refusal{"invalid_token", "jwt not active", "token_not_active", false}},
		{"expired, beyond the tolerance", mint(claims{"exp": now - 7200}), with(verifier.ClockTolerance(time.Hour)), expired},
		{"another audience", mint(claims{"aud": "x"}), with(verifier.Audience("a", "b")), refusal{"invalid_token", "jwt audience invalid. expected: a or b", "audience_mismatch", false}},
		{"no audience", mint(nil), with(verifier.Audience("a")), refusal{"invalid_token", "jwt audience invalid. expected: a", "audience_mismatch", false}},
		{"several audiences, none of them ours", mint(claims{"aud": []string{"x", "y"}}), with(verifier.Audience("a")), refusal{"invalid_token", "jwt audience invalid. expected: a", "audience_mismatch", false}},
		{
			"an audience that does not match", mint(claims{"aud": "tenant-7x"}), with(verifier.AudienceMatching(tenant)),
			refusal{"invalid_token", "jwt audience invalid. expected: /^tenant-[0-9]+$/", "audience_mismatch", false},
		},
		{"another issuer", mint(claims{"iss": "x"}), with(verifier.Issuer("i", "j")), refusal{"invalid_token", "jwt issuer invalid. expected: i,j", "issuer_mismatch", false}},
		{"no issuer", mint(nil), with(verifier.Issuer("i")), refusal{"invalid_token", "jwt issuer invalid. expected: i", "issuer_mismatch", false}},
		{"another subject", bob, with(verifier.Subject("alice")), refusal{"invalid_token", "jwt subject invalid. expected: alice", "subject_mismatch", false}},
		{"another jti", mint(claims{"jti": "x"}), with(verifier.TokenID("j")), refusal{"invalid_token", "jwt jwtid invalid. expected: j", "token_id_mismatch", false}},
		{"another nonce", mint(claims{"nonce": "x"}), with(verifier.Nonce("n")), refusal{"invalid_token", "jwt nonce invalid. expected: n", "nonce_mismatch", false}},
		{"no nonce", mint(nil), with(verifier.Nonce("n")), refusal{"invalid_token", "jwt nonce invalid. expected: n", "nonce_mismatch", false}},
		{"no iat", mint(nil), with(verifier.MaxAge(time.Hour)), refusal{"invalid_token", "iat required when maxAge is specified", "claim_invalid", false}},
		{"too old", mint(claims{"iat": now - 7200}), with(verifier.MaxAge(time.Hour)), refusal{"invalid_token", "maxAge exceeded", "max_age_exceeded", false}},
		{"expired, by the server's own clock", mint(claims{"exp": 1000}), with(clockAt(1000)), expired},
		{"not active, by the server's own clock", mint(claims{"nbf": 1006}), with(clockAt(1000)), refusal{"invalid_token", "jwt not active", "token_not_active", false}},
	}
}

var tenant = regexp.MustCompile(`^tenant-[0-9]+$`)

// clockAt stops the verifier's clock, in seconds since 1970.
func clockAt(seconds int64) verifier.Option { return verifier.WithClock(stopped(seconds)) }

func stopped(seconds int64) func() time.Time {
	return func() time.Time { return time.Unix(seconds, 0) }
}

// goodTokens are accepted because of an option that has no message.
func goodTokens() []struct {
	name   string
	token  string
	verify []verifier.Option
} {
	now := time.Now().Unix()
	return []struct {
		name   string
		token  string
		verify []verifier.Option
	}{
		{"expired, ignored", mint(claims{"sub": "alice", "exp": now - 60}), []verifier.Option{verifier.IgnoreExpiration()}},
		{"expired, within the tolerance", mint(claims{"sub": "alice", "exp": now - 60}), []verifier.Option{verifier.ClockTolerance(time.Hour)}},
		{"not active, ignored", mint(claims{"sub": "alice", "nbf": now + 60}), []verifier.Option{verifier.IgnoreNotBefore()}},
		{"not active, within the tolerance", mint(claims{"sub": "alice", "nbf": now + 60}), []verifier.Option{verifier.ClockTolerance(time.Hour)}},
		{"older than its age, within the tolerance", mint(claims{"sub": "alice", "iat": now - 3700}), []verifier.Option{verifier.MaxAge(time.Hour), verifier.ClockTolerance(time.Hour)}},
		{"no exp", mint(claims{"sub": "alice", "exp": nil}), nil},
		{"one audience of several", mint(claims{"sub": "alice", "aud": []string{"x", "b"}}), []verifier.Option{verifier.Audience("a", "b")}},
		{
			"an audience that matches", mint(claims{"sub": "alice", "aud": "tenant-7"}),
			[]verifier.Option{verifier.AudienceMatching(tenant)},
		},
		{
			"every claim as expected", mint(claims{"sub": "alice", "aud": "a", "iss": "j", "jti": "1", "nonce": "n", "iat": now}),
			[]verifier.Option{
				verifier.Audience("a"), verifier.Issuer("i", "j"), verifier.Subject("alice"), verifier.TokenID("1"),
				verifier.Nonce("n"), verifier.MaxAge(time.Hour), verifier.Algorithms(verifier.HS256),
			},
		},
	}
}

// rows has the token presented in both ways.
func (b badToken) rows() []behaviour {
	event, handshake := b.policy, b.policy
	event.options = []socketio.Option{socketio.ByEvent()}
	handshake.options = []socketio.Option{socketio.ByHandshake()}
	return []behaviour{
		{
			name: "token/" + b.name + ", by event", guards: root(event),
			script: script{opens(atOnce(b.token)), connects(), unauthorized(b.refusal), acknowledges(), disconnected()},
			calls:  []string{"failure " + b.reason},
		},
		{
			name: "token/" + b.name + ", by handshake", guards: root(handshake),
			script: script{opens(withQuery(b.token)), refused(b.refusal)},
			calls:  []string{"failure " + b.reason},
		},
	}
}
