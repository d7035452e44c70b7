package keys

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// asPublic is the way from most files to one that loads.
const asPublic = "write the public key in PEM: openssl pkey -in FILE -pubout"

// describe says what a text or file is that holds no key as it should be, and what to
// do about it.
func describe(data []byte) string {
	text := strings.TrimSpace(string(data))
	lower := strings.ToLower(text)
	first, _, _ := strings.Cut(text, "\n")
	switch {
	case text == "":
		return "it is empty"
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}), bytes.IndexByte(data, 0) == 1:
		return "it is text in UTF-16, as PowerShell writes it: save it as UTF-8"
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return "it is compressed (gzip): unpack it"
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}), bytes.HasPrefix(data, []byte{0xce, 0xce, 0xce, 0xce}):
		return "it is a Java key store: export the certificate by keytool -exportcert -rfc"
	case strings.HasPrefix(text, "PuTTY-User-Key-File-"):
		return "it is a key of PuTTY, a private one: export the public key, and write it in PEM by ssh-keygen -e -m pkcs8"
	case strings.HasPrefix(text, "---- BEGIN SSH2"):
		return "it is an SSH public key (RFC 4716): write it in PEM by ssh-keygen -i -f FILE | ssh-keygen -e -m pkcs8 -f /dev/stdin"
	case isSSH(first):
		return "it is an SSH public key: write it in PEM by ssh-keygen -e -m pkcs8 -f FILE"
	case strings.HasPrefix(text, "-----BEGIN PGP"):
		return "it is a PGP key, which signs no tokens: expected -----BEGIN PUBLIC KEY-----"
	case strings.Contains(lower, "<rsakeyvalue") || strings.Contains(lower, "<modulus>"):
		return "it is a key in XML, as .NET writes it: " + asPublic
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "it is a web page: was it downloaded from the right address?"
	case strings.HasPrefix(text, "<"):
		return "it is XML: expected PEM or a JWK Set"
	case strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2:
		return "it is a token, not a key"
	}
	if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		if what := describeDER(der); what != "" {
			return "it is " + what + " in base64, without the lines of PEM: put -----BEGIN PUBLIC KEY----- or its like before it and -----END PUBLIC KEY----- behind it"
		}
		if bytes.Contains(der, []byte(pemBegin)) {
			return "it is PEM in base64: decode it once"
		}
		if bytes.HasPrefix(bytes.TrimSpace(der), []byte("{")) {
			return "it is JSON in base64: decode it once"
		}
	}
	if what := describeDER(data); what != "" {
		return "it is " + what + " in DER: " + asPublic
	}
	return ""
}

// isSSH reports whether the line is one of authorized_keys.
func isSSH(line string) bool {
	fields := strings.Fields(line)
	for i, f := range fields {
		if (strings.HasPrefix(f, "ssh-") || strings.HasPrefix(f, "ecdsa-sha2-") || strings.HasPrefix(f, "sk-")) && i+1 < len(fields) && strings.HasPrefix(fields[i+1], "AAAA") {
			return true
		}
	}
	return false
}

// describeJSON says what a JSON object is if it is not a JWK Set; "" if that is unknown.
func describeJSON(members map[string]json.RawMessage) string {
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := members[name]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("jwks_uri"):
		return "it is an issuer's metadata: package jwks fetches the keys that it tells of"
	case has("private_key", "client_email"):
		return "it is a service account of Google with its private key: a verifier needs the certificates at its client_x509_cert_url"
	case has("n", "e"), has("crv", "x"):
		return "it is a JWK without kty, which is required (RFC 7517 §4.1)"
	case has("Keys"), has("KEYS"):
		return `its member "keys" must be in small letters`
	case has("jwks"):
		return `the set is its member "jwks": give that alone`
	case has("error"):
		return "it is an error message"
	}
	return ""
}

