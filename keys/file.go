package keys

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// maxFile is far more than any file of keys has, and little enough to read.
const maxFile = 1 << 20

// byteOrderMark is what some editors begin a file with.
const byteOrderMark = "\ufeff"

// File loads the file at path, once. The file can be PEM, as for [PEM], a JWK or JWK Set, as for
// [JWKSet], or one public key or certificate in DER. For a secret, read the file and use [Secret] or
// [Base64Secret]: its bytes do not say which of them it is. The function File of package jwks watches a
// file that changes.
func File(path string, options ...Option) (*Set, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("keys: File: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	what := fmt.Sprintf("File(%q)", path)
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return loadJWKSet(what, data, options)
	case bytes.Contains(data, []byte(pemBegin)):
		return loadPEM(what, data, options)
	case len(data) > 0 && data[0] == 0x30: // a sequence of ASN.1
		if s, err := loadDER(what, data, options); s != nil || err != nil {
			return s, err
		}
	}
	if is := describe(data); is != "" {
		return nil, fmt.Errorf("keys: %s: neither PEM nor a JWK Set: %s", what, is)
	}
	return nil, fmt.Errorf("keys: %s: neither PEM nor a JWK Set: for a secret, read the file and use Secret or Base64Secret", what)
}

// loadDER loads a public key or a certificate. It returns neither a set nor an error
// for anything else.
func loadDER(what string, der []byte, options []Option) (*Set, error) {
	kinds := map[string]string{"a certificate": "CERTIFICATE", "an RSA public key (PKCS #1)": "RSA PUBLIC KEY"}
	kind := kinds[describeDER(der)]
	if _, ok := parseSPKI(der); ok {
		kind = "PUBLIC KEY"
	}
	if kind == "" {
		return nil, nil
	}
	return loadPEM(what, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), options)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes: is it a file of keys?", path, maxFile)
	}
	return data, nil
}
