// Package jwks provides keys from the network: from a JWK Set (RFC 7517) at a URL,
// from an Auth0 domain, or from an issuer with OpenID Connect Discovery or RFC 8414
// metadata.
//
//	provider, err := jwks.Auth0("tenant.eu.auth0.com")
//	v, err := verifier.New(provider, verifier.Audience("https://api.example.com"))
//
// # Contents
//
//   - One issuer: [Auth0], [OIDC], [URL]
//   - Several issuers: [Issuers], [IssuersFunc]
//   - Other sources: [PEMByKID] for keys published one by one, [File] for a file
//     that may change
//   - Time: [TTL], [MaxStale], [WithClock]
//   - The network: [HTTPClient], [MetadataURL], [RequestHeader], [InsecureAllowHTTP]
//   - Limits: [ClientAddress], [MaxIssuers]
//   - Observation: [OnEvent] with an [Event] and its [EventKind], [WithLogger],
//     [Provider.Stats] with [Stats]
//   - Shared key sets: [WithStore], [Store]
//
// The constructors return a [Provider]; each [Option] belongs to one of these lines.
//
// # What it promises
//
//   - A withdrawn key stops verifying within [TTL], however often it is used and
//     whichever clock is wrong. Cache-Control can only shorten that.
//     [Provider.HasKey] distinguishes "withdrawn" from "could not ask", and invented
//     kids change neither.
//   - No verification waits for the network while the set is in use: the provider
//     refreshes it in the background. Nothing runs while it is not in use.
//     Constructors start nothing and send no request.
//   - During an outage the known keys verify for [MaxStale], and the provider asks
//     the issuer less and less often. Tokens that it cannot verify are refused with
//     the retryable [verifier.ErrKeysUnavailable].
//   - An unknown kid causes a fetch, at most once in 30 s per remote address and
//     about once in 5 s in total. Invented kids therefore neither flood the issuer
//     nor delay a new key for others. No client waits for a limit; one that comes
//     too early is told to retry.
//   - One bad key does not affect the rest of the set (RFC 7517 §5): the provider
//     skips and reports it. It never uses a symmetric key from the network.
//   - Answers have limits on time, size and number of keys, and must come over https
//     from the requested origin.
//   - [Auth0] and [OIDC] have keys only for tokens of their issuer.
//
// # What it does not do
//
// [URL] does not know the issuer: add [verifier.Issuer], or use the provider within
// [Issuers]. When an issuer disappears, its tokens remain valid until they expire or
// the key is dropped. The provider trusts the keys of a [Store] like the issuer's.
package jwks
