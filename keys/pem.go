package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const pemBegin = "-----BEGIN "

// PEM loads public keys from their textual encoding (RFC 7468): blocks PUBLIC
// KEY (RSA, EC, Ed25519), RSA PUBLIC KEY and CERTIFICATE, any number of them.
// The keys have no id, unless [ID] gives one to the only key.
//
// A private key is refused, since a server that verifies has no use for it; so
// are a certificate whose key usage is not signing, another block, a damaged
// one, and text after the last. Text before a block is a comment.
func PEM(data []byte, options ...Option) (*Set, error) { return loadPEM("PEM", data, options) }

func loadPEM(what string, data []byte, options []Option) (*Set, error) {
	o, err := collect(options)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	var loaded []*verifier.Key
	for rest := data; ; {
		if len(bytes.TrimSpace(rest)) == 0 {
			break
		}
		n := len(loaded) + 1
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("keys: %s: %w", what, errNoBlock(rest, n))
		}
		// Decode skips a block that it cannot read, which would lose a key
		// without a word.
		if read := rest[:len(rest)-len(after)]; bytes.Count(read, []byte(pemBegin)) != 1 {
			return nil, fmt.Errorf("keys: %s: block %d is damaged", what, n)
		}
		rest = after
		material, err := publicKey(block)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: block %d, %s: %w", what, n, block.Type, err)
		}
		k, err := newKey(material, o)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: block %d, %s: %w", what, n, block.Type, err)
		}
		loaded = append(loaded, k)
	}
	if o.ID != "" && len(loaded) > 1 {
		return nil, fmt.Errorf("keys: %s: ID(%q) names one key, and there are %d", what, o.ID, len(loaded))
	}
	return newSet(what, loaded)
}

// errNoBlock says why no further block was found in text.
func errNoBlock(text []byte, n int) error {
	switch {
	case bytes.Contains(text, []byte(`\n`)) && bytes.Contains(text, []byte(pemBegin)):
		return fmt.Errorf(`block %d is damaged: its line breaks are spelled \n`, n)
	case bytes.Contains(text, []byte(pemBegin)):
		return fmt.Errorf("block %d is damaged", n)
	case n > 1:
		return errors.New("something follows the last block: expected nothing, or another block")
	}
	return errors.New("no PEM block: expected -----BEGIN PUBLIC KEY-----")
}

func publicKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if signs := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment; c.KeyUsage != 0 && c.KeyUsage&signs == 0 {
			return nil, errors.New("the certificate's key usage is not signing of data (RFC 5280 §4.2.1.3): " +
				"it is for encryption, or an authority's; give the signer's certificate alone")
		}
		return c.PublicKey, nil
	}
	if strings.HasSuffix(block.Type, "PRIVATE KEY") {
		return nil, errors.New("this is a private key, which a verifier must not hold: " +
			"give the public key, as openssl pkey -pubout writes it")
	}
	return nil, errors.New("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")
}
