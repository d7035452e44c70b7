package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Secret loads a secret that the server shares with the issuer, for HS256 (at least 32 bytes), HS384
// (48) and HS512 (64). A shorter one is an error (RFC 7518 §3.2). The bytes are the key as they are: for
// a secret that was handed out as base64 use [Base64Secret], and cut off the line break at the end of a
// file.
//
// Text that looks like a key or a certificate is an error, in any usual wrapping: PEM, DER, a JWK, an
// SSH key or XML, and these in base64, hex or JSON. If a public key were used as a secret, anybody who
// knows it could sign tokens.
//
// To rotate a secret, [Join] the new and the old one.
func Secret(secret []byte, options ...Option) (*Set, error) {
	return loadSecret("Secret", secret, options)
}

// Base64Secret loads a secret that was handed out as base64, such as an older client secret of Auth0.
// The text may be in the standard or the URL alphabet (RFC 4648 §4, §5), padded or not. It is refused if
// it mixes the alphabets, has white space in it, or does not end at a whole byte. Any text of letters
// and digits can be read as base64: use this function only if the issuer says that the secret is.
// The options and checks are those of [Secret].
func Base64Secret(text string, options ...Option) (*Set, error) {
	secret, err := decodeBase64(text)
	if err != nil {
		err = fmt.Errorf("keys: Base64Secret: %w", err)
	}
	var set *Set
	if err == nil {
		set, err = loadSecret("Base64Secret", secret, options)
	}
	// Hexadecimal digits pass for base64 too, and a key is not bad base64.
	if _, is := loadSecret("Base64Secret", []byte(text), []Option{InsecureAllowShortSecret()}); is != nil && text != "" && (err == nil || secret == nil) {
		return nil, is
	}
	return set, err
}

func loadSecret(what string, secret []byte, options []Option) (*Set, error) {
	o, err := collect(options)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	k, err := newKey(secret, o)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", what, err)
	}
	return newSet(what, []*verifier.Key{k})
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
