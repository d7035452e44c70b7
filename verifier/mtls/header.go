package mtls

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
)

// Format is how a proxy writes a certificate into a header.
type Format int

const (
	// StructuredField is the header Client-Cert of RFC 9440: the certificate in
	// base64 between colons. Apache, HAProxy and Envoy can be told to write it.
	StructuredField Format = iota + 1

	// EscapedPEM is one certificate as PEM in percent-encoding, as nginx has it in the
	// variable $ssl_client_escaped_cert, and AWS in X-Amzn-Mtls-Clientcert-Leaf. (In
	// X-Amzn-Mtls-Clientcert AWS has the client's whole chain, which is refused.)
	EscapedPEM
)

// maxHeader bounds what is read of a header, in bytes.
const maxHeader = 16 << 10

// parse reads the one certificate in a header's value, and returns it in DER.
func parse(format Format, value string) ([]byte, error) {
	if len(value) > maxHeader {
		return nil, errors.New("the header is too long")
	}
	var der []byte
	if format == StructuredField {
		text, ok := strings.CutPrefix(value, ":")
		text, ok2 := strings.CutSuffix(text, ":")
		if !ok || !ok2 {
			return nil, errors.New("the header is not :base64: (RFC 9440 §2.1)")
		}
		var err error
		if der, err = base64.StdEncoding.DecodeString(text); err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, errors.New("the header is not :base64: (RFC 9440 §2.1)")
		}
	} else {
		text, err := url.PathUnescape(value) // "+" is part of base64 and stays
		if err != nil {
			return nil, errors.New("the header is not percent-encoded")
		}
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
			return nil, errors.New("the header is not a single certificate in PEM")
		}
		der = block.Bytes
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("the header is not a certificate")
	}
	return cert.Raw, nil
}
