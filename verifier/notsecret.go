package verifier

import (
	"crypto/ecdh"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	hexadecimal "encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"unicode/utf16"
)

// A public key that is loaded as a shared secret lets everybody sign: HMAC with the
// public key verifies. So whatever reads as a key or a certificate, in any usual
// wrapping, is refused as a secret. What looks like random bytes is not: a
// bare Ed25519 key of 32 bytes, a compressed point, a bare RSA modulus.

// maxWrappings bounds how many encodings are undone, one inside the other.
const maxWrappings = 4

// The forms of keys, with the function of package keys that loads them.
const (
	formPEM         = "PEM, not a secret: use PEM of package keys"
	formJWK         = "a JWK, not a secret: use JWKSet of package keys"
	formSSH         = "an SSH public key, not a secret: convert it by ssh-keygen -e -m pkcs8 and use PEM of package keys"
	formXML         = "a key in XML, not a secret: convert it to PEM and use PEM of package keys"
	formPoint       = "an EC public key (a bare point), not a secret: convert it to PEM and use PEM of package keys"
	formPublicKey   = "a public key (DER%s), not a secret: put -----BEGIN PUBLIC KEY----- or its like around its base64 and use PEM of package keys"
	formPrivateKey  = "a private key (DER%s), not a secret: a verifier needs the public key, in PEM"
	formCertificate = "a certificate (DER%s), not a secret: put -----BEGIN CERTIFICATE----- and its END around its base64 and use PEM of package keys"
	formRequest     = "a certificate request (DER%s), not a secret: a verifier needs the public key, in PEM"
	formBundle      = "a PKCS #7 bundle (DER%s), not a secret: a verifier needs the public key, in PEM"
)

// notSecret returns an error if the secret reads as a key or a certificate.
func notSecret(secret []byte) error {
	form := keyForm(secret, "", 0)
	if form == "" {
		return nil
	}
	return fmt.Errorf("verifier: this is %s; as a secret, a public key would let anybody sign", form)
}

// keyForm says which form of a key the data has, "" if none. wrapped names the
// encodings that were undone before.
func keyForm(data []byte, wrapped string, depth int) string {
	if form := binaryForm(data); form != "" {
		if strings.Contains(form, "%s") {
			return fmt.Sprintf(form, wrapped)
		}
		return form
	}
	plain := strings.Trim(plainText(data), " \t\r\n\x00\ufeff")
	text := strings.Trim(plain, "\"'`")
	if form := textForm(text); form != "" {
		return form
	}
	if depth == maxWrappings || len(text) < 32 {
		return ""
	}
	for _, document := range []string{plain, text} {
		var value any
		if json.Unmarshal([]byte(document), &value) == nil {
			if form := jsonForm(value, wrapped, depth); form != "" {
				return form
			}
		}
	}
	for _, u := range unwrapped(text) {
		how := wrapped
		if u.how != "" {
			how += ", in " + u.how
		}
		if form := keyForm(u.data, how, depth+1); form != "" {
			return form
		}
	}
	return ""
}

// plainText returns the data as text, of UTF-16 too, which PowerShell writes.
func plainText(data []byte) string {
	var order binary.ByteOrder
	switch {
	case len(data) < 4 || len(data)%2 != 0:
		return string(data)
	case data[0] == 0xff && data[1] == 0xfe, data[1] == 0 && data[3] == 0:
		order = binary.LittleEndian
	case data[0] == 0xfe && data[1] == 0xff, data[0] == 0 && data[2] == 0:
		order = binary.BigEndian
	default:
		return string(data)
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units))
}

var (
	armour  = expression(`(?i)-----?[ _+]?BEGIN[ _+]|BEGIN[ _+%0-9A-Z]*(PUBLIC|PRIVATE|CERTIFICATE)`)
	sshType = expression(`(?:^|[\s,"'])(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-\S+|sk-(?:ssh|ecdsa)-\S+|rsa-sha2-\d+)(?:-cert-v01@openssh\.com)?\s+[A-Za-z0-9+/]{20}`)
	sshBlob = expression(`^\x00\x00\x00[\x07-\x3f](?:ssh-|ecdsa-sha2-|sk-ssh-|sk-ecdsa-|rsa-sha2-)`) // a length and a name (RFC 4253 §6.6)
	setting = expression(`^(?:export\s+)?[A-Za-z_][A-Za-z0-9_.-]{0,60}\s*[=:]\s*`)
	xmlKey  = expression(`(?i)<(?:\w+:)?(?:RSAKeyValue|ECKeyValue|DSAKeyValue|X509Certificate|Modulus)\b`)
)

// expression compiles a regular expression when it is first needed.
func expression(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}

