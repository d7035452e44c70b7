package providers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// authority is a private certificate authority with one server certificate, for
// localhost. All tests share one.
type authority struct {
	dir           string
	ca, cert, key string // PEM files
	pool          *x509.CertPool
	tls           tls.Certificate
	client        *http.Client // trusts the authority

	certificate *x509.Certificate
	signer      *ecdsa.PrivateKey
}

var sharedAuthority = sync.OnceValues(makeAuthority)

func newAuthority(t testing.TB) *authority {
	t.Helper()
	return must[*authority](t)(sharedAuthority())
}

func makeAuthority() (*authority, error) {
	dir, err := os.MkdirTemp("", "providers-")
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, pool: x509.NewCertPool()}
	if a.signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.signer.PublicKey, a.signer)
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pool.AddCert(a.certificate)
	if a.ca, err = a.write("ca.pem", "CERTIFICATE", der); err != nil {
		return nil, err
	}
	if a.cert, a.key, err = a.issue("server"); err != nil {
		return nil, err
	}
	a.tls, err = tls.LoadX509KeyPair(a.cert, a.key)
	a.client = a.httpClient()
	return a, err
}

// issue makes a certificate for servers on localhost and for clients.
func (a *authority) issue(name string) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, &private.PublicKey, a.signer)
	if err != nil {
		return "", "", err
	}
	if cert, err = a.write(name+".pem", "CERTIFICATE", der); err != nil {
		return "", "", err
	}
	if der, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		return "", "", err
	}
	key, err = a.write(name+"-key.pem", "PRIVATE KEY", der)
	return cert, key, err
}

func (a *authority) write(name, kind string, der []byte) (path string, err error) {
	path = filepath.Join(a.dir, name)
	return path, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// httpClient returns a client that trusts the authority and keeps no connection.
func (a *authority) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}, DisableKeepAlives: true}}
}
