package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// decoded is what a token says of itself. Nothing of it is verified.
type decoded struct {
	header, claims       map[string]any
	headText, claimsText json.RawMessage
}

// parts reads a token, as much of it as there is. The error says what is wrong
// with the rest.
func parts(token string) (*decoded, error) {
	d := new(decoded)
	segments := strings.Split(token, ".")
	switch {
	case len(segments) == 5:
		return d, errors.New("it has five parts: an encrypted token (JWE), which only its receiver can read; a Socket.IO server wants a signed one")
	case len(segments) != 3:
		return d, fmt.Errorf("it has %s between dots: a JWT has three (RFC 7515 §7.1)", count(int64(len(segments)), "part"))
	}
	var err error
	if d.headText, d.header, err = object(segments[0]); err != nil {
		return d, fmt.Errorf("its header is %w", err)
	}
	if d.claimsText, d.claims, err = object(segments[1]); err != nil {
		return d, fmt.Errorf("its payload is %w", err)
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(segments[2]); err != nil {
		return d, errors.New("its signature is not base64url without padding: was it cut off, or something added?")
	}
	return d, nil
}

func object(segment string) (json.RawMessage, map[string]any, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return nil, nil, errors.New("not base64url without padding (RFC 7515 §2)")
	}
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil || members == nil || !json.Valid(text) {
		return nil, nil, errors.New("not a JSON object")
	}
	return text, members, nil
}

// date returns a claim that is a NumericDate (RFC 7519 §2).
func (d *decoded) date(name string) (time.Time, bool) {
	n, ok := d.claims[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > 1e14 {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC(), true
}

// text returns a member as text, JSON unless it is a string.
func text(v any) string {
	if v == nil {
		return "none"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// decode shows what a token says of itself.
func (c *command) decode(args []string) error {
	f := c.flags("decode")
	asJSON := f.Bool("json", false, "print JSON")
	if err := f.Parse(args); err != nil {
		return err
	}
	token, err := c.token(f.Args())
	if err != nil {
		return err
	}
	d, err := parts(token)
	r := c.reportOf(d)
	if err != nil {
		r.Verdict, r.Problem = refused, err.Error()
	}
	if err := c.show(r, *asJSON); err != nil {
		return err
	}
	if err != nil {
		return errRefused
	}
	return nil
}

// yearMillis is where dates in milliseconds begin: as seconds they lie beyond the
// year 5000.
const yearMillis = 1e11

// warnings are about what a server accepts, and its operator should not.
func (d *decoded) warnings() (list []string) {
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if d.header == nil {
		return nil
	}
	if alg, _ := d.header["alg"].(string); strings.EqualFold(alg, "none") {
		warn("its alg is %q: it is signed by nobody, and no server of this library accepts it", alg)
	}
	for _, name := range []string{"jku", "jwk", "x5u", "x5c"} {
		if _, ok := d.header[name]; ok {
			warn("its header has %s: a server must not take a key from there, and this library does not (RFC 8725 §3.10)", name)
		}
	}
	if d.claims != nil {
		d.warnOfClaims(warn)
	}
	return list
}

func (d *decoded) warnOfClaims(warn func(format string, args ...any)) {
	for _, name := range []string{"exp", "nbf", "iat"} {
		if n, ok := d.claims[name].(json.Number); ok {
			if f, err := n.Float64(); err == nil && f > yearMillis {
				warn("its %s looks like milliseconds: it must be in seconds (RFC 7519 §2)", name)
			}
		} else if v, ok := d.claims[name]; ok {
			warn("its %s is %s: it must be a number", name, text(v))
		}
	}
	exp, ok := d.date("exp")
	iat, issued := d.date("iat")
	if _, there := d.claims["exp"]; !there {
		warn("it has no exp: it is good forever, and so is a session, unless the server asks for one (RequireExpiration)")
	} else if life := exp.Sub(iat); ok && issued && life > 24*time.Hour {
		warn("it is good for %s: so is a stolen one", words(life))
	}
	if _, ok := d.claims["aud"]; !ok {
		warn("it has no aud: it may be presented to any server that trusts the issuer (RFC 8725 §3.9)")
	}
}
