package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// try verifies a token with claims and prints the result.
func try(v *verifier.Verifier, claims string) {
	if _, err := v.Verify(context.Background(), sign(claims)); err != nil {
		u := verifier.AsUnauthorized(err) // err.Error() says more, for the log
		fmt.Println(u.Reason, "-", u.Message)
		return
	}
	fmt.Println("accepted")
}

// What a token must claim.
func ExampleNew_claims() {
	v := verifier.Must(verifier.New(exampleKeys(),
		verifier.AudienceMatching(regexp.MustCompile(`^chat-[a-z]+$`)),           // or Audience, AudienceFunc
		verifier.IssuerFunc(func(iss string) bool { return iss == "https://a" }), // or Issuer, IssuerMatching
		verifier.RequireClaims("jti"),
		verifier.ClaimEquals("email_verified", true),
		verifier.ClaimIncludes("groups", "staff"),
		verifier.ClaimMatches("email", regexp.MustCompile(`^[^@]+@example\.com$`)),
		verifier.RequireAnyScope("read", "write"),
		verifier.RequirePermission("speak"),
		verifier.RequireAnyPermission("speak", "moderate"),
	))
	const good = `{"iss":"https://a","aud":"chat-eu","jti":"1","email":"ada@example.com","email_verified":true,` +
		`"groups":["staff"],"scope":"read","permissions":["speak"]}`
	try(v, good)
	try(v, strings.Replace(good, "staff", "guests", 1))
	try(v, strings.Replace(good, "chat-eu", "mail", 1))
	// Output:
	// accepted
	// claim_mismatch - jwt groups invalid
	// audience_mismatch - jwt audience invalid. expected: /^chat-[a-z]+$/
}

// Other ways to name issuers, audiences and one token.
func ExampleNew_exactly() {
	v := verifier.Must(verifier.New(exampleKeys(),
		verifier.AudienceFunc(func(audience string) bool { return strings.HasPrefix(audience, "chat") }),
		verifier.IssuerMatching(regexp.MustCompile(`^https://[a-z]+\.example$`)),
		verifier.TokenID("1"),
		verifier.Nonce("n"),
	))
	try(v, `{"iss":"https://a.example","aud":"chat","jti":"1","nonce":"n"}`)
	try(v, `{"iss":"https://a.example","aud":"chat","jti":"2","nonce":"n"}`)
	// Output:
	// accepted
	// token_id_mismatch - jwt jwtid invalid. expected: 1
}

// How old a token may be, and how far clocks may differ.
func ExampleNew_time() {
	now := time.Unix(1_700_000_000, 0)
	v := verifier.Must(verifier.New(exampleKeys(),
		verifier.RequireExpiration(),
		verifier.MaxAge(time.Hour),         // from iat
		verifier.MaxLifetime(24*time.Hour), // from iat to exp
		verifier.ClockTolerance(2*time.Second),
		verifier.WithClock(func() time.Time { return now }),
	))
	try(v, `{"iat":1700000000,"exp":1700000300}`)
	try(v, `{"iat":1699990000,"exp":1700000300}`)
	try(v, `{"iat":1700000000,"exp":1800000000}`)
	try(v, `{"iat":1700000000,"exp":1699999990}`)
	// Output:
	// accepted
	// max_age_exceeded - maxAge exceeded
	// lifetime_exceeded - jwt lifetime exceeded
	// token_expired - jwt expired
}

// Access tokens of RFC 9068, and no other kind.
func ExampleAccessTokenProfile() {
	v := verifier.Must(verifier.New(exampleKeys(),
		verifier.AccessTokenProfile(),
		verifier.Issuer("https://login.example"),
		verifier.Audience("chat"),
		verifier.RefuseIDTokens(),
		verifier.Algorithms(verifier.HS256),
	))
	try(v, `{"sub":"jane"}`) // its typ is not "at+jwt"
	// Output: type_mismatch - jwt typ invalid
}

