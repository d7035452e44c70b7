package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Secret is a secret shared with the issuer, for HS256 (at least 32 bytes),
// HS384 (48) and HS512 (64). The bytes are the key as they are: a secret that
// was handed out as base64 is for [Base64Secret], and a line break at the end
// of a file is a byte of its own.
//
// To rotate it, [Join] the current and the previous one. A public key is
// refused: as a secret it would let anybody who knows it sign tokens.
func Secret(secret []byte, options ...Option) (*Set, error) {
	return loadSecret("Secret", secret, options)
}

// Base64Secret is a secret that was handed out as base64, as Auth0's older
// client secrets were: in the standard or the URL alphabet (RFC 4648 §4, §5),
// padded or not. One that mixes the alphabets, has white space in it, or ends
// in a character that decodes to no whole byte is refused. Any text of letters
// and digits passes for base64: whether it is, its issuer knows.
func Base64Secret(text string, options ...Option) (*Set, error) {
	secret, err := decodeBase64(text)
	if err != nil {
		return nil, fmt.Errorf("keys: Base64Secret: %w", err)
	}
	return loadSecret("Base64Secret", secret, options)
}

func loadSecret(what string, secret []byte, options []Option) (*Set, error) {
	o, err := collect(options)
	if err == nil {
		err = looksPublic(secret)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	k, err := newKey(secret, o)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	return newSet(what, []*verifier.Key{k})
}

// looksPublic refuses what is a key in writing and no secret.
func looksPublic(secret []byte) error {
	trimmed := bytes.TrimSpace(secret)
	switch {
	case bytes.Contains(trimmed, []byte(pemBegin)):
		return errors.New("this is PEM, not a secret: use PEM")
	case bytes.HasPrefix(trimmed, []byte("{")) && bytes.Contains(trimmed, []byte(`"kty"`)):
		return errors.New("this is a JWK, not a secret: use JWKSet")
	case bytes.HasPrefix(trimmed, []byte("ssh-")), bytes.HasPrefix(trimmed, []byte("ecdsa-sha2-")):
		return errors.New("this is an SSH public key, not a secret")
	}
	if what := publicDER(secret); what != "" {
		return fmt.Errorf("this is a %s (DER), not a secret: %s", what, asPEM)
	}
	text := strings.NewReplacer("-", "+", "_", "/", "=", "", "\r", "", "\n", "").Replace(string(trimmed))
	if der, err := base64.RawStdEncoding.DecodeString(text); err == nil {
		if what := publicDER(der); what != "" {
			return fmt.Errorf("this is a %s (DER, in base64), not a secret: %s", what, asPEM)
		}
	}
	return nil
}

const asPEM = "put -----BEGIN PUBLIC KEY----- or its like around its base64 and use PEM"

// publicDER says what public thing the bytes are, "" if none.
func publicDER(der []byte) string {
	if _, err := x509.ParsePKIXPublicKey(der); err == nil {
		return "public key"
	}
	if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return "public key"
	}
	if _, err := x509.ParseCertificate(der); err == nil {
		return "certificate"
	}
	return ""
}

// decodeBase64 says what is wrong without saying what is there.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, " \t\r\n") {
		return nil, errors.New("there is white space in the base64: trim it")
	}
	standard, url := strings.ContainsAny(text, "+/"), strings.ContainsAny(text, "-_")
	if standard && url {
		return nil, errors.New("the base64 mixes the standard alphabet (+ /) with the URL one (- _)")
	}
	unpadded := strings.TrimRight(text, "=")
	if len(unpadded) != len(text) && (len(text)%4 != 0 || len(text)-len(unpadded) > 2) {
		return nil, errors.New("the padding of the base64 is wrong: leave it out, or fill up to a multiple of four")
	}
	encoding := base64.RawURLEncoding
	if standard {
		encoding = base64.RawStdEncoding
	}
	secret, err := encoding.Strict().DecodeString(unpadded)
	var at base64.CorruptInputError
	if errors.As(err, &at) {
		if int64(at) >= int64(len(unpadded))-1 && validBase64(unpadded) {
			return nil, errors.New("the base64 ends in the middle of a byte: is it cut off?")
		}
		return nil, fmt.Errorf("not base64: see byte %d", int64(at)+1)
	}
	return secret, err
}

// validBase64 tells whether text has no character beyond both alphabets.
func validBase64(text string) bool {
	return strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") == ""
}
