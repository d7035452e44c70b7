package socketio

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// pattern is a pattern of room names.
type pattern struct{ parts []part }

// part is one of a literal text, a claim and a wildcard.
type part struct {
	text  string // the literal
	claim string // its name
	star  int    // 1 for *, 2 for **
	until byte   // what a claim or * may not contain; 0 for anything
}

func parsePattern(text string) (*pattern, error) {
	if text == "" {
		return nil, errors.New("the pattern is empty")
	}
	p := &pattern{}
	for rest := text; rest != ""; {
		var next part
		switch {
		case strings.HasPrefix(rest, "**"):
			next, rest = part{star: 2}, rest[2:]
			if rest != "" {
				return nil, errors.New("** must be the end of the pattern")
			}
		case rest[0] == '*':
			next, rest = part{star: 1}, rest[1:]
		case rest[0] == '{':
			name, after, ok := strings.Cut(rest[1:], "}")
			if !ok || name == "" || strings.ContainsAny(name, "{*") {
				return nil, errors.New("expected {name} with the name of a claim")
			}
			next, rest = part{claim: name}, after
		case rest[0] == '}':
			return nil, errors.New("} without {")
		default:
			n := strings.IndexAny(rest, "*{}")
			if n < 0 {
				n = len(rest)
			}
			next, rest = part{text: rest[:n]}, rest[n:]
		}
		if k := len(p.parts); k > 0 && next.text == "" && p.parts[k-1].text == "" {
			return nil, errors.New("a delimiter must stand between claims and wildcards")
		}
		p.parts = append(p.parts, next)
	}
	return p, p.delimit()
}

// delimit finds out what the variable parts may not contain.
func (p *pattern) delimit() error {
	for i := range p.parts {
		part := &p.parts[i]
		if part.text != "" || part.star == 2 {
			continue
		}
		if i > 0 {
			before := p.parts[i-1].text
			part.until = before[len(before)-1]
		}
		if i+1 == len(p.parts) {
			continue
		}
		after := p.parts[i+1].text[0]
		if part.until != 0 && part.until != after {
			return fmt.Errorf("the same delimiter must stand before and after a claim or a wildcard: %q is not %q", part.until, after)
		}
		part.until = after
	}
	return nil
}

// match reports whether a room is one of the token's.
func (p *pattern) match(t *verifier.Token, room string) bool { return matchParts(p.parts, t, room) }

func matchParts(parts []part, t *verifier.Token, rest string) bool {
	if len(parts) == 0 {
		return rest == ""
	}
	first := parts[0]
	switch {
	case first.text != "":
		after, ok := strings.CutPrefix(rest, first.text)
		return ok && matchParts(parts[1:], t, after)
	case first.star == 2:
		return rest != ""
	}
	n := len(rest)
	if first.until != 0 {
		if i := strings.IndexByte(rest, first.until); i >= 0 {
			n = i
		}
	}
	value := rest[:n]
	if value == "" || first.claim != "" && !slices.Contains(claimValues(t, first.claim), value) {
		return false
	}
	return matchParts(parts[1:], t, rest[n:])
}

// claimValues are the values of a claim that is a string, a number or a list of strings.
func claimValues(t *verifier.Token, name string) []string {
	switch name { // also of tokens that the application made
	case "iss":
		return []string{t.Issuer}
	case "sub":
		return []string{t.Subject}
	case "sid":
		return []string{t.SessionID}
	case "jti":
		return []string{t.ID}
	}
	return claimTexts(t, name)
}
