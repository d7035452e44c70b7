package keys

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Secret is a secret shared with the issuer, for HS256 (at least 32 bytes),
// HS384 (48) and HS512 (64). The bytes are the key as they are: a secret that
// was handed out as base64 is for [Base64Secret], and a line break at the end
// of a file is its own byte.
//
// To rotate it, [Join] the current and the previous one. What reads as a key or a
// certificate is refused, in any usual wrapping: PEM, DER, a JWK, an SSH key, XML, and
// these in base64, hex or JSON. As a secret, a public key would let anybody who knows
// it sign tokens.
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