// What a header must say: here, which load balancer signed the token.
func ExampleHeaderEquals() {
	v := verifier.Must(verifier.New(exampleKeys(),
		verifier.Type("JWT", ""), // "" is a token without typ
		verifier.HeaderEquals("signer", "arn:aws:elasticloadbalancing:1"),
		verifier.AllowPadding(),
	))
	try(v, `{"sub":"jane"}`)
	// Output: header_mismatch - jwt signer invalid
}

// Options that relax a check have a name to search for.
func ExampleIgnoreExpiration() {
	v := verifier.Must(verifier.New(exampleKeys(),
		verifier.IgnoreExpiration(),
		verifier.IgnoreNotBefore(),
		verifier.IgnoreTokenUse(),
		verifier.IgnoreConfirmation(),
	))
	try(v, `{"exp":1,"nbf":9000000000,"token_use":"refresh","cnf":{"jkt":"x"}}`)
	// Output: accepted
}

// Limits on size, and a cache of accepted tokens.
func ExampleCacheVerified() {
	v := verifier.Must(verifier.New(exampleKeys(), verifier.CacheVerified(10_000), verifier.MaxTokenLength(200)))
	try(v, `{"sub":"jane"}`)
	try(v, `{"sub":"jane"}`) // from the cache
	try(v, `{"sub":"`+strings.Repeat("jane", 100)+`"}`)
	hits, _ := v.CacheStats()
	fmt.Println(hits, "hit")
	// Output:
	// accepted
	// accepted
	// token_too_long - jwt malformed
	// 1 hit
}

// Places where a token may be.
func ExampleOneOf() {
	e := verifier.OneOf(
		verifier.DefaultExtractor(),     // auth payload, Authorization header, query: "token"
		verifier.RawHeader("X-Token"),   // a header that has the token only
		verifier.Subprotocol("token"),   // a websocket subprotocol
		verifier.Query("jwt"),           // ?jwt=...
		verifier.AuthPayload("session"), // { auth: { session: ... } }
	)
	r, _ := http.NewRequest("GET", "https://chat.example/socket.io/?jwt=a.b.c", nil)
	token, err := e.Extract(context.Background(), verifier.HandshakeFromRequest(r))
	fmt.Println(token, err)

	r.Header.Set("X-Token", "d.e.f")
	_, err = e.Extract(context.Background(), verifier.HandshakeFromRequest(r))
	fmt.Println(verifier.AsUnauthorized(err).Message)

	_, err = verifier.RequireBearerHeader().Extract(context.Background(), &verifier.Handshake{})
	fmt.Println(err)
	// Output:
	// a.b.c <nil>
	// more than one token provided
	// Server requires Authorization Header
}

// Opaque tokens: what they mean is known to their issuer only.
func ExampleNewOpaque() {
	issuer := verifier.IntrospectorFunc(func(_ context.Context, token string) ([]byte, error) {
		if token != "at_good" {
			return nil, verifier.Inactive(errors.New("unknown"))
		}
		return []byte(`{"active":true,"sub":"jane"}`), nil
	})
	v := verifier.Must(verifier.NewOpaque(issuer, verifier.TokenPrefix("at_")))
	for _, raw := range []string{"at_good", "at_bad", "rt_refresh"} {
		token, err := v.Verify(context.Background(), raw)
		if err != nil {
			fmt.Println(verifier.AsUnauthorized(err).Message)
			continue
		}
		fmt.Println(token.Subject)
	}
	fmt.Println(verifier.StillActive(context.Background(), issuer, "at_good"))
	// Output:
	// jane
	// token inactive
	// not an access token
	// true <nil>
}

// A record keeps a verified token in a store of yours, without its signature.
func ExampleTokenFromRecord() {
	v := verifier.Must(verifier.New(exampleKeys()))
	token := verifier.Must(v.Verify(context.Background(), sign(`{"sub":"jane"}`)))
	again := verifier.Must(verifier.TokenFromRecord(token.Record()))
	fmt.Println(again.Subject)

	known, err := verifier.HasKey(context.Background(), exampleKeys(), token.Unverified(nil), token.Key())
	fmt.Println(known, err)
	// Output:
	// jane
	// true <nil>
}
