// Package introspection verifies opaque access tokens by asking the token
// introspection endpoint of their issuer (RFC 7662).
//
//	client, err := introspection.New("https://login.example.com/introspect", introspection.ClientSecret(id, secret))
//	v, err := verifier.NewOpaque(client, verifier.Audience("chat"))
//
// Extractors, required claims and proofs of possession work as with signed tokens.
//
// # Contents
//
//   - Build: [New], [Client], [Option]
//   - How the client authenticates: [ClientSecret], [ClientSecretPost], [PrivateKeyJWT],
//     [BearerToken]
//   - Cache: [TTL], [MaxStale], [CacheSize], [WithClock]
//   - The network: [HTTPClient], [InsecureAllowHTTP], [SignedAnswers]
//   - Observation: [WithLogger], [Stats]
//
// # What it promises
//
// The client sends one request per token at a time. It caches the answer for a short
// time ([TTL]), never beyond exp. The cache uses hashes, so it contains no tokens. An
// unreachable or slow endpoint, or an unreadable answer, never makes a token inactive:
// the client is refused with the retryable [verifier.ErrKeysUnavailable]. The next
// request for that token waits for a growing, jittered pause of up to 30 s. A token
// with other characters than 1*VSCHAR (RFC 6749 §A.12) causes no request. A token that
// the endpoint answers with 400 is refused for good.
//
// The client uses https only and follows no redirect. An answer has at most 64 KiB and
// 5 s, including the wait for one of 64 concurrent requests. Tokens beyond that get a
// retryable refusal. The endpoint counts as down when three different tokens failed
// and no request succeeded for 10 s. Even then the client tries 20 tokens per second,
// so that bad tokens do not block good ones.
//
// # Refresh tokens
//
// An introspection endpoint also knows refresh tokens, and reports them as active. The
// verifier refuses those whose answer says what they are (token_use, token_type, typ:
// dex, Hydra, Keycloak, Curity, ForgeRock). Other servers need one option: for
// oidc-provider RequireClaims("token_type"), which its refresh tokens lack; for fosite,
// whose answers are the same for both, [verifier.TokenPrefix] of "ory_at_".
//
// A token that its issuer has revoked is accepted until the cached answer expires: see
// TTL and [MaxStale].
package introspection
