package tickets

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// content is what a ticket has inside.
type content struct {
	Token  string `json:"t"`
	Origin string `json:"o,omitempty"` // of the page it was issued to, "" for other clients
	Bound  []byte `json:"b,omitempty"` // the hash of what Bind returned
	Issued int64  `json:"i"`           // milliseconds
}

// Ticket returns an extractor that reads a ticket from the query, the auth payload or the
// event "authenticate", under [Options.Name], and returns the token that the ticket was
// issued for. This uses up the ticket, even if the token is then refused.
//
// Clients 1.x and 2.x present the query of the connection to every namespace: each
// namespace after the first needs a ticket in the query of the namespace's CONNECT packet.
func (t *Tickets) Ticket() verifier.Extractor {
	find := verifier.OneOf(verifier.Query(t.o.Name), verifier.AuthPayload(t.o.Name))
	return verifier.ExtractorFunc(func(ctx context.Context, h *verifier.Handshake) (string, error) {
		ticket, err := find.Extract(ctx, h)
		if ticket == "" || err != nil {
			return "", err
		}
		return t.redeem(ctx, ticket, h)
	})
}

func invalid(cause error) error {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "ticket invalid", Reason: ErrInvalid, Err: fmt.Errorf("tickets: %w", cause),
	}
}

// redeem takes a ticket and returns its token.
func (t *Tickets) redeem(ctx context.Context, ticket string, h *verifier.Handshake) (string, error) {
	c, id, err := t.open(ticket)
	if err != nil {
		return "", invalid(err)
	}
	now, issued := t.o.Clock(), time.UnixMilli(c.Issued)
	until := issued.Add(t.o.Lifetime)
	if !now.Before(until) {
		return "", invalid(fmt.Errorf("the ticket expired %v ago", now.Sub(until)))
	}
	if issued.After(now.Add(maxSkew)) {
		return "", invalid(fmt.Errorf("the ticket was issued %v ahead of this clock", issued.Sub(now)))
	}
	// It is used from now on, even if it turns out to be stolen. Clocks differ by
	// maxSkew at most, so that no process takes it after the store has forgotten it.
	added, err := t.o.Store.Add(ctx, id, until.Add(2*maxSkew))
	switch {
	case err != nil:
		return "", &verifier.UnauthorizedError{
			Code: "temporarily_unavailable", Message: "ticket cannot be checked, try again later", Reason: ErrUnavailable, Retryable: true, Err: err,
		}
	case !added:
		return "", invalid(errors.New("the ticket was used before"))
	case !sameOrigin(c.Origin, h):
		return "", invalid(fmt.Errorf("the ticket is for the origin %q", c.Origin))
	}
	bound, err := t.bound(h)
	if err != nil || subtle.ConstantTimeCompare(bound, c.Bound) != 1 {
		return "", invalid(errors.New("the ticket is bound to something that is not presented"))
	}
	return c.Token, nil
}

// bound returns the hash of what a ticket is bound to, nil where nothing is.
func (t *Tickets) bound(h *verifier.Handshake) ([]byte, error) {
	if t.o.Bind == nil {
		return nil, nil
	}
	value := t.o.Bind(h)
	if value == "" {
		return nil, errors.New("tickets: Bind found nothing")
	}
	sum := sha256.Sum256([]byte(value))
	return sum[:], nil
}

// sameOrigin reports whether the handshake comes from where the ticket was issued
// to. Browsers name the origin of every websocket and of every request to another
// origin. They leave it out of polls to the page's own, and of script tags (JSONP),
// which Sec-Fetch-Site tells apart.
func sameOrigin(issued string, h *verifier.Handshake) bool {
	origins := h.Header["Origin"]
	switch {
	case len(origins) > 1:
		return false
	case len(origins) == 1 && origins[0] != "":
		got := normalOrigin(origins[0])
		return got == issued || issued == "" && isHost(got, h.Host)
	}
	site := h.Header.Get("Sec-Fetch-Site")
	return issued == "" || isHost(issued, h.Host) && (site == "" || site == "same-origin")
}

// normalOrigin spells an origin without the default port, in small letters. The text
// "null" and the like stay unchanged.
func normalOrigin(origin string) string {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Host == "" {
		return origin
	}
	return u.Scheme + "://" + withoutPort(u.Host, u.Scheme)
}

func withoutPort(host, scheme string) string {
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// isHost reports whether the origin is that of a host, as in a Host header.
func isHost(origin, host string) bool {
	scheme, name, ok := strings.Cut(origin, "://")
	return ok && name == withoutPort(strings.ToLower(host), scheme)
}

// The form of a ticket is base64url(salt, AES-256-GCM(content)). Key and nonce are
// derived from a secret and the salt, so that no two tickets share them.
const (
	saltSize  = 16
	keySize   = 32
	nonceSize = 12
	maxTicket = 32 << 10 // characters
	purpose   = "socketio-jwt ticket 1"
)

var base64url = base64.RawURLEncoding.Strict() // one spelling of each ticket

func (t *Tickets) seal(c content) string {
	plain, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings, bytes and a number
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	aead, nonce := derive(t.o.Secrets[0], salt)
	return base64url.EncodeToString(append(salt, aead.Seal(nil, nonce, plain, salt)...))
}

// open decrypts a ticket and returns its id.
func (t *Tickets) open(ticket string) (c content, id string, err error) {
	if len(ticket) > maxTicket {
		return c, "", errors.New("the ticket is too long")
	}
	sealed, err := base64url.DecodeString(ticket)
	if err != nil || len(sealed) <= saltSize || strings.ContainsAny(ticket, "\r\n") {
		return c, "", errors.New("the ticket cannot be read")
	}
	salt := sealed[:saltSize]
	for _, secret := range t.o.Secrets {
		aead, nonce := derive(secret, salt)
		plain, err := aead.Open(nil, nonce, sealed[saltSize:], salt)
		if err != nil {
			continue
		}
		if err := json.Unmarshal(plain, &c); err != nil {
			return c, "", err
		}
		return c, hex.EncodeToString(salt), nil
	}
	return c, "", errors.New("the ticket was not issued with these secrets")
}

func derive(secret, salt []byte) (cipher.AEAD, []byte) {
	material, err := hkdf.Key(sha256.New, secret, salt, purpose, keySize+nonceSize)
	if err != nil {
		panic(err) // the length is fixed
	}
	block, err := aes.NewCipher(material[:keySize])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead, material[keySize:]
}

// maxUsed is how many used tickets one process remembers.
const maxUsed = 1 << 16

// memory is a Store of this process. When it is full of tickets that could still be
// used it accepts nothing further, since to forget one would be to accept it again.
type memory struct {
	now func() time.Time

	mu   sync.Mutex // guards the rest
	used map[string]time.Time
	next time.Time // when the expired ones are dropped
}

func (m *memory) Add(_ context.Context, id string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if !now.Before(m.next) {
		for id, until := range m.used {
			if !now.Before(until) {
				delete(m.used, id)
			}
		}
		m.next = now.Add(maxSkew)
	}
	if _, ok := m.used[id]; ok {
		return false, nil
	}
	if len(m.used) >= maxUsed {
		return false, errors.New("tickets: too many were used within minutes")
	}
	m.used[id] = until
	return true, nil
}
