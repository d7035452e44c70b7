package keys_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestFile(t *testing.T) {
	tests := []struct {
		name    string
		content string
		options []keys.Option
		want    []string
		says    string
	}{
		{"PEM", "a comment\n" + publicPEM(rsaKey()) + publicPEM(edKey()), nil, []string{":RS256", ":EdDSA"}, ""},
		{"PEM with an id", publicPEM(rsaKey()), []keys.Option{keys.ID("a")}, []string{"a:RS256"}, ""},
		{"a JWK Set", " \n" + set(jwkOf(rsaKey(), members{"kid": "a"})), nil, []string{"a:RS256"}, ""},
		{"a JWK", jwkOf(p256Key(), nil).String(), nil, []string{":ES256"}, ""},
		{"a byte order mark", "\ufeff" + publicPEM(rsaKey()), nil, []string{":RS256"}, ""},
		{"a byte order mark before JSON", "\ufeff" + set(jwkOf(edKey(), nil)), nil, []string{":EdDSA"}, ""},

		{"empty", "", nil, nil, "neither PEM nor a JWK Set"},
		{"a secret", secret, nil, nil, "for a secret, read the file and use Secret or Base64Secret"},
		{"a private key", privatePEM(rsaKey()), nil, nil, "block 1, PRIVATE KEY: this is a private key"},
		{"a bad JWK", set(members{"kty": "AKP"}), nil, nil, `JWK 1: its kty is "AKP"`},
		{"as long as a file may be", strings.Repeat("#", 1<<20-1-len(publicPEM(edKey()))) + "\n" + publicPEM(edKey()), nil, []string{":EdDSA"}, ""},
		{"huge", strings.Repeat("#", 1<<20) + publicPEM(rsaKey()), nil, nil, "more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := keys.File(path, tt.options...)
			if tt.says != "" {
				refused(t, err, tt.says)
				refused(t, err, path)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, s, "", verifier.RS256); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("missing", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "keys.pem")
		_, err := keys.File(path)
		refused(t, err, path)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v is not fs.ErrNotExist", err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		path := t.TempDir()
		_, err := keys.File(path)
		refused(t, err, path)
	})
}
