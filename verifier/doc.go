// Package verifier decides whether a JSON Web Token (RFC 7519) presented in a
// connection's handshake authenticates its client.
//
// It is a pipeline of small interfaces, each of which can be swapped:
//
//	Handshake → [Extractor] → raw token → [KeyProvider] → signature → [ClaimValidator] → [Token]
//
// [New] composes them into a [Verifier], which is built once and safe for
// concurrent use. Start there, with a key provider from package keys or jwks:
//
//	secret, err := keys.Secret([]byte(os.Getenv("JWT_SECRET")))
//	v, err := verifier.New(secret, verifier.Audience("chat"))
//	token, err := v.Verify(ctx, raw)
//
// # What it promises
//
//   - The token never chooses. Algorithms come from the [Key] and from the
//     configuration (RFC 8725 §3.1); "none" is never accepted; jku, jwk, x5u and
//     x5c in a header are never followed; a header with crit is refused, since no
//     extension is implemented (RFC 7515 §4.1.11).
//   - The checks, their order and their messages are those of the JavaScript
//     package jsonwebtoken, because clients match on them. Go callers use
//     errors.Is with a [Reason] and errors.As with [UnauthorizedError].
//   - Where the JavaScript package is laxer than the RFCs (padding, duplicate
//     members, payloads that are not objects), this one refuses.
//
// # What it does not do
//
// It verifies signed tokens in the compact serialization (JWS). Encrypted
// tokens (JWE), the JSON serialization and detached or unencoded payloads
// (RFC 7797) are refused. Whether a token was revoked, and what happens to a
// connection when its token expires, is the business of package socketio.
package verifier
