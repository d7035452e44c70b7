package keys

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// asPublic is the way from most files to one that loads.
const asPublic = "write the public key in PEM: openssl pkey -in FILE -pubout"

// describe says what a text or file is that holds no key as it should be, and what to
// do about it.
func describe(data []byte) string {
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "it is empty"
	}
	for prefix, what := range fileKinds {
		if bytes.HasPrefix(data, []byte(prefix)) {
			return what
		}
	}
	if bytes.IndexByte(data, 0) == 1 {
		return inUTF16
	}
	for _, describe := range []func(string) string{describeSSH, describeMarkup, describeText, describeBase64} {
		if what := describe(text); what != "" {
			return what
		}
	}
	switch what := describeDER(data); what {
	case "":
		return ""
	case aBundle:
		return "it is " + what + " in DER: openssl pkcs7 -inform DER -in FILE -print_certs writes the certificates"
	default:
		return "it is " + what + " in DER: " + asPublic
	}
}

const inUTF16 = "it is text in UTF-16, as PowerShell writes it: save it as UTF-8"

// fileKinds are kinds of file by their first bytes.
var fileKinds = map[string]string{
	"\xff\xfe":             inUTF16,
	"\xfe\xff":             inUTF16,
	"\x1f\x8b":             "it is compressed (gzip): unpack it",
	"PK\x03\x04":           "it is compressed (zip): unpack it",
	"\xfe\xed\xfe\xed":     "it is a Java key store: export the certificate by keytool -exportcert -rfc",
	"\xce\xce\xce\xce":     "it is a Java key store: export the certificate by keytool -exportcert -rfc",
	"PuTTY-User-Key-File-": "it is a key of PuTTY, a private one: export the public key, and write it in PEM by ssh-keygen -e -m pkcs8",
	"---- BEGIN SSH2":      "it is an SSH public key (RFC 4716): write it in PEM by ssh-keygen -i -f FILE | ssh-keygen -e -m pkcs8 -f /dev/stdin",
	"-----BEGIN PGP":       "it is a PGP key, which signs no tokens: expected -----BEGIN PUBLIC KEY-----",
}

// describeMarkup describes XML and HTML.
func describeMarkup(text string) string {
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "<rsakeyvalue") || strings.Contains(lower, "<modulus>"):
		return "it is a key in XML, as .NET writes it: " + asPublic
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "it is a web page: was it downloaded from the right address?"
	case strings.HasPrefix(text, "<"):
		return "it is XML: expected PEM or a JWK Set"
	}
	return ""
}

var setting = regexp.MustCompile(`(?m)^(export )?[A-Za-z_][A-Za-z0-9_]*=\S`)

// describeText describes texts of other kinds.
func describeText(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	upper := strings.ToUpper(first)
	switch {
	case strings.HasPrefix(text, "["):
		return `it is a JSON array: a JWK Set is an object, {"keys": [...]} (RFC 7517 §5)`
	case strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2:
		return "it is a token, not a key"
	case strings.Contains(upper, "BEGIN ") && (strings.Contains(upper, " KEY") || strings.Contains(upper, "CERTIFICATE")):
		return fmt.Sprintf("its first line is damaged: expected -----BEGIN PUBLIC KEY----- or its like, with five hyphens on each side, in capitals; got %.40q", first)
	case strings.Contains(text, "apiVersion:") && strings.Contains(text, "kind:"):
		return "it is a manifest of Kubernetes: mount the Secret or ConfigMap and give the path of the mounted file"
	case setting.MatchString(text) && strings.Contains(first, "="):
		return "it is a file of settings (NAME=value): give only the value"
	}
	return ""
}

// describeBase64 describes what is in base64 as a whole.
func describeBase64(text string) string {
	text = strings.TrimRight(strings.Join(strings.Fields(text), ""), "=")
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(text)
	der, err := base64.RawStdEncoding.DecodeString(standard)
	if err != nil {
		return ""
	}
	replaced := ""
	if standard != text {
		replaced = ", and write + and / for - and _"
	}
	switch what := describeDER(der); {
	case what != "":
		return "it is " + what + " in base64, without the lines of PEM: put -----BEGIN PUBLIC KEY----- or its like before it and -----END PUBLIC KEY----- behind it" + replaced
	case bytes.Contains(der, []byte(pemBegin)):
		return "it is PEM in base64: decode it once"
	case bytes.HasPrefix(bytes.TrimSpace(der), []byte("{")):
		return "it is JSON in base64: decode it once"
	}
	return ""
}

// describeSSH describes the first line if it is one of authorized_keys. ssh-keygen
// writes no Ed25519 key in PEM, so that one is told as a JWK.
func describeSSH(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(first)
	for i, f := range fields {
		if !(strings.HasPrefix(f, "ssh-") || strings.HasPrefix(f, "ecdsa-sha2-") || strings.HasPrefix(f, "sk-")) || i+1 >= len(fields) || !strings.HasPrefix(fields[i+1], "AAAA") {
			continue
		}
		blob, _ := base64.StdEncoding.DecodeString(fields[i+1])
		switch {
		case strings.HasPrefix(f, "sk-"):
			return "it is an SSH public key of a security key, which signs no tokens: expected PEM or a JWK Set"
		case f == "ssh-ed25519" && len(blob) == 4+len(f)+4+32:
			return fmt.Sprintf(`it is an SSH public key, an Ed25519 one, which ssh-keygen does not write in PEM: write it as a JWK, {"kty":"OKP","crv":"Ed25519","x":"%s"}`,
				base64.RawURLEncoding.EncodeToString(blob[len(blob)-32:]))
		}
		return "it is an SSH public key: write it in PEM by ssh-keygen -e -m pkcs8 -f FILE"
	}
	return ""
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
		return `the set is its member "jwks": give only that`
	case has("realm", "public_key"):
		return `it is a realm of Keycloak: its keys are at "protocol/openid-connect/certs" behind the realm's address, for package jwks`
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

// pointOrParameters says what is unusual about an EC key that Go does not read.
func (i subjectPublicKeyInfo) pointOrParameters() string {
	if i.Algorithm.Algorithm.String() != "1.2.840.10045.2.1" {
		return ""
	}
	if p := i.Algorithm.Parameters; p.Tag == asn1.TagSequence {
		return "its curve is spelled out, not named: openssl ec -pubin -in FILE -param_enc named_curve writes the name"
	}
	if point := i.Key.RightAlign(); len(point) > 0 && (point[0] == 2 || point[0] == 3) {
		return "its point is compressed: openssl ec -pubin -in FILE -conv_form uncompressed writes it in full"
	}
	return ""
}

const aBundle = "a bundle of certificates (PKCS #7)"

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
		return aBundle
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
	if info.Algorithm.Algorithm.String() == "1.2.840.113549.1.1.10" { // an RSA key only for PSS
		k, err := x509.ParsePKCS1PublicKey(info.Key.RightAlign())
		return k, true, err
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if what := info.pointOrParameters(); what != "" {
			return nil, false, errors.New(what)
		}
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
