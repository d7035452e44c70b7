package mtls

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/proxy"
)

// The reasons this package gives. Their code is invalid_token (RFC 8705 §3).
const (
	ErrCertificateMissing  verifier.Reason = "certificate_missing"  // the client showed no certificate
	ErrCertificateInvalid  verifier.Reason = "certificate_invalid"  // the proxy's header cannot be read
	ErrCertificateMismatch verifier.Reason = "certificate_mismatch" // the certificate is not the one that the token is bound to
	ErrNotBound            verifier.Reason = "token_not_bound"      // the token is bound to no certificate
)

// An Option configures a [Validator]. [New] returns an error for an invalid option.
type Option func(*config) error

type config struct {
	allowBearer bool
	header      string // canonical; "" if none is trusted
	format      Format
	proxies     proxy.Trusted
}

// Validator is a [verifier.Confirmer] of tokens bound by cnf.x5t#S256. Make it
// with [New]. It is safe for concurrent use.
type Validator struct{ config }

var _ verifier.Confirmer = (*Validator)(nil)

// New makes a validator. Without options the certificate is that of the TLS
// connection, and every token must be bound to one.
func New(options ...Option) (*Validator, error) {
	v := new(Validator)
	for _, option := range options {
		if option == nil {
			return nil, errors.New("mtls: New: an option is nil")
		}
		if err := option(&v.config); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// AllowBearer also accepts tokens that are bound to no certificate. One that is
// bound still needs the certificate.
func AllowBearer() Option { return func(c *config) error { c.allowBearer = true; return nil } }

// TrustHeader takes the certificate from a header where the peer is a proxy in
// one of the networks. The proxy must set the header itself, or remove it,
// whatever the client sent. Such a peer's own certificate does not count; from
// any other peer the header does not.
func TrustHeader(name string, format Format, proxies ...netip.Prefix) Option {
	return func(c *config) (err error) {
		if c.header != "" {
			return errors.New("mtls: TrustHeader is given twice")
		}
		if name == "" {
			return errors.New("mtls: TrustHeader: the name of the header is empty")
		}
		if format != StructuredField && format != EscapedPEM {
			return fmt.Errorf("mtls: TrustHeader: %d is not a Format: expected StructuredField or EscapedPEM", format)
		}
		if c.proxies, err = proxy.New(proxies); err != nil {
			return fmt.Errorf("mtls: TrustHeader: %w", err)
		}
		c.header, c.format = http.CanonicalHeaderKey(name), format
		return nil
	}
}

// Confirms returns [verifier.ConfirmX5TS256].
func (v *Validator) Confirms() string { return verifier.ConfirmX5TS256 }

// Validate checks that the client showed the certificate that the token is bound
// to. The error is always an [*verifier.UnauthorizedError].
func (v *Validator) Validate(_ context.Context, t *verifier.Token, h *verifier.Handshake) error {
	bound := t.Confirmation(verifier.ConfirmX5TS256)
	if bound == "" {
		if v.allowBearer {
			return nil
		}
		return refuse(ErrNotBound, "the token is not bound to a certificate", nil)
	}
	der, err := v.certificate(h)
	if err != nil {
		return refuse(ErrCertificateInvalid, "the client certificate cannot be read", err)
	}
	if der == nil {
		return refuse(ErrCertificateMissing, "no client certificate provided", nil)
	}
	if subtle.ConstantTimeCompare([]byte(Thumbprint(der)), []byte(bound)) != 1 {
		return refuse(ErrCertificateMismatch, "the token is bound to another certificate", nil)
	}
	return nil
}

// certificate returns the client's certificate in DER, nil if it showed none.
func (v *Validator) certificate(h *verifier.Handshake) ([]byte, error) {
	if v.header != "" && v.proxies.Sent(h.RemoteAddr) {
		switch values := h.Header[v.header]; {
		case len(values) > 1:
			return nil, fmt.Errorf("the header %s occurs more than once", v.header)
		case len(values) == 0 || values[0] == "":
			return nil, nil
		default:
			return parse(v.format, values[0])
		}
	}
	if h.TLS == nil || len(h.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	return h.TLS.PeerCertificates[0].Raw, nil
}

// Thumbprint returns the SHA-256 thumbprint of a certificate in DER: what an
// authorization server puts into cnf.x5t#S256 (RFC 8705 §3.1).
func Thumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func refuse(reason verifier.Reason, message string, cause error) error {
	return &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: message, Reason: reason, Err: cause}
}
