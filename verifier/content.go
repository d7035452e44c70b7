package verifier

import "sync"

// content is the payload of a token that a [KeyProvider] is shown. A nil one has no claims.
type content struct {
	text    string // JSON; before somebody asks for it, base64url
	decode  sync.Once
	encoded bool // text came in base64url
	bad     bool // which it was not
}

// newUnverified makes what a provider is shown, and its content, in one allocation.
func newUnverified(h *Handshake, text string, encoded bool) *UnverifiedToken {
	both := &struct {
		token   UnverifiedToken
		content content
	}{UnverifiedToken{Handshake: h}, content{text: text, encoded: encoded}}
	both.token.content = &both.content
	return &both.token
}

// claims returns the payload. It decodes it once.
func (c *content) claims() (string, error) {
	if c == nil {
		return "", nil
	}
	if c.encoded {
		c.decode.Do(func() {
			s := scratches.Get().(*scratch)
			if text, ok := s.decode(c.text); ok {
				c.text = string(text)
			} else {
				c.bad = true
			}
			scratches.Put(s)
		})
	}
	if c.bad {
		return "", errPayloadBase64
	}
	return c.text, nil
}
