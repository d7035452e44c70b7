// Package keys loads verification keys that need no network: a shared secret, PEM
// and certificates, a JWK or JWK Set (RFC 7517), a file.
//
// Each constructor returns a [*Set], which is a [verifier.KeyProvider], or an error
// that says what is wrong with the material:
//
//	secret, err := keys.Secret([]byte(os.Getenv("JWT_SECRET")))
//	public, err := keys.PEM(pem)
//	file, err := keys.File("jwks.json")
//
// [Join] makes one set from several, for a secret that you rotate or for keys with
// different kids. [FirstOf] asks several providers in turn. For anything else write
// a function: [verifier.KeyProviderFunc] receives the handshake and the unverified
// header and claims.
//
// Package jwks fetches keys from the network and watches files that change.
//
// # What it refuses
//
// The constructors check the material, so that no bad key waits for a token. They
// refuse a secret shorter than its hash (RFC 7518 §3.2), RSA keys below 2048 bits or
// with an exponent of 1, private keys, keys marked for encryption, an algorithm that
// does not fit the key or its curve, and data after the last key.
//
// # What it does not check
//
// A certificate is a container for its key. The package does not check its dates,
// names and chain: you vouch for what you configure.
package keys
