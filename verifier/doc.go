// Package verifier verifies JSON Web Tokens (RFC 7519) that clients send in the
// handshake of a connection.
//
// It is a pipeline of small interfaces. You can replace each of them:
//
//	Handshake → [Extractor] → raw token → [KeyProvider] → signature → [ClaimValidator] → [Token]
//
// [New] builds a [Verifier] from a key provider of package keys or jwks. A Verifier
// is safe for concurrent use:
//
//	secret, err := keys.Secret([]byte(os.Getenv("JWT_SECRET")))
//	v, err := verifier.New(secret, verifier.Audience("chat"))
//	token, err := v.Verify(ctx, raw)
//
// # Contents
//
//   - Build: [New], [NewOpaque], [Must], [Verifier], [Option], [Algorithms], [MaxTokenLength],
//     [CacheVerified]
//   - Where the token is: [WithExtractor], [Extractor], [ExtractorFunc], [DefaultExtractor],
//     [BearerHeader], [RequireBearerHeader], [RawHeader], [Subprotocol], [Query], [Cookie],
//     [AuthPayload], [OneOf]; [Handshake] and [HandshakeFromRequest] are what a client presents
//   - Standard claims: [Audience], [AudienceMatching], [AudienceFunc], [Issuer], [IssuerMatching],
//     [IssuerFunc], [Subject], [TokenID], [Nonce]
//   - Other claims: [RequireClaims], [ClaimEquals], [ClaimIncludes], [ClaimMatches],
//     [RequireScope], [RequireAnyScope], [RequirePermission], [RequireAnyPermission],
//     [CustomClaims]
//   - Kind of token: [AccessTokenProfile], [Type], [HeaderEquals], [RefuseIDTokens], [TokenPrefix]
//   - Time: [RequireExpiration], [MaxAge], [MaxLifetime], [ClockTolerance], [WithClock]
//   - Your own checks: [Validate], [ClaimValidator], [ClaimValidatorFunc], [Confirmer] for proofs
//     of possession
//   - Results: [Token], [Header], [ClaimsAs], [TokenFromRecord], [UnauthorizedError],
//     [AsUnauthorized], [Reason], [PanicError]
//   - Keys: [KeyProvider], [KeyProviderFunc], [UnverifiedToken], [Key], [NewKey], [KeyOptions],
//     [Algorithm]; [KeyChecker] and [HasKey] tell whether a key is still there
//   - Opaque tokens: [NewOpaque], [Introspector], [IntrospectorFunc], [Inactive];
//     [ActiveChecker] and [StillActive] tell whether a token is still active
//   - Relaxed checks: [AllowPadding], [IgnoreConfirmation], [IgnoreExpiration],
//     [IgnoreNotBefore], [IgnoreTokenUse]
//
// # What it promises
//
//   - Tokens do not choose. Algorithms come from the [Key] and the options
//     (RFC 8725 §3.1). The verifier never accepts "none", never follows jku, jwk,
//     x5u and x5c, and refuses crit, since it implements no extension
//     (RFC 7515 §4.1.11).
//   - Checks, their order and their messages are those of the JavaScript package
//     jsonwebtoken, since clients match on them. Go programs use errors.Is with a
//     [Reason], and errors.As with [UnauthorizedError].
//   - It is strict where jsonwebtoken is not: it refuses padding, duplicate members
//     and payloads that are not objects.
//
// # What it does not do
//
// It verifies signed tokens in the compact serialization (JWS). It refuses encrypted
// tokens (JWE), the JSON serialization, and detached or unencoded payloads
// (RFC 7797). Package socketio handles revocation, and ends connections when their
// tokens expire.
package verifier
