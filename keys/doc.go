// Package keys loads the keys that verify tokens from what needs no network: a
// shared secret, PEM and certificates, a JWK or JWK Set (RFC 7517), a file.
//
// Each constructor returns a [*Set], which is a [verifier.KeyProvider], or an
// error that says what is wrong with the material:
//
//	secret, err := keys.Secret([]byte(os.Getenv("JWT_SECRET")))
//	public, err := keys.PEM(pem)
//	file, err := keys.File("jwks.json")
//
// [Join] makes one set of several, for a secret that is being rotated or for
// keys that are told apart by their kid. [FirstOf] asks several providers in
// turn. A function is a provider by [verifier.KeyProviderFunc]: it sees the
// handshake, the unverified header and the unverified claims.
//
// Keys that are fetched, or files that change, are the business of package
// jwks.
//
// # What is refused
//
// Material is judged when it is loaded, never when a token comes. Refused are a
// secret shorter than its hash (RFC 7518 §3.2), RSA below 2048 bits or with an
// exponent of 1, a private key, a key marked for encryption, an algorithm that
// does not fit the key or its curve, and whatever follows the last key.
//
// # What is not checked
//
// A certificate is taken as the container of its key. Its dates, names and
// chain are not checked: you vouch for what you configure.
package keys
