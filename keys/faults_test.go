package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsG1Names: RFC 9864 gave the algorithms of elliptic curves second names.
func TestFaultsG1Names(t *testing.T) {
	for alg, key := range map[string]any{"Ed25519": edKey(), "ESP256": p256Key(), "ESP384": p384Key(), "ESP512": p521Key()} {
		first := map[string]verifier.Algorithm{"Ed25519": "EdDSA", "ESP256": "ES256", "ESP384": "ES384", "ESP512": "ES512"}[alg]
		text := []byte(set(jwkOf(key, members{"alg": alg, "kid": "a"})))
		for _, options := range [][]keys.Option{nil, {keys.Algorithms(first)}, {keys.Algorithms(verifier.Algorithm(alg))}} {
			s, err := keys.JWKSet(text, options...)
			if err != nil {
				t.Errorf("%s: %v", alg, err)
				continue
			}
			if k := s.All()[0]; !k.Allows(first) || !k.Allows(verifier.Algorithm(alg)) {
				t.Errorf("%s: the key allows %v", alg, k.Algorithms())
			}
		}
		if usable, skipped, err := keys.ParseJWKSet(text); err != nil || len(usable) != 1 {
			t.Errorf("%s: published: %v, %v", alg, skipped, err)
		}
		if _, err := keys.JWKSet(text, keys.Algorithms("RS256")); err == nil {
			t.Errorf("%s is taken for RS256", alg)
		}
	}
	_, err := keys.JWKSet([]byte(set(jwkOf(p384Key(), members{"alg": "ESP256"}))))
	refused(t, err, "ESP256 does not fit the key")
}

// TestFaultsG2EmptyMembers: a member that is empty or null says nothing.
func TestFaultsG2EmptyMembers(t *testing.T) {
	null := json.RawMessage("null")
	for name, more := range map[string]members{
		"key_ops and oth empty": {"key_ops": []string{}, "oth": []string{}},
		"all null":              {"d": null, "p": null, "q": null, "dp": null, "dq": null, "qi": null, "oth": null, "use": null, "alg": null, "kid": null, "key_ops": null},
		"all empty":             {"d": "", "p": "", "q": "", "dp": "", "dq": "", "qi": "", "use": "", "alg": "", "kid": ""},
		"as .NET writes them": {
			"alg": "RS256", "crv": null, "d": null, "dp": null, "dq": null, "k": null, "keyid": "a", "key_ops": []string{}, "oth": null,
			"p": null, "q": null, "qi": null, "use": "sig", "x": null, "x5c": []string{}, "x5t": null, "x5t#S256": null, "x5u": null, "y": null,
			"KeySize": 2048, "HasPrivateKey": false, "CryptoProviderFactory": members{},
		},
	} {
		text := []byte(set(jwkOf(rsaKey(), more)))
		if s, err := keys.JWKSet(text); err != nil || len(s.All()) != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if usable, skipped, err := keys.ParseJWKSet(text); err != nil || len(usable) != 1 {
			t.Errorf("%s: published: %v, %v", name, skipped, err)
		}
	}
	for _, more := range []members{{"oth": []int{1}}, {"d": " "}, {"p": 0}, {"q": false}, {"d": members{}}} {
		_, err := keys.JWKSet([]byte(set(jwkOf(rsaKey(), more))))
		refused(t, err, "it is a private key")
	}
}

