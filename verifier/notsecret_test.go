package verifier_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func mustDo[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sshBlob writes strings as the SSH wire format does (RFC 4253 §6.6).
func sshBlob(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

// keyForms are keys and certificates as they are published, by their form.
func keyForms() map[string][]byte {
	r := mustDo(rsa.GenerateKey(rand.Reader, 2048))
	e := mustDo(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	public, private, err := ed25519.GenerateKey(rand.Reader)
	x := mustDo(ecdh.X25519().GenerateKey(rand.Reader))
	mustDo(private, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tenant.example"}}
	cert := mustDo(x509.CreateCertificate(rand.Reader, template, template, &r.PublicKey, r))
	spki := func(key any) []byte { return mustDo(x509.MarshalPKIXPublicKey(key)) }
	point := mustDo(e.PublicKey.Bytes())
	type algorithm struct{ OID asn1.ObjectIdentifier }
	ed448 := mustDo(asn1.Marshal(struct {
		Algorithm algorithm
		Key       asn1.BitString
	}{algorithm{asn1.ObjectIdentifier{1, 3, 101, 113}}, asn1.BitString{Bytes: make([]byte, 57), BitLength: 456}}))
	jwk := mustDo(json.Marshal(map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public)}))
	ssh := sshBlob([]byte("ssh-ed25519"), public)
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(&r.PublicKey)})
	return map[string][]byte{
		"RSA": spki(&r.PublicKey), "P-256": spki(&e.PublicKey), "Ed25519": spki(public), "X25519": spki(x.PublicKey()), "Ed448": ed448,
		"PKCS #1": x509.MarshalPKCS1PublicKey(&r.PublicKey), "certificate": cert,
		"request":          mustDo(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, r)),
		"PKCS #8, private": mustDo(x509.MarshalPKCS8PrivateKey(private)), "PKCS #1, private": x509.MarshalPKCS1PrivateKey(r),
		"SEC 1, private": mustDo(x509.MarshalECPrivateKey(e)),
		"point":          point,
		"JWK":            jwk, "JWK Set": []byte(`{"keys": [` + string(jwk) + `]}`), "JWKs in a list": []byte(`[` + string(jwk) + `]`),
		"PEM": inPEM, "PEM on one line": bytes.ReplaceAll(inPEM, []byte("\n"), []byte(" ")),
		"PEM, PKCS #1": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&r.PublicKey)}),
		"x509 map":     mustDo(json.Marshal(map[string]string{"kid-1": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))})),
		"SSH blob":     ssh, "SSH line": []byte("ssh-ed25519 " + base64.StdEncoding.EncodeToString(ssh) + " ada@example.com"),
		"SSH line with options": []byte(`from="10.0.0.0/8" ssh-ed25519 ` + base64.StdEncoding.EncodeToString(ssh)),
		"SSH2":                  []byte("---- BEGIN SSH2 PUBLIC KEY ----\n" + base64.StdEncoding.EncodeToString(ssh) + "\n---- END SSH2 PUBLIC KEY ----\n"),
		"XML":                   []byte("<RSAKeyValue><Modulus>" + base64.StdEncoding.EncodeToString(r.N.Bytes()) + "</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>"),
		"PKCS #7": mustDo(asn1.Marshal(struct {
			Type    asn1.ObjectIdentifier
			Content asn1.RawValue `asn1:"explicit,tag:0"`
		}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, asn1.RawValue{FullBytes: mustDo(asn1.Marshal(cert))}})),
	}
}

func utf16Of(b []byte, order binary.AppendByteOrder, mark bool) []byte {
	units := utf16.Encode([]rune(string(b)))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	var out []byte
	for _, u := range units {
		out = order.AppendUint16(out, u)
	}
	return out
}

