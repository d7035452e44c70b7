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
// never taken for an inactive token: the client is refused with the retryable
// [verifier.ErrKeysUnavailable], and the endpoint is asked again after a growing,
// jittered pause. Only https is spoken, no redirect followed, and an answer has a
// limit of 64 KiB and, with the wait for one of 32 requests at a time, 5 s. Who sends
// more tokens than there are turns for has those refused as retryable; the endpoint is
// not taken to be down for that, nor for what it cannot say of one odd token.
//
// A token that was revoked at its issuer is accepted until its answer has been
// kept for as long as TTL and [MaxStale] say.
package introspection
