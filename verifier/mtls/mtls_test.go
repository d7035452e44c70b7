package mtls

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The example of RFC 8705, appendix A: a certificate and its thumbprint.
const (
	rfcCertificate = `-----BEGIN CERTIFICATE-----
MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAx
ODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ
/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwID
SQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOV
bUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=
-----END CERTIFICATE-----
`
	rfcThumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
)

func rfcCert(t testing.TB) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(rfcCertificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestRFC8705(t *testing.T) {
	if got := Thumbprint(rfcCert(t).Raw); got != rfcThumbprint {
		t.Errorf("the thumbprint is %s, want %s", got, rfcThumbprint)
	}
}

// server accepts any token and takes its cnf from the table.
func server(t testing.TB, cnf string, options ...Option) *verifier.Verifier {
	t.Helper()
	cert, err := New(options...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.NewOpaque(verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
		return []byte(`{"active":true,"sub":"s","cnf":` + cnf + `}`), nil
	}), verifier.Validate(cert))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestValidate(t *testing.T) {
	cert := rfcCert(t)
	other := newCertificate(t).Leaf
	shown := func(certs ...*x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: certs}
	}
	field := func(c *x509.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" }
	escaped := func(c *x509.Certificate) string {
		return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	padded := func(n int) string { return escaped(cert) + strings.Repeat("\n", n-len(escaped(cert))) }
	network := netip.MustParsePrefix("10.0.0.0/8")
	nine := TrustHeader("client-cert", StructuredField, network)
	nginx := TrustHeader("X-SSL-Client-Cert", EscapedPEM, network)
	const inside, outside = "10.1.2.3:4", "192.0.2.1:4"
	bound := fmt.Sprintf(`{"x5t#S256":%q}`, rfcThumbprint)

	for _, row := range []struct {
		name    string
		cnf     string
		options []Option
		remote  string
		tls     *tls.ConnectionState
		header  http.Header
		reason  verifier.Reason
	}{
		{"the certificate", bound, nil, outside, shown(cert), nil, ""},
		{"the certificate and its chain", bound, nil, outside, shown(cert, other), nil, ""},
		{"another certificate", bound, nil, outside, shown(other), nil, ErrCertificateMismatch},
		{"another certificate before it", bound, nil, outside, shown(other, cert), nil, ErrCertificateMismatch},
		{"no certificate", bound, nil, outside, shown(), nil, ErrCertificateMissing},
		{"no TLS", bound, nil, outside, nil, nil, ErrCertificateMissing},
		{"a thumbprint in another case", fmt.Sprintf(`{"x5t#S256":%q}`, strings.ToLower(rfcThumbprint)), nil, outside, shown(cert), nil, ErrCertificateMismatch},
		{"a thumbprint with padding", fmt.Sprintf(`{"x5t#S256":%q}`, rfcThumbprint+"="), nil, outside, shown(cert), nil, ErrCertificateMismatch},
		{"bound to nothing", `{}`, nil, outside, shown(cert), nil, ErrNotBound},
		{"bound to nothing, where that is allowed", `{}`, []Option{AllowBearer()}, outside, nil, nil, ""},
		{"bound, where that is not asked for", bound, []Option{AllowBearer()}, outside, nil, nil, ErrCertificateMissing},
		{"bound to a key of DPoP too", fmt.Sprintf(`{"x5t#S256":%q,"jkt":"x"}`, rfcThumbprint), nil, outside, shown(cert), nil, verifier.ErrTokenBound},

		{"a header by the proxy", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {field(cert)}}, ""},
		{"a header of nginx", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {escaped(cert)}}, ""},
		{"another certificate in the header", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {field(other)}}, ErrCertificateMismatch},
		{"a header that is not trusted", bound, nil, inside, nil, http.Header{"Client-Cert": {field(cert)}}, ErrCertificateMissing},
		{"a header by somebody else", bound, []Option{nine}, outside, nil, http.Header{"Client-Cert": {field(cert)}}, ErrCertificateMissing},
		{"a header by somebody else, over TLS", bound, []Option{nine}, outside, shown(other), http.Header{"Client-Cert": {field(cert)}}, ErrCertificateMismatch},
		{"directly, where a proxy is trusted", bound, []Option{nine}, outside, shown(cert), nil, ""},
		{"the proxy's own certificate", bound, []Option{nine}, inside, shown(cert), nil, ErrCertificateMissing},
		{"no header by the proxy", bound, []Option{nine}, inside, nil, nil, ErrCertificateMissing},
		{"an empty header", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {""}}, ErrCertificateMissing},
		{"two headers", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {field(cert), field(cert)}}, ErrCertificateInvalid},
		{"no colons", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {strings.Trim(field(cert), ":")}}, ErrCertificateInvalid},
		{"no colon before it", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {field(cert)[1:]}}, ErrCertificateInvalid},
		{"no colon behind it", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {strings.TrimSuffix(field(cert), ":")}}, ErrCertificateInvalid},
		{"no base64", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {":***:"}}, ErrCertificateInvalid},
		{"no certificate in it", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {":AAAA:"}}, ErrCertificateInvalid},
		{"two certificates", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {field(cert) + ", " + field(cert)}}, ErrCertificateInvalid},
		{"something behind it", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {escaped(cert) + escaped(cert)}}, ErrCertificateInvalid},
		{"another kind of PEM", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {strings.ReplaceAll(escaped(cert), "CERTIFICATE", "PUBLIC%20KEY")}}, ErrCertificateInvalid},
		{"half an escape", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {"%2"}}, ErrCertificateInvalid},
		{"the other format", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {field(cert)}}, ErrCertificateInvalid},
		{"as long as it may be", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {padded(maxHeader)}}, ""},
		{"one byte longer", bound, []Option{nginx}, inside, nil, http.Header{"X-Ssl-Client-Cert": {padded(maxHeader + 1)}}, ErrCertificateInvalid},
		{"too long", bound, []Option{nine}, inside, nil, http.Header{"Client-Cert": {":" + strings.Repeat("A", maxHeader) + ":"}}, ErrCertificateInvalid},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := server(t, row.cnf, row.options...).Authenticate(context.Background(), &verifier.Handshake{
				Auth: map[string]any{"token": "x"}, RemoteAddr: row.remote, TLS: row.tls, Header: row.header,
			})
			switch {
			case row.reason == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case row.reason != "":
				if u := verifier.AsUnauthorized(err); u == nil || u.Reason != row.reason || u.Code != verifier.CodeInvalidToken {
					t.Fatalf("got %#v (%v), want %s", u, err, row.reason)
				}
			}
		})
	}
}