// wrappings are the ways in which bytes are handed on.
var wrappings = map[string]func([]byte) []byte{
	"as it is":          func(b []byte) []byte { return b },
	"line break":        func(b []byte) []byte { return append(bytes.Clone(b), '\n') },
	"base64":            func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) },
	"base64, unpadded":  func(b []byte) []byte { return []byte(base64.RawStdEncoding.EncodeToString(b)) },
	"base64url":         func(b []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(b)) },
	"base64url, padded": func(b []byte) []byte { return []byte(base64.URLEncoding.EncodeToString(b)) },
	"hex":               func(b []byte) []byte { return []byte(hex.EncodeToString(b)) },
	"hex, upper case":   func(b []byte) []byte { return []byte(strings.ToUpper(hex.EncodeToString(b))) },
	"hex, 0x":           func(b []byte) []byte { return []byte("0x" + hex.EncodeToString(b)) },
	"hex dump":          func(b []byte) []byte { return colons(b, ":") },
	"hex, spaced":       func(b []byte) []byte { return colons(b, " ") },
	"wrapped base64":    func(b []byte) []byte { return wrapped(base64.StdEncoding.EncodeToString(b)) },
	"indented base64": func(b []byte) []byte {
		return bytes.ReplaceAll(wrapped(base64.StdEncoding.EncodeToString(b)), []byte("\n"), []byte("\n    "))
	},
	"base64 of base64": func(b []byte) []byte {
		return []byte(base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(b))))
	},
	"base64 of hex":  func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(b)))) },
	"quoted base64":  func(b []byte) []byte { return []byte(`"` + base64.StdEncoding.EncodeToString(b) + `"`) },
	"base64 in JSON": func(b []byte) []byte { return []byte(`{"public_key":"` + base64.StdEncoding.EncodeToString(b) + `"}`) },
	"base64, escaped": func(b []byte) []byte {
		return bytes.ReplaceAll(wrapped(base64.StdEncoding.EncodeToString(b)), []byte("\n"), []byte(`\n`))
	},
	"a setting": func(b []byte) []byte { return []byte("JWT_PUBLIC_KEY=" + base64.StdEncoding.EncodeToString(b)) },
	"YAML":      func(b []byte) []byte { return []byte("publicKey: " + base64.StdEncoding.EncodeToString(b) + "\n") },
	"data URI": func(b []byte) []byte {
		return []byte("data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(b))
	},
	"percent-encoded base64": func(b []byte) []byte { return []byte(url.QueryEscape(base64.StdEncoding.EncodeToString(b))) },
	"base64, UTF-16LE": func(b []byte) []byte {
		return utf16Of([]byte(base64.StdEncoding.EncodeToString(b)), binary.LittleEndian, true)
	},
	"base64, UTF-16BE": func(b []byte) []byte {
		return utf16Of([]byte(base64.StdEncoding.EncodeToString(b)), binary.BigEndian, false)
	},
	"base64, byte order mark": func(b []byte) []byte {
		return []byte("\ufeff" + base64.StdEncoding.EncodeToString(b))
	},
}

func colons(b []byte, separator string) []byte {
	var words []string
	for _, c := range b {
		words = append(words, hex.EncodeToString([]byte{c}))
	}
	return []byte(strings.Join(words, separator))
}

func wrapped(s string) []byte {
	var b []byte
	for ; len(s) > 64; s = s[64:] {
		b = append(b, s[:64]+"\n"...)
	}
	return append(b, s...)
}

// TestFaultsF4PublicKeyAsSecret: whatever reads as a key is refused as a secret.
func TestFaultsF4PublicKeyAsSecret(t *testing.T) {
	forms := keyForms()
	for form, key := range forms {
		for how, wrap := range wrappings {
			if how == "line break" && form == "point" {
				continue // 66 bytes, of which nothing says that 65 are a point
			}
			secret := wrap(key)
			_, err := verifier.NewKey(secret, verifier.KeyOptions{InsecureAllowShortSecret: true})
			if err == nil || !strings.Contains(err.Error(), "not a secret") {
				t.Errorf("%s, %s: got %v", form, how, err)
				continue
			}
			if len(err.Error()) > 250 || strings.Contains(err.Error(), "%!") {
				t.Errorf("%s, %s: the error is %q", form, how, err)
			}
		}
	}
	// Text forms, in what text is handed on in.
	for _, form := range []string{"PEM", "PEM, PKCS #1", "SSH line", "SSH2", "XML", "JWK", "x509 map"} {
		text := forms[form]
		for how, secret := range map[string][]byte{
			"UTF-16": utf16Of(text, binary.LittleEndian, true), "UTF-16 without a mark": utf16Of(text, binary.LittleEndian, false),
			"JSON string": mustDo(json.Marshal(string(text))), "in a JSON object": mustDo(json.Marshal(map[string]any{"a": []any{1, string(text)}})),
			"percent-encoded": []byte(url.QueryEscape(string(text))), "path-encoded": []byte(url.PathEscape(string(text))),
			"a setting": []byte("KEY='" + string(text) + "'"), "escaped": bytes.ReplaceAll(text, []byte("\n"), []byte(`\n`)),
			"indented": append([]byte("\t"), bytes.ReplaceAll(text, []byte("\n"), []byte("\n\t"))...),
		} {
			if _, err := verifier.NewKey(secret, verifier.KeyOptions{}); err == nil || !strings.Contains(err.Error(), "not a secret") {
				t.Errorf("%s, %s: got %v", form, how, err)
			}
		}
	}
}