// The algorithms of public keys by their object identifiers.
var algorithmNames = map[string]string{
	"1.2.840.113549.1.1.1":    "an RSA key",
	"1.2.840.113549.1.1.7":    "an RSA key for OAEP, which is for encryption",
	"1.2.840.113549.1.1.10":   "an RSA-PSS key",
	"1.2.840.10045.2.1":       "an EC key",
	"1.2.840.10040.4.1":       "a DSA key",
	"1.2.840.113549.1.3.1":    "a Diffie-Hellman key, which is for key agreement",
	"1.2.840.10046.2.1":       "a Diffie-Hellman key, which is for key agreement",
	"1.3.101.110":             "an X25519 key, which is for key agreement",
	"1.3.101.111":             "an X448 key, which is for key agreement",
	"1.3.101.112":             "an Ed25519 key",
	"1.3.101.113":             "an Ed448 key",
	"2.16.840.1.101.3.4.3.17": "an ML-DSA-44 key", "2.16.840.1.101.3.4.3.18": "an ML-DSA-65 key", "2.16.840.1.101.3.4.3.19": "an ML-DSA-87 key",
}

// The curves that no registered algorithm of ours is for.
var curveNames = map[string]string{
	"1.3.132.0.10": "secp256k1", "1.3.132.0.33": "P-224", "1.2.840.10045.3.1.1": "P-192",
	"1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1", "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1", "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
	"1.2.156.10197.1.301": "SM2",
}

const expectedKeys = "expected RSA, EC on P-256, P-384 or P-521, or Ed25519"

// subjectPublicKeyInfo is a public key with the name of its algorithm (RFC 5280
// §4.1.2.7).
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

func parseSPKI(der []byte) (info subjectPublicKeyInfo, ok bool) {
	rest, err := asn1.Unmarshal(der, &info)
	return info, err == nil && len(rest) == 0
}

// name says what kind of key it is.
func (i subjectPublicKeyInfo) name() string {
	name := algorithmNames[i.Algorithm.Algorithm.String()]
	if name == "" {
		return "a key of the algorithm " + i.Algorithm.Algorithm.String()
	}
	var curve asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(i.Algorithm.Parameters.FullBytes, &curve); err == nil && curveNames[curve.String()] != "" {
		name += " on the curve " + curveNames[curve.String()]
	}
	return name
}

// describeDER says what the DER is, "" if nothing that is known.
func describeDER(der []byte) string {
	if _, err := x509.ParseCertificate(der); err == nil {
		return "a certificate"
	}
	if _, err := x509.ParseCertificateRequest(der); err == nil {
		return "a certificate request"
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return "an RSA public key (PKCS #1)"
	}
	if info, ok := parseSPKI(der); ok {
		return info.name()
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return "a private key"
	}
	if _, err := x509.ParseECPrivateKey(der); err == nil {
		return "a private key"
	}
	var header struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &header); err == nil {
		return "a private key"
	}
	var bundle struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	if _, err := asn1.Unmarshal(der, &bundle); err == nil && bundle.Type.String() == "1.2.840.113549.1.7.2" {
		return "a bundle of certificates (PKCS #7)"
	}
	var store struct {
		Version int
		Auth    struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue
		}
		Mac asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &store); err == nil && store.Version == 3 {
		return "a key store (PKCS #12), which holds a private key"
	}
	return ""
}

// parseSubject parses a SubjectPublicKeyInfo. The error names what it is instead.
func parseSubject(der []byte) (material any, restrict bool, err error) {
	info, ok := parseSPKI(der)
	if !ok {
		if what := describeDER(der); what != "" {
			return nil, false, fmt.Errorf("it holds %s: expected a public key (SubjectPublicKeyInfo)", what)
		}
		_, err := x509.ParsePKIXPublicKey(der)
		return nil, false, fmt.Errorf("it is damaged: %w", err)
	}
	if info.Algorithm.Algorithm.String() == "1.2.840.113549.1.1.10" { // an RSA key that is for PSS alone
		k, err := x509.ParsePKCS1PublicKey(info.Key.RightAlign())
		return k, true, err
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if _, known := algorithmNames[info.Algorithm.Algorithm.String()]; known && (strings.Contains(err.Error(), "unknown") || strings.Contains(err.Error(), "unsupported")) {
			return nil, false, fmt.Errorf("it is %s: %s", info.name(), expectedKeys)
		}
		return nil, false, fmt.Errorf("it is damaged: %w", err)
	}
	if _, agreement := k.(*ecdh.PublicKey); agreement || strings.HasPrefix(info.name(), "a DSA") {
		return nil, false, fmt.Errorf("it is %s: %s", info.name(), expectedKeys)
	}
	return k, false, nil
}