// TestFaultsG9Base64url: each value of a JWK has one spelling.
func TestFaultsG9Base64url(t *testing.T) {
	good := jwkOf(edKey(), nil)["x"].(string)
	n := jwkOf(rsaKey(), nil)["n"].(string)
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	for name, jwk := range map[string]members{
		"a line break":       jwkOf(edKey(), members{"x": good[:20] + "\n" + good[20:]}),
		"one of Windows":     jwkOf(rsaKey(), members{"n": n[:64] + "\r\n" + n[64:]}),
		"one at the end":     jwkOf(rsaKey(), members{"e": "AQAB\n"}),
		"white space":        jwkOf(edKey(), members{"x": " " + good}),
		"padding":            jwkOf(edKey(), members{"x": good + "="}),
		"another alphabet":   jwkOf(rsaKey(), members{"n": strings.NewReplacer("-", "+", "_", "/").Replace(n) + "/+"}),
		"bits left over":     jwkOf(edKey(), members{"x": good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last+1])}),
		"EC, a line break":   jwkOf(p256Key(), members{"y": jwkOf(p256Key(), nil)["y"].(string) + "\n"}),
		"a secret, a break":  jwkOf(secret, members{"k": b64([]byte(secret)) + "\n"}),
		"a secret, a tab":    jwkOf(secret, members{"k": "\t" + b64([]byte(secret))}),
		"a secret, standard": jwkOf(secret, members{"k": base64.StdEncoding.EncodeToString([]byte(secret))}),
	} {
		_, err := keys.JWKSet([]byte(set(jwk)))
		if err == nil || !strings.Contains(err.Error(), "not base64url without padding") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestFaultsG11PEMByKID: an object of PEM by kid, as Google publishes its certificates
// and Identity-Aware Proxy its keys.
func TestFaultsG11PEMByKID(t *testing.T) {
	text := must(json.Marshal(map[string]string{"b": certificate(rsaKey(), 0), "a": publicPEM(p256Key())}))
	s, err := keys.JWKSet(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, s, "", verifier.RS256); !slices.Equal(got, []string{"a:ES256", "b:RS256"}) {
		t.Errorf("got %q", got)
	}
	if got := ask(t, s, "b", verifier.RS256); !slices.Equal(got, []string{"b:RS256"}) {
		t.Errorf("got %q", got)
	}
	bad := must(json.Marshal(map[string]string{"b": certificate(rsaKey(), x509.KeyUsageKeyEncipherment), "a": publicPEM(edKey())}))
	usable, skipped, err := keys.ParseJWKSet(bad)
	if err != nil || len(usable) != 1 || len(skipped) != 1 || !strings.Contains(skipped[0].Error(), `kid "b"`) {
		t.Errorf("got %v, %v, %v", usable, skipped, err)
	}
	one := must(json.Marshal(map[string]string{"a": publicPEM(edKey())}))
	if s, err := keys.JWKSet(one, keys.ID("a")); err != nil || s.All()[0].ID() != "a" {
		t.Errorf("with its own id: got %v, %v", s, err)
	}
	_, err = keys.JWKSet(one, keys.ID("b"))
	refused(t, err, `it has a kid, and ID gives it another, "b"`)
	for name, text := range map[string]string{
		"a private key": string(must(json.Marshal(map[string]string{"a": publicPEM(edKey()), "b": privatePEM(edKey())}))),
		"other members": string(must(json.Marshal(map[string]string{"a": publicPEM(edKey()), "type": "keys"}))),
		"no kid":        string(must(json.Marshal(map[string]string{"": publicPEM(edKey())}))),
	} {
		if _, err := keys.JWKSet([]byte(text)); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

// TestSPIFFEBundle: of a bundle the keys for tokens are taken, and those for
// certificates are not.
func TestSPIFFEBundle(t *testing.T) {
	bundle := `{"spiffe_sequence": 7, "spiffe_refresh_hint": 300, "keys": [` +
		jwkOf(p256Key(), members{"use": "x509-svid", "x5c": []string{"MII"}}).String() + "," +
		jwkOf(p384Key(), members{"use": "jwt-svid", "kid": "svid"}).String() + "]}"
	s, err := keys.JWKSet([]byte(bundle))
	if err != nil || len(s.All()) != 1 || s.All()[0].ID() != "svid" || len(s.Skipped()) != 1 {
		t.Errorf("got %v and %v", s, err)
	}
}

// TestStaticSetSkips: a static set does without what it does not know, and says so,
// also when sets are joined; it fails if nothing is left.
func TestStaticSetSkips(t *testing.T) {
	s, err := keys.JWKSet([]byte(set(members{"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44"}, jwkOf(edKey(), members{"kid": "a"}))), keys.ID("a"))
	if err != nil {
		t.Fatal(err)
	}
	joined, err := keys.Join(s, must(keys.Secret([]byte(secret))))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*keys.Set{s, joined} {
		if skipped := s.Skipped(); len(skipped) != 1 || !strings.Contains(skipped[0].Error(), `JWK 1 (kid "pq"): its kty is "AKP"`) {
			t.Errorf("skipped %v", skipped)
		}
	}
	_, err = keys.JWKSet([]byte(set(members{"kty": "AKP"}, jwkOf(rsaKey(), members{"use": "enc"}))))
	refused(t, err, `its use is "enc"`)
	refused(t, err, `its kty is "AKP"`)
}

// utf16 writes text as PowerShell does.
func utf16(text string) string {
	b := []byte{0xff, 0xfe}
	for _, r := range text {
		b = binary.LittleEndian.AppendUint16(b, uint16(r))
	}
	return string(b)
}

func oid(numbers ...int) asn1.ObjectIdentifier { return numbers }

// TestFaultsG10Files: what people have on disk loads, or is refused with a sentence
// that says what it is and what to do.
func TestFaultsG10Files(t *testing.T) {
	rsaSPKI, p256SPKI := must(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)), must(x509.MarshalPKIXPublicKey(&p256Key().PublicKey))
	pkcs1 := x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)
	certificateDER, _ := pem.Decode([]byte(certificate(p256Key(), 0)))
	x25519 := must(x509.MarshalPKIXPublicKey(must(ecdh.X25519().GenerateKey(rand.Reader)).PublicKey()))
	request := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, p256Key()))
	blob := append(binary.BigEndian.AppendUint32(nil, 11), "ssh-ed25519"...)
	ssh := "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(blob, 0, 0, 0, 32, 1, 2, 3, 4, 5, 6)) + " ada@example.com\n"
	sshEd25519 := "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(append(blob, 0, 0, 0, 32), edKey().Public().(ed25519.PublicKey)...)) + " ada\n"
	chain := certificateChain()
	body := strings.Join(strings.Split(strings.TrimSpace(publicPEM(rsaKey())), "\n")[1:], "\n")
	body = body[:strings.Index(body, "-----END")]
	ec := oid(1, 2, 840, 10045, 2, 1)
	curve := func(o ...int) []byte { return must(asn1.Marshal(oid(o...))) }
	type contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	content := func(text string) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: must(asn1.Marshal([]byte(text)))}
	}
	pkcs7 := must(asn1.Marshal(contentInfo{oid(1, 2, 840, 113549, 1, 7, 2), content("certificates")}))
	enveloped := must(asn1.Marshal(contentInfo{oid(1, 2, 840, 113549, 1, 7, 3), content("recipients")}))
	pkcs12of := func(version int) []byte {
		return must(asn1.Marshal(struct {
			Version int
			Auth    contentInfo
		}{version, contentInfo{oid(1, 2, 840, 113549, 1, 7, 1), content("safe")}}))
	}

	for _, tt := range []struct {
		name, content string
		want          string // the key's first algorithm, or what the error says
		refused       bool
	}{
		{"PEM", publicPEM(rsaKey()), "RS256", false},
		{"PEM, line breaks of old Macs", strings.ReplaceAll(publicPEM(rsaKey()), "\n", "\r"), "block 1 is damaged", true},
		{"DER", string(rsaSPKI), "RS256", false},
		{"DER, EC", string(p256SPKI), "ES256", false},
		{"DER, Ed25519", string(must(x509.MarshalPKIXPublicKey(edKey().Public()))), "EdDSA", false},
		{"DER, PKCS #1", string(pkcs1), "RS256", false},
		{"a certificate in DER", string(certificateDER.Bytes), "ES256", false},
		{"a certificate under its old label", block("X509 CERTIFICATE", certificateDER.Bytes), "ES256", false},
		{"RSA-PSS", spki(oid(1, 2, 840, 113549, 1, 1, 10), nil, pkcs1), "PS256", false},

		{"Ed448", spki(oid(1, 3, 101, 113), nil, make([]byte, 57)), "it is an Ed448 key: expected RSA, EC on P-256, P-384 or P-521, or Ed25519", true},
		{"X25519", block("PUBLIC KEY", x25519), "it is an X25519 key, which is for key agreement", true},
		{"X448", spki(oid(1, 3, 101, 111), nil, make([]byte, 56)), "it is an X448 key, which is for key agreement", true},
		{"ML-DSA", spki(oid(2, 16, 840, 1, 101, 3, 4, 3, 17), nil, make([]byte, 1312)), "it is an ML-DSA-44 key", true},
		{"an unknown algorithm", spki(oid(1, 2, 3, 4), nil, make([]byte, 57)), "damaged", true},
		{"secp256k1", spki(ec, curve(1, 3, 132, 0, 10), append([]byte{4}, make([]byte, 64)...)), "it is an EC key on the curve secp256k1", true},
		{"brainpool", spki(ec, curve(1, 3, 36, 3, 3, 2, 8, 1, 1, 7), append([]byte{4}, make([]byte, 64)...)), "it is an EC key on the curve brainpoolP256r1", true},
		{"a certificate called a public key", block("PUBLIC KEY", certificateDER.Bytes), "it holds a certificate: expected a public key", true},
		{"a public key called a certificate", block("CERTIFICATE", rsaSPKI), "it holds an RSA key: expected a certificate", true},
		{"PKCS #1 called a public key", block("PUBLIC KEY", pkcs1), "it holds an RSA public key (PKCS #1): expected a public key (SubjectPublicKeyInfo)", true},
		{"a public key called PKCS #1", block("RSA PUBLIC KEY", rsaSPKI), "it holds an RSA key: expected an RSA public key (PKCS #1)", true},
		{"an EC key under its own label", block("EC PUBLIC KEY", p256SPKI), "the block holds an EC key under another name", true},
		{"a trusted certificate", block("TRUSTED CERTIFICATE", certificateDER.Bytes), "openssl x509 without -trustout writes that", true},
		{"a request", block("CERTIFICATE REQUEST", request), "this is what an authority makes a certificate of", true},
		{"a bundle", block("PKCS7", pkcs7), "openssl pkcs7 -print_certs", true},
		{"parameters", block("EC PARAMETERS", curve(1, 2, 840, 10045, 3, 1, 7)), "these are parameters, not a key", true},
		{"a PGP key", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBF\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n", "PGP key", true},
		{"one line", strings.ReplaceAll(strings.TrimSpace(publicPEM(rsaKey())), "\n", " "), "it is on one line: -----BEGIN and -----END must have their own lines", true},
		{"one line, nothing between", strings.ReplaceAll(strings.TrimSpace(publicPEM(rsaKey())), "\n", ""), "it is on one line", true},
		{"line breaks spelled out", strings.ReplaceAll(publicPEM(rsaKey()), "\n", `\n`), `its line breaks are spelled \n: replace each by a line break`, true},
		{"indented", "key: |\n  " + strings.ReplaceAll(publicPEM(rsaKey()), "\n", "\n  "), "its lines are indented", true},
		{"a setting", "JWT_KEY=" + publicPEM(rsaKey()), `something stands before -----BEGIN on its line: "JWT_KEY="`, true},
		{"in quotes", `"` + publicPEM(rsaKey()) + `"`, "something stands before -----BEGIN", true},
		{"cut off", publicPEM(rsaKey())[:200], "it has no -----END line: is it cut off?", true},
		{"without its lines", body, "it is an RSA key in base64, without the lines of PEM", true},
		{"without its lines, on one line", strings.ReplaceAll(body, "\n", ""), "it is an RSA key in base64, without the lines of PEM", true},
		{"PEM in base64", base64.StdEncoding.EncodeToString([]byte(publicPEM(edKey()))), "it is PEM in base64: decode it once", true},
		{"a JWK Set in base64", base64.StdEncoding.EncodeToString([]byte(set(jwkOf(edKey(), nil)))), "it is JSON in base64: decode it once", true},
		{"UTF-16", utf16(publicPEM(edKey())), "it is text in UTF-16, as PowerShell writes it", true},
		{"an SSH key", ssh, "it is an SSH public key: write it in PEM by ssh-keygen -e -m pkcs8", true},
		{"an SSH key with options", `no-pty,from="10.0.0.1" ` + ssh, "it is an SSH public key", true},
		{"an SSH key's first word", "ssh-rsa\n", "neither PEM nor a JWK Set: for a secret", true},
		{"another line with base64", "host AAAAB3NzaC1yc2E ada\n", "neither PEM nor a JWK Set: for a secret", true},
		{"a line of YAML", "kind: house\n", "neither PEM nor a JWK Set: for a secret", true},
		{"a script", "BEGIN TRANSACTION;\nCOMMIT;\n", "neither PEM nor a JWK Set: for a secret", true},
		{"an SSH2 key", "---- BEGIN SSH2 PUBLIC KEY ----\nComment: x\nAAAA\n---- END SSH2 PUBLIC KEY ----\n", "it is an SSH public key (RFC 4716)", true},
		{"a private SSH key", block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1")), "this is a private key", true},
		{"a PuTTY key", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "it is a key of PuTTY", true},
		{"a private key in DER", string(must(x509.MarshalPKCS8PrivateKey(edKey()))), "it is a private key in DER", true},
		{"a private key in DER, PKCS #1", string(x509.MarshalPKCS1PrivateKey(rsaKey())), "it is a private key in DER", true},
		{"a private key in DER, SEC 1", string(must(x509.MarshalECPrivateKey(p256Key()))), "it is a private key in DER", true},
		{"a bundle in DER", string(pkcs7), "openssl pkcs7 -inform DER -in FILE -print_certs", true},
		{"a key store", string(pkcs12of(3)), "it is a key store (PKCS #12), which holds a private key", true},
		{"encrypted data in DER", string(enveloped), "neither PEM nor a JWK Set: for a secret", true},
		{"a later key store", string(pkcs12of(4)), "neither PEM nor a JWK Set: for a secret", true},
		{"a Java key store", "\xfe\xed\xfe\xed\x00\x00\x00\x02", "it is a Java key store: export the certificate by keytool", true},
		{"compressed", "\x1f\x8b\x08\x00\x00", "it is compressed (gzip)", true},
		{"XML", "<RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>", "it is a key in XML, as .NET writes it", true},
		{"XML without the name of the key", "<Key><Modulus>AQAB</Modulus></Key>", "it is a key in XML, as .NET writes it", true},
		{"other XML", "<EntityDescriptor/>", "it is XML", true},
		{"a web page", "<!DOCTYPE html><title>Sign in</title>", "it is a web page", true},
		{"a token", mintHS256(secret, "{}"), "it is a token, not a key", true},
		{"an issuer's metadata", `{"issuer":"https://a.test","jwks_uri":"https://a.test/jwks"}`, "it is an issuer's metadata: package jwks fetches", true},
		{"a service account", `{"type":"service_account","private_key":"x","client_email":"y"}`, "it is a service account of Google with its private key", true},
		{"a JWK without kty", `{"n":"x","e":"AQAB"}`, "it is a JWK without kty", true},
		{"a set in another", `{"jwks":{"keys":[]}}`, `the set is its member "jwks"`, true},
		{"an error message", `{"error":"not_found"}`, "it is an error message", true},
		{"a private JWK", set(jwkOf(edKey(), members{"d": b64(edKey().Seed())})), "it is a private key, by its member", true},
		{"only white space", " \n\t", "it is empty", true},

		{"a chain of certificates", chain, "block 2 is the certificate of the authority that issued block 1: give only the signer's certificate", true},
		{"a certificate and an authority of the same name", issued("signer", "authority", p256Key(), rsaKey()) + issued("authority", "authority", edKey(), edKey()), "ES256", false},
		{"a certificate and one of the same signer", issued("signer", "authority", p256Key(), rsaKey()) + issued("other", "other", rsaKey(), rsaKey()), "ES256", false},
		{"a certificate and a public key", issued("signer", "authority", p256Key(), rsaKey()) + publicPEM(edKey()), "ES256", false},
		{"two self-signed certificates of one name", certificate(p256Key(), 0) + certificate(rsaKey(), 0), "ES256", false},
		{"a compressed point", spki(ec, curve(1, 2, 840, 10045, 3, 1, 7), append([]byte{2}, make([]byte, 32)...)), "its point is compressed: openssl ec -pubin -in FILE -conv_form uncompressed", true},
		{"no point", spki(ec, curve(1, 2, 840, 10045, 3, 1, 7), nil), "it is damaged", true},
		{"a curve spelled out", spki(ec, must(asn1.Marshal(struct{ Version int }{1})), append([]byte{4}, make([]byte, 64)...)), "its curve is spelled out, not named: openssl ec -pubin -in FILE -param_enc named_curve", true},
		{"parameters and a private key", block("EC PARAMETERS", curve(1, 2, 840, 10045, 3, 1, 7)) + privatePEM(p256Key()), "a private key behind them", true},
		{"other parameters", block("X9.42 DH PARAMETERS", nil), "these are parameters, not a key", true},
		{"two labels", strings.Replace(publicPEM(rsaKey()), "END PUBLIC", "END RSA PUBLIC", 1), `it begins as "PUBLIC KEY" and ends as "RSA PUBLIC KEY"`, true},
		{"four hyphens", strings.ReplaceAll(publicPEM(rsaKey()), "-----", "----"), "its first line is damaged", true},
		{"dashes of a word processor", strings.ReplaceAll(publicPEM(rsaKey()), "--", "\u2014"), "its first line is damaged", true},
		{"small letters", strings.ToLower(publicPEM(rsaKey())), "its first line is damaged", true},
		{"base64url without its lines", strings.NewReplacer("\n", "", "+", "-", "/", "_", "=", "").Replace(body), "and write + and / for - and _", true},
		{"an SSH key, Ed25519", sshEd25519, `which ssh-keygen does not write in PEM: write it as a JWK, {"kty":"OKP","crv":"Ed25519","x":"` + b64(edKey().Public().(ed25519.PublicKey)) + `"}`, true},
		{"an SSH key of a security key", "sk-ssh-ed25519@openssh.com AAAAGnNr ada\n", "of a security key, which signs no tokens", true},
		{"an array of JWKs", "[" + jwkOf(edKey(), nil).String() + "]", `a JWK Set is an object, {"keys": [...]}`, true},
		{"settings", "JWT_SECRET=abc\nOTHER=1\n", "it is a file of settings (NAME=value): give only the value", true},
		{"a manifest of Kubernetes", "apiVersion: v1\nkind: Secret\ndata:\n  key: LS0tLS1\n", "it is a manifest of Kubernetes: mount", true},
		{"a realm of Keycloak", `{"realm":"staff","public_key":"MIIB","token-service":"x"}`, "it is a realm of Keycloak", true},
		{"a zip file", "PK\x03\x04\x14\x00", "it is compressed (zip)", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := keys.File(path)
			if tt.refused {
				refused(t, err, tt.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := s.All()[0].Algorithms(); string(got[0]) != tt.want {
				t.Errorf("may verify %v, want %s", got, tt.want)
			}
		})
	}
}

// certificateChain is a certificate and that of its authority, in PEM.
func certificateChain() string {
	return issued("signer", "authority", p256Key(), rsaKey()) + issued("authority", "authority", rsaKey(), rsaKey())
}

// issued is the certificate of a subject's key, signed by the issuer's, in PEM.
func issued(subject, issuer string, key, by crypto.Signer) string {
	named := func(name string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, named(subject), named(issuer), key.Public(), by)))
}

// TestFaultsG10PSS: an RSA key only for PSS is never used with another scheme.
func TestFaultsG10PSS(t *testing.T) {
	text := []byte(spki(oid(1, 2, 840, 113549, 1, 1, 10), nil, x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)))
	s, err := keys.PEM(text)
	if err != nil {
		t.Fatal(err)
	}
	if k := s.All()[0]; k.Allows(verifier.RS256) || !k.Allows(verifier.PS384) {
		t.Errorf("the key allows %v", k.Algorithms())
	}
	_, err = keys.PEM(text, keys.Algorithms(verifier.RS256))
	refused(t, err, "only for RSASSA-PSS")
	if _, err := keys.PEM(text, keys.Algorithms(verifier.PS512)); err != nil {
		t.Error(err)
	}
}

// TestDescribeNeverPanics: any file is described or not, and nothing else.
func TestDescribeNeverPanics(t *testing.T) {
	der := must(x509.MarshalPKIXPublicKey(&p256Key().PublicKey))
	for i := range der {
		for _, b := range []byte{0, 0x30, 0x7f, 0xff} {
			changed := bytes.Clone(der)
			changed[i] = b
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := keys.File(path); err == nil {
				usable(t, s.All())
			}
		}
	}
}