// TestSecretsAreNotMistakenForKeys: what is random is a secret, in any spelling.
func TestSecretsAreNotMistakenForKeys(t *testing.T) {
	for i := range 300 {
		raw := make([]byte, 32+i%200)
		rand.Read(raw)
		for how, wrap := range wrappings {
			if _, err := verifier.NewKey(wrap(raw), verifier.KeyOptions{}); err != nil {
				t.Fatalf("%s of %x: %v", how, raw, err)
			}
		}
	}
	for _, text := range []string{
		"correct horse battery staple, and a few words more", "a secret of thirty-two bytes, ok", strings.Repeat("a", 64), strings.Repeat("0", 64),
		strings.Repeat("A", 10_000), "sshhh! this is my ssh-like secret, it begins with ssh", `{"secret":"0123456789abcdef0123456789abcdef"}`,
		"550e8400-e29b-41d4-a716-446655440000550e8400-e29b-41d4-a716-446655440000", strings.Repeat("\x00", 64), strings.Repeat("%", 64),
	} {
		if _, err := verifier.NewKey([]byte(text), verifier.KeyOptions{}); err != nil {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// TestKeyFormBounds: how deep, how long and in which places keys are looked for, and how
// they are named.
func TestKeyFormBounds(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	der := mustDo(x509.MarshalPKIXPublicKey(mustDo(rsa.GenerateKey(rand.Reader, 2048)).Public()))
	inPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	inPEM = inPEM[:len(inPEM)/2*2]
	wrap := func(times int, b []byte, as func(string) string) string {
		for range times {
			b = []byte(as(encode(b)))
		}
		return string(b)
	}
	plain := func(s string) string { return s }
	quoted := func(s string) string { return `"` + s + `"` }
	// tiny is a public key of an algorithm, in so many bytes.
	tiny := func(size int) string {
		type algorithm struct{ OID asn1.ObjectIdentifier }
		key := make([]byte, size-12)
		b := mustDo(asn1.Marshal(struct {
			Algorithm algorithm
			Key       asn1.BitString
		}{algorithm{asn1.ObjectIdentifier{1, 3, 101, 112}}, asn1.BitString{Bytes: key, BitLength: 8 * len(key)}}))
		if len(b) != size {
			t.Fatalf("%d bytes instead of %d", len(b), size)
		}
		return encode(b)
	}
	type contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content []byte
	}
	bundle := func(kind int) string {
		return string(mustDo(asn1.Marshal(contentInfo{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, kind}, make([]byte, 32)})))
	}
	rsa512 := mustDo(asn1.Marshal(struct{ N, E *big.Int }{new(big.Int).SetBit(big.NewInt(1), 511, 1), big.NewInt(3)}))
	rsa511 := mustDo(asn1.Marshal(struct{ N, E *big.Int }{new(big.Int).SetBit(big.NewInt(1), 510, 1), big.NewInt(3)}))
	blob := func(name string) string { return string(sshBlob([]byte(name), make([]byte, 64))) }

	for name, row := range map[string]struct{ secret, says string }{
		"DER":                           {string(der), "this is a public key (DER), not"},
		"base64":                        {encode(der), "this is a public key (DER, in base64), not"},
		"base64 in a line of settings":  {"KEY=" + encode(der), "this is a public key (DER, in base64), not"},
		"four times":                    {wrap(4, der, plain), "in base64, in base64, in base64, in base64), not"},
		"five times":                    {wrap(5, der, plain), ""},
		"five times, in quotes":         {wrap(5, der, quoted), ""},
		"between words":                 {"the key is " + encode(der) + " of May", "this is a public key"},
		"a tiny key between words":      {"the key is " + tiny(30) + " of May", "this is a public key"},
		"a tinier one":                  {"the key is " + tiny(27) + " of May", ""},
		"a JWK of 32 bytes":             {`{"kty":"oct","k":"AAAAAAAAAAAA"}`, "this is a JWK"},
		"a phrase with a comma":         {"my secret phrase goes like this,ssh-like words at its end", ""},
		"PEM after a byte":              {"\xffx" + inPEM, "this is PEM"},
		"PEM after another byte":        {"x\xfe" + inPEM, "this is PEM"},
		"PEM after a byte of a mark":    {"\xfex" + inPEM, "this is PEM"},
		"PEM after the other byte":      {"x\xff" + inPEM, "this is PEM"},
		"PEM after zeros":               {"a\x00bc" + inPEM, "this is PEM"},
		"PEM after three and a zero":    {"abc\x00" + inPEM, "this is PEM"},
		"PEM after a zero":              {"\x00abc" + inPEM, "this is PEM"},
		"PEM after two and a zero":      {"ab\x00c" + inPEM, "this is PEM"},
		"PEM in UTF-16BE with its mark": {string(utf16Of([]byte(inPEM), binary.BigEndian, true)), "this is PEM"},
		"an SSH key of the first type":  {blob("ssh-rsa"), "this is an SSH public key"},
		"a name that is too short":      {blob("ssh-x"), ""},
		"a name that is too long":       {blob("ssh-" + strings.Repeat("x", 60)), ""},
		"an RSA key of 512 bits":        {string(rsa512), "this is a public key"},
		"two numbers":                   {string(rsa511), ""},
		"a bundle":                      {bundle(2), "this is a PKCS #7 bundle"},
		"other contents":                {bundle(3), ""},
	} {
		_, err := verifier.NewKey([]byte(row.secret), verifier.KeyOptions{InsecureAllowShortSecret: true})
		if row.says == "" && err != nil || row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%s: got %v, want %q", name, err, row.says)
		}
	}
}
