package keys

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// maxFile is far more than any file of keys has, and little enough to read.
const maxFile = 1 << 20

// File loads the file at path once: PEM as [PEM] does, or a JWK or JWK Set as
// [JWKSet] does, whichever it holds. A secret has no format to be told by: read
// it and use [Secret] or [Base64Secret].
func File(path string, options ...Option) (*Set, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("keys: File: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors begin a file with a byte order mark
	what := fmt.Sprintf("File(%q)", path)
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")):
		return loadJWKSet(what, data, options)
	case bytes.Contains(data, []byte(pemBegin)):
		return loadPEM(what, data, options)
	}
	return nil, fmt.Errorf("keys: %s: neither PEM nor a JWK Set: for a secret, read the file and use Secret or Base64Secret", what)
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
