// Package jwks has key providers that fetch the keys: a JWK Set (RFC 7517) at a
// URL, at an Auth0 domain, or at an issuer that OpenID Connect Discovery or RFC
// 8414 tell of; for one issuer or for many.
//
// Start with [URL], [Auth0] or [OIDC]; [Issuers] and [IssuersFunc] choose between
// several by a token's iss, [PEMByKID] has keys that are published one by one, and
// [File] reads a file that may change:
//
//	provider, err := jwks.Auth0("tenant.eu.auth0.com")
//	v, err := verifier.New(provider, verifier.Audience("https://api.example.com"))
//
// # What it promises
//
//   - A key that the issuer withdrew stops verifying within [TTL], however often
//     it is used and whichever clock is wrong. Cache-Control may only shorten that.
//     "Withdrawn" and "could not be asked" are two answers ([Provider.HasKey]), and
//     nobody who invents kids changes them.
//   - No verification waits for the network while the set is in use: it is
//     refreshed in the background, ahead of its time. Nothing runs while it is
//     not in use, and no constructor starts anything or asks anybody.
//   - In an outage the known keys go on verifying for [MaxStale], and the issuer
//     is asked less and less often. What then cannot be verified is refused with
//     [verifier.ErrKeysUnavailable], which is retryable, and never called forged.
//   - An unknown kid has the set fetched again, at most once in 30 s for each
//     remote address that asks in vain and about once in 5 s altogether. So a
//     stream of invented kids neither floods the issuer nor keeps a new key from
//     others, and nobody waits for a limit to pass: who comes too early is told
//     to retry.
//   - One bad key does not spoil the set (RFC 7517 §5): it is skipped and
//     reported. A symmetric key from the network is never used.
//   - An answer is bounded in time, size and number of keys, and comes over https
//     from where it was asked for.
//   - [Auth0] and [OIDC] have keys for the tokens of their issuer only.
//
// # What it does not do
//
// [URL] is told no issuer and binds to none: give the verifier
// [verifier.Issuer], or use the provider within [Issuers]. A token that is not
// revoked but whose issuer is gone stays good until its key is withdrawn or it
// expires. The keys of a [Store] are trusted as those of the issuer.
package jwks