func TestMisconfigured(t *testing.T) {
	network := netip.MustParsePrefix("10.0.0.0/8")
	for word, option := range map[string]Option{
		"the name":         TrustHeader("", StructuredField, network),
		"not a Format":     TrustHeader("Client-Cert", 0, network),
		"are missing":      TrustHeader("Client-Cert", StructuredField),
		"not valid":        TrustHeader("Client-Cert", StructuredField, netip.Prefix{}),
		"an option is nil": nil,
	} {
		if _, err := New(option); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error with %s", err, word)
		}
	}
}

// TestConnection shows it over TLS: the token is good for the client whose
// certificate it names, and for no other.
func TestConnection(t *testing.T) {
	mine, theirs := newCertificate(t), newCertificate(t)
	v := server(t, fmt.Sprintf(`{"x5t#S256":%q}`, Thumbprint(mine.Leaf.Raw)))
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := v.Authenticate(r.Context(), verifier.HandshakeFromRequest(r)); err != nil {
			http.Error(w, string(verifier.AsUnauthorized(err).Reason), http.StatusUnauthorized)
		}
	}))
	web.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	web.StartTLS()
	defer web.Close()
	get := func(certs ...tls.Certificate) string {
		transport := web.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = certs
		defer transport.CloseIdleConnections()
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL, nil)
		request.Header.Set("Authorization", "Bearer x")
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var body bytes.Buffer
		_, _ = body.ReadFrom(response.Body)
		return strings.TrimSpace(body.String())
	}
	if got := get(mine); got != "" {
		t.Errorf("with the certificate: %s", got)
	}
	if got := get(theirs); got != string(ErrCertificateMismatch) {
		t.Errorf("with another: %s", got)
	}
	if got := get(); got != string(ErrCertificateMissing) {
		t.Errorf("with none: %s", got)
	}
}

// FuzzHeader: what is read of a header is a certificate, and the same one that
// another reader finds.
func FuzzHeader(f *testing.F) {
	block, _ := pem.Decode([]byte(rfcCertificate))
	f.Add(":" + base64.StdEncoding.EncodeToString(block.Bytes) + ":")
	f.Add(url.PathEscape(rfcCertificate))
	f.Add(":AA==:")
	f.Add("::")
	f.Add(":")
	f.Add("-----BEGIN CERTIFICATE-----%0A%")
	f.Fuzz(func(t *testing.T, value string) {
		for _, format := range []Format{StructuredField, EscapedPEM} {
			der, err := parse(format, value)
			if err != nil {
				if der != nil {
					t.Fatal("a certificate and an error")
				}
				continue
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil || !bytes.Equal(cert.Raw, der) {
				t.Fatalf("%q is not a certificate: %v", value, err)
			}
		}
	})
}

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
