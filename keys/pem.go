package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const pemBegin = "-----BEGIN "

// PEM loads public keys in their textual encoding (RFC 7468): any number of the blocks PUBLIC KEY (RSA,
// RSA-PSS, EC, Ed25519), RSA PUBLIC KEY and CERTIFICATE. The keys have no id, unless [ID] gives one to
// the only key. Text before a block is a comment.
//
// PEM returns an error for a private key, since a server that verifies does not need it. It also
// refuses a certificate whose key usage is not for signatures, the certificate of the authority that
// issued another one, any other block, a damaged one, and text after the last block.
func PEM(data []byte, options ...Option) (*Set, error) { return loadPEM("PEM", data, options) }

func loadPEM(what string, data []byte, options []Option) (*Set, error) {
	o, err := collect(options)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	var loaded []*verifier.Key
	var certificates []*x509.Certificate // of the blocks, nil for one of another kind
	for rest := data; len(bytes.TrimSpace(rest)) > 0; {
		n := len(loaded) + 1
		block, after := pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("keys: %s: %w", what, errNoBlock(rest, n))
		}
		// Decode skips a block that it cannot read, which would lose a key
		// without a word.
		if read := rest[:len(rest)-len(after)]; bytes.Count(read, []byte(pemBegin)) != 1 {
			return nil, fmt.Errorf("keys: %s: block %d is damaged%s", what, n, whyDamaged(read))
		}
		rest = after
		k, err := keyOf(block, o)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: block %d, %s: %w", what, n, block.Type, err)
		}
		loaded = append(loaded, k)
		var c *x509.Certificate
		if strings.HasSuffix(block.Type, "CERTIFICATE") {
			c, _ = x509.ParseCertificate(block.Bytes)
		}
		certificates = append(certificates, c)
	}
	if o.ID != "" && len(loaded) > 1 {
		return nil, fmt.Errorf("keys: %s: ID(%q) names one key, and there are %d", what, o.ID, len(loaded))
	}
	if i, j := authority(certificates); j > 0 {
		return nil, fmt.Errorf("keys: %s: block %d is the certificate of the authority that issued block %d: give only the signer's certificate", what, j, i)
	}
	return newSet(what, loaded)
}

// authority finds a certificate by which another one is signed, and returns the numbers
// of both blocks, from 1; j is 0 if there is none. A block of another kind is nil.
func authority(certificates []*x509.Certificate) (i, j int) {
	for i, c := range certificates {
		if c == nil || bytes.Equal(c.RawIssuer, c.RawSubject) {
			continue
		}
		for j, by := range certificates {
			if by != nil && bytes.Equal(c.RawIssuer, by.RawSubject) && by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
				return i + 1, j + 1
			}
		}
	}
	return 0, 0
}

// errNoBlock says why no further block was found in text.
func errNoBlock(text []byte, n int) error {
	switch {
	case bytes.Contains(text, []byte(pemBegin)):
		return fmt.Errorf("block %d is damaged%s", n, whyDamaged(text))
	case n > 1:
		return errors.New("something follows the last block: expected nothing, or another block")
	}
	if what := describe(text); what != "" {
		return fmt.Errorf("no PEM block: %s", what)
	}
	return errors.New("no PEM block: expected -----BEGIN PUBLIC KEY-----")
}

// whyDamaged says what is wrong with the lines of a block, as far as that is common.
func whyDamaged(text []byte) string {
	begin := bytes.Index(text, []byte(pemBegin))
	before, block := text[:begin], text[begin:]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	switch {
	case bytes.Contains(block, []byte(`\n`)):
		return `: its line breaks are spelled \n: replace each by a line break`
	case len(line) > 0 && len(bytes.TrimSpace(line)) == 0:
		return ": its lines are indented: they must begin with -----BEGIN"
	case len(line) > 0:
		return fmt.Sprintf(": something stands before -----BEGIN on its line: %.20q", line)
	case !bytes.Contains(bytes.TrimSpace(block), []byte("\n")):
		return ": it is on one line: -----BEGIN and -----END must have their own lines"
	case bytes.HasPrefix(block, []byte(pemBegin+"PGP ")):
		return ": it is a PGP key, which signs no tokens"
	case !bytes.Contains(block, []byte("-----END ")):
		return ": it has no -----END line: is it cut off?"
	case label(block, pemBegin) != label(block, "-----END "):
		return fmt.Sprintf(": it begins as %.40q and ends as %.40q", label(block, pemBegin), label(block, "-----END "))
	}
	return ""
}

