// Package introspection asks a token introspection endpoint (RFC 7662) what an
// opaque access token stands for.
//
//	asked, err := introspection.New("https://login.example.com/introspect", introspection.ClientSecret(id, secret))
//	v, err := verifier.NewOpaque(asked, verifier.Audience("chat"))
//
// Everything else is as with signed tokens: where the token is, which claims it
// must have, and what binds it to a key.
//
// # What it promises
//
// The same token is asked for once at a time, and its answer kept for a short
// while ([TTL]), never beyond its exp; keys of the cache are hashes, so that it
// holds no token. That the endpoint is out of reach, slow or answers nonsense is
// never taken for an inactive token: the client is rejected with the retryable
// [verifier.ErrKeysUnavailable], and that token is asked for again after a growing,
// jittered pause of up to 30 s. A token that no endpoint can know, since it is not
// 1*VSCHAR (RFC 6749 §A.12), is not asked for, and one that the endpoint answers
// with 400 is rejected for good.
//
// Only https is spoken, no redirect followed, and an answer has a limit of 64 KiB
// and, with the wait for one of 64 requests at a time, 5 s. Clients that send more
// tokens than there are turns for are told to try again later. The endpoint is
// taken to be down when three different tokens failed and none was answered for
// 10 s; even then 20 tokens a second are tried, so that tokens that the endpoint
// chokes on do not shut out good ones.
//
// # Refresh tokens
//
// An introspection endpoint knows refresh tokens too, and calls them active. The
// verifier rejects those whose answer says so (token_use, token_type, typ: dex,
// Hydra, Keycloak, Curity, ForgeRock). Others need one option: for oidc-provider
// RequireClaims("token_type"), which its refresh tokens do not have; for fosite,
// whose answers are the same for both, [verifier.TokenPrefix] of "ory_at_".
//
// A token that was revoked at its issuer is accepted until its answer has been
// kept for as long as TTL and [MaxStale] say.
package introspection
