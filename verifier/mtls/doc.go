// Package mtls has clients prove by their TLS certificate that an access token
// is theirs (RFC 8705): a token whose cnf.x5t#S256 names a certificate is good
// only on a connection that was opened with it.
//
//	cert, err := mtls.New()
//	v, err := verifier.New(keys, verifier.Validate(cert))
//
// The certificate is that of the TLS connection, which the server has to ask for:
// [crypto/tls.RequestClientCert] or stricter. Nothing but its thumbprint counts
// here, not who issued it (RFC 8705 §3). Where a proxy ends TLS, [TrustHeader]
// takes it from a header of the proxy's.
package mtls
