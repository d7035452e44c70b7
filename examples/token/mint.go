package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// mint makes a token, for trying a server out. In production an authorization
// server does that.
func (c *command) mint(args []string) error {
	f := c.flags("mint")
	env := f.String("secret-env", "", "the environment `variable` with the secret to sign with")
	file := f.String("private-key", "", "a PEM `file` with the private key to sign with (PKCS #8)")
	algorithm := f.String("alg", "", "the algorithm (default: HS256 of a secret, RS256 of an RSA key, that of the curve of others)")
	kid := f.String("kid", "", "the key's id, for the header")
	typ := f.String("typ", "JWT", "the header's typ")
	claims := f.String("claims", "{}", "the claims, as `JSON`")
	expires := f.Duration("expires", 15*time.Minute, "how long the token is valid, unless the claims have exp; negative: it has expired; 0: it has no exp")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("mint takes no argument behind its options, and %q is one", f.Arg(0))
	}
	var payload map[string]any
	decoder := json.NewDecoder(strings.NewReader(*claims))
	decoder.UseNumber()
	if err := decoder.Decode(&payload); err != nil || payload == nil || decoder.More() {
		return fmt.Errorf("-claims is %.100q: expected a JSON object such as {\"sub\":\"ada\"}", *claims)
	}
	now := c.now()
	if _, ok := payload["iat"]; !ok {
		payload["iat"] = now.Unix()
	}
	if _, ok := payload["exp"]; !ok && *expires != 0 {
		payload["exp"] = now.Add(*expires).Unix()
	}
	key, err := c.signingKey(*env, *file)
	if err != nil {
		return err
	}
	header := map[string]any{"typ": *typ}
	if *kid != "" {
		header["kid"] = *kid
	}
	token, err := sign(key, *algorithm, header, payload)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, token)
	return nil
}

// signingKey returns the secret or the private key.
func (c *command) signingKey(env, file string) (any, error) {
	switch {
	case (env == "") == (file == ""):
		return nil, errors.New("give either -secret-env or -private-key to sign with")
	case env != "":
		secret := c.getenv(env)
		if secret == "" {
			return nil, fmt.Errorf("the environment variable %s is empty", env)
		}
		return []byte(secret), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s: expected -----BEGIN PRIVATE KEY-----, as openssl genpkey writes it", file)
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// sign makes a token (RFC 7515 §5.1), whether or not a verifier would take the key
// for good enough: that is what explain is for.
func sign(key any, algorithm string, header, payload map[string]any) (string, error) {
	if algorithm == "" {
		algorithm = usual(key)
	}
	header["alg"] = algorithm
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := signature(key, algorithm, input)
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func usual(key any) string {
	switch k := key.(type) {
	case []byte:
		return "HS256"
	case *rsa.PrivateKey:
		return "RS256"
	case *ecdsa.PrivateKey:
		return map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[k.Curve.Params().BitSize]
	case ed25519.PrivateKey:
		return "EdDSA"
	}
	return ""
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

func signature(key any, algorithm, input string) ([]byte, error) {
	unfit := fmt.Errorf("the algorithm %q does not fit the key: %s would", algorithm, usual(key))
	if k, ok := key.(ed25519.PrivateKey); ok && algorithm == "EdDSA" {
		return ed25519.Sign(k, []byte(input)), nil
	}
	if len(algorithm) != 5 || !hashes[algorithm[2:]].Available() {
		return nil, unfit
	}
	family, hash := algorithm[:2], hashes[algorithm[2:]]
	h := hash.New()
	h.Write([]byte(input))
	digest := h.Sum(nil)
	switch k := key.(type) {
	case []byte:
		if family == "HS" {
			mac := hmac.New(hash.New, k)
			mac.Write([]byte(input))
			return mac.Sum(nil), nil
		}
	case *rsa.PrivateKey:
		switch family {
		case "RS":
			return rsa.SignPKCS1v15(nil, k, hash, digest)
		case "PS":
			return rsa.SignPSS(rand.Reader, k, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
	case *ecdsa.PrivateKey:
		if algorithm == usual(k) {
			r, s, err := ecdsa.Sign(rand.Reader, k, digest)
			if err != nil {
				return nil, err
			}
			size := (k.Curve.Params().BitSize + 7) / 8
			out := make([]byte, 2*size) // R and S of fixed length (RFC 7518 §3.4)
			r.FillBytes(out[:size])
			s.FillBytes(out[size:])
			return out, nil
		}
	}
	return nil, unfit
}