// textForm tells the forms that have their own words.
func textForm(text string) string {
	switch {
	case armour().MatchString(text):
		return formPEM
	case sshType().MatchString(text), strings.HasPrefix(text, "ssh-"), strings.HasPrefix(text, "ecdsa-sha2-"):
		return formSSH
	case xmlKey().MatchString(text):
		return formXML
	}
	return ""
}

// jsonForm looks for a JWK, and for keys in the strings of any other JSON.
func jsonForm(value any, wrapped string, depth int) string {
	switch v := value.(type) {
	case string:
		return keyForm([]byte(v), wrapped, depth+1)
	case []any:
		for _, member := range v {
			if form := jsonForm(member, wrapped, depth); form != "" {
				return form
			}
		}
	case map[string]any:
		if _, ok := v["kty"]; ok {
			return formJWK
		}
		for _, member := range v {
			if form := jsonForm(member, wrapped, depth); form != "" {
				return form
			}
		}
	}
	return ""
}

// unwrapping is what is left of a text when one encoding is undone.
type unwrapping struct {
	data []byte
	how  string // the encoding's name, "" if it is not worth one
}

var (
	escapes = strings.NewReplacer(`\\n`, "\n", `\\r`, "", `\n`, "\n", `\r`, "", `\t`, "\t", `\/`, "/", `\"`, `"`)
	blanks  = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", "\v", "", "\f", "")
	toStd   = strings.NewReplacer("-", "+", "_", "/", "=", "")
	toHex   = strings.NewReplacer(":", "", "-", "", `\x`, "", "0x", "", "0X", "", ",", "")
)

// unwrapped undoes each encoding that the text may be in.
func unwrapped(text string) []unwrapping {
	var out []unwrapping
	add := func(s, how string) { out = append(out, unwrapping{[]byte(s), how}) }
	if s := escapes.Replace(text); s != text {
		add(s, "")
	}
	if strings.Contains(text, "%") {
		if s, err := url.PathUnescape(text); err == nil {
			add(s, "")
		}
	}
	if _, s, ok := strings.Cut(text, ","); ok && strings.HasPrefix(text, "data:") {
		add(s, "")
	}
	if name := setting().FindString(text); name != "" { // a line of a file of settings
		add(text[len(name):], "")
	}
	pieces := []string{blanks.Replace(text)}
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'`,;:<>()[]{}", r) }) {
		if len(f) >= 40 && f != pieces[0] {
			pieces = append(pieces, f)
		}
	}
	for _, piece := range pieces {
		digits := toHex.Replace(piece)
		if b, err := hexadecimal.DecodeString(digits); err == nil {
			out = append(out, unwrapping{b, "hex"})
		}
		if b, err := base64.RawStdEncoding.DecodeString(toStd.Replace(piece)); err == nil {
			out = append(out, unwrapping{b, "base64"})
		}
	}
	return out
}

// signedData is the type of a PKCS #7 bundle of certificates (RFC 5652 §5.1).
var signedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// binaryForm tells the forms that are not text.
func binaryForm(data []byte) string {
	if sshBlob().Match(data) {
		return formSSH
	}
	for curve, size := range map[ecdh.Curve]int{ecdh.P256(): 65, ecdh.P384(): 97, ecdh.P521(): 133} {
		if _, err := curve.NewPublicKey(data); len(data) == size && err == nil {
			return formPoint
		}
	}
	var whole asn1.RawValue
	if _, err := asn1.Unmarshal(data, &whole); err != nil {
		return ""
	}
	return derForm(whole.FullBytes)
}

// derForm tells what a value in DER is. It looks only at the shape, since a key
// that this package cannot use is not a secret either.
func derForm(der []byte) string {
	if _, err := x509.ParseCertificate(der); err == nil {
		return formCertificate
	}
	if _, err := x509.ParseCertificateRequest(der); err == nil {
		return formRequest
	}
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &spki); err == nil && len(rest) == 0 {
		return formPublicKey
	}
	var pkcs1 struct{ N, E *big.Int }
	if rest, err := asn1.Unmarshal(der, &pkcs1); err == nil && len(rest) == 0 && pkcs1.N.BitLen() >= 512 {
		return formPublicKey
	}
	var pkcs8 struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if _, err := asn1.Unmarshal(der, &pkcs8); err == nil {
		return formPrivateKey
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return formPrivateKey
	}
	if _, err := x509.ParseECPrivateKey(der); err == nil {
		return formPrivateKey
	}
	var bundle struct {
		Type asn1.ObjectIdentifier
		Rest asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &bundle); err == nil && bundle.Type.Equal(signedData) {
		return formBundle
	}
	return ""
}
