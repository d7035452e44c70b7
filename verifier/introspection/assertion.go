package introspection

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"reflect"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// assertionLifetime is how long a client assertion is good, in seconds.
const assertionLifetime = 60

// PrivateKeyJWT authenticates this server to the endpoint by an assertion that it
// signs anew for each request, private_key_jwt (RFC 7523 §2.2, OpenID Connect Core
// 1.0 §9). key is an RSA key (RS256), an EC key on P-256, P-384 or P-521 (ES256,
// ES384, ES512) or an Ed25519 key (EdDSA), also one in a hardware module; kid
// names it, and may be "". audience is what the server asks for in aud: its issuer
// (RFC 7523 §3) or the URL of its token endpoint.
func PrivateKeyJWT(clientID, audience string, key crypto.Signer, kid string) Option {
	return func(c *config) error {
		if clientID == "" || audience == "" {
			return errors.New("PrivateKeyJWT: the client id or the audience is empty")
		}
		algorithm, sign, err := signerOf(key)
		if err != nil {
			return fmt.Errorf("PrivateKeyJWT: %w", err)
		}
		header := map[string]string{"alg": string(algorithm), "typ": "JWT"}
		if kid != "" {
			header["kid"] = kid
		}
		return c.authenticate(func(_ context.Context, form url.Values, _ http.Header) error {
			now := c.now().Unix() // of the clock that may be set by a later option
			input, err := segments(header, map[string]any{
				"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(), "iat": now, "exp": now + assertionLifetime,
			})
			if err != nil {
				return err
			}
			signature, err := sign([]byte(input))
			if err != nil {
				return fmt.Errorf("the client assertion: %w", err)
			}
			form.Set("client_id", clientID)
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", input+"."+base64.RawURLEncoding.EncodeToString(signature))
			return nil
		})
	}
}

// segments returns the first two parts of a JWT.
func segments(header, claims any) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body), nil
}

// signerOf returns the algorithm of a key, and what signs with it (RFC 7518 §3.3,
// §3.4, RFC 8037 §3.1).
func signerOf(key crypto.Signer) (verifier.Algorithm, func(input []byte) ([]byte, error), error) {
	if v := reflect.ValueOf(key); key == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", nil, errors.New("the key is nil")
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < 2048 {
			return "", nil, fmt.Errorf("the RSA key has %d bits: expected 2048 or more (RFC 7518 §3.3)", public.N.BitLen())
		}
		return verifier.RS256, func(input []byte) ([]byte, error) {
			return key.Sign(rand.Reader, sum(crypto.SHA256, input), crypto.SHA256)
		}, nil
	case ed25519.PublicKey:
		return verifier.EdDSA, func(input []byte) ([]byte, error) { return key.Sign(rand.Reader, input, crypto.Hash(0)) }, nil
	case *ecdsa.PublicKey:
		switch name := public.Curve.Params().Name; name {
		case "P-256":
			return verifier.ES256, signEC(key, crypto.SHA256, 32), nil
		case "P-384":
			return verifier.ES384, signEC(key, crypto.SHA384, 48), nil
		case "P-521":
			return verifier.ES512, signEC(key, crypto.SHA512, 66), nil
		default:
			return "", nil, fmt.Errorf("the EC key is on the curve %s: expected P-256, P-384 or P-521", name)
		}
	}
	return "", nil, fmt.Errorf("the key is %T: expected an RSA, EC or Ed25519 key", key)
}

// signEC signs by ECDSA: the two numbers side by side, each of the size of the
// curve (RFC 7518 §3.4).
func signEC(key crypto.Signer, hash crypto.Hash, size int) func([]byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		der, err := key.Sign(rand.Reader, sum(hash, input), hash)
		if err != nil {
			return nil, err
		}
		var numbers struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &numbers); err != nil {
			return nil, err
		}
		out := make([]byte, 2*size)
		numbers.R.FillBytes(out[:size])
		numbers.S.FillBytes(out[size:])
		return out, nil
	}
}

func sum(hash crypto.Hash, input []byte) []byte {
	switch hash {
	case crypto.SHA384:
		s := sha512.Sum384(input)
		return s[:]
	case crypto.SHA512:
		s := sha512.Sum512(input)
		return s[:]
	}
	s := sha256.Sum256(input)
	return s[:]
}