// label returns what stands between the mark and the next hyphens.
func label(block []byte, mark string) string {
	_, after, _ := bytes.Cut(block, []byte(mark))
	name, _, _ := bytes.Cut(after, []byte("-----"))
	return string(name)
}

// publicKey reads the key of a block. pss says that it may only be used with RSASSA-PSS.
func publicKey(block *pem.Block) (material any, pss bool, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		return parseSubject(block.Bytes)
	case "RSA PUBLIC KEY":
		k, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if what := describeDER(block.Bytes); err != nil && what != "" {
			return nil, false, fmt.Errorf("it holds %s: expected an RSA public key (PKCS #1)", what)
		}
		return k, false, err
	case "CERTIFICATE", "X509 CERTIFICATE":
		return certificateKey(block.Bytes)
	}
	return nil, false, otherBlock(block)
}

// certificateKey reads the key of a certificate.
func certificateKey(der []byte) (material any, pss bool, err error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		if what := describeDER(der); what != "" {
			return nil, false, fmt.Errorf("it holds %s: expected a certificate", what)
		}
		return nil, false, fmt.Errorf("it is damaged: %w", err)
	}
	if signs := x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment; c.KeyUsage != 0 && c.KeyUsage&signs == 0 {
		return nil, false, errors.New("the certificate's key usage is not signing of data (RFC 5280 §4.2.1.3): " +
			"it is for encryption, or an authority's; give only the signer's certificate")
	}
	return parseSubject(c.RawSubjectPublicKeyInfo)
}

// otherBlock says what to do about a block that is neither a public key nor a
// certificate.
func otherBlock(block *pem.Block) error {
	switch {
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return errors.New("this is a private key, which a verifier must not hold: " +
			"give the public key, as openssl pkey -pubout writes it")
	case strings.HasPrefix(block.Type, "PGP "):
		return errors.New("this is a PGP key, which signs no tokens: expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")
	case block.Type == "TRUSTED CERTIFICATE":
		return errors.New("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE: openssl x509 without -trustout writes that")
	case strings.HasSuffix(block.Type, "CERTIFICATE REQUEST"):
		return errors.New("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE: this is what an authority makes a certificate of; openssl req -pubkey -noout writes its key")
	case block.Type == "PKCS7" || block.Type == "CMS":
		return errors.New("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE: openssl pkcs7 -print_certs writes the certificates of a bundle")
	case strings.HasSuffix(block.Type, " PARAMETERS"):
		return errors.New("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE: these are parameters, not a key; openssl ecparam -genkey writes a private key behind them")
	}
	if what := describeDER(block.Bytes); what != "" {
		return fmt.Errorf("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE: the block holds %s under another name", what)
	}
	return errors.New("expected PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")
}

// keyOf makes a key of a block.
func keyOf(block *pem.Block, o verifier.KeyOptions) (*verifier.Key, error) {
	material, pss, err := publicKey(block)
	if err != nil {
		return nil, err
	}
	return keyOfMaterial(material, pss, o)
}

func keyOfMaterial(material any, pss bool, o verifier.KeyOptions) (*verifier.Key, error) {
	allowed := []verifier.Algorithm{verifier.PS256, verifier.PS384, verifier.PS512}
	if !pss {
		return newKey(material, o)
	}
	for _, a := range o.Algorithms {
		if !slices.Contains(allowed, a) {
			return nil, fmt.Errorf("algorithm %s does not fit the key, which is only for RSASSA-PSS", a)
		}
	}
	if o.Algorithms == nil {
		o.Algorithms = allowed
	}
	return newKey(material, o)
}
