package socketio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Audit writes a record of every decision to the logger: at the level info if it
// accepts, at warn if it refuses. The message is "socketio audit". The attributes are
// stable; docs/authorization.md lists them. A record names a token by a hash.
func Audit(l *slog.Logger) Option {
	return once("Audit", func(c *config) error {
		if l == nil {
			return errors.New("socketio: Audit: the logger is nil")
		}
		c.audit = &auditor{safeLogger(l)}
		return Observe(c.audit.observer())(c)
	})
}

// auditor writes audit records. A nil one writes none.
type auditor struct{ logger *slog.Logger }

const auditMessage = "socketio audit"

// An auditAction is what a record is about. docs/authorization.md lists them, and the
// attributes.
type auditAction string

const (
	auditConnect      auditAction = "connect"
	auditAuthenticate auditAction = "authenticate"
	auditRenew        auditAction = "renew"
	auditEvent        auditAction = "event"
	auditJoin         auditAction = "join"
	auditLeave        auditAction = "leave"
	auditEnd          auditAction = "end"
	auditDrop         auditAction = "drop"
)

// An auditAttribute is the name of an attribute of a record.
type auditAttribute string

const (
	attrAction    auditAttribute = "action"
	attrDecision  auditAttribute = "decision"
	attrResource  auditAttribute = "resource"
	attrNamespace auditAttribute = "namespace"
	attrRemote    auditAttribute = "remote"
	attrIssuer    auditAttribute = "iss"
	attrSubject   auditAttribute = "sub"
	attrSessionID auditAttribute = "sid"
	attrTokenID   auditAttribute = "jti"
	attrToken     auditAttribute = "token"
	attrReason    auditAttribute = "reason"
	attrCode      auditAttribute = "code"
	attrRetryable auditAttribute = "retryable"
)

// record writes one record. Empty values are left out.
func (l *auditor) record(h *verifier.Handshake, t *verifier.Token, action auditAction, resource string, cause error) {
	level, decision := slog.LevelInfo, "accepted"
	attributes := make([]slog.Attr, 0, 12)
	var refused *verifier.UnauthorizedError
	if errors.As(cause, &refused) && refused != nil {
		level, decision = slog.LevelWarn, "refused"
	}
	add := func(name auditAttribute, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(string(name), value))
		}
	}
	add(attrAction, string(action))
	add(attrDecision, decision)
	add(attrResource, resource)
	add(attrNamespace, h.Namespace)
	add(attrRemote, h.RemoteAddr)
	if t != nil {
		add(attrIssuer, t.Issuer)
		add(attrSubject, t.Subject)
		add(attrSessionID, t.SessionID)
		add(attrTokenID, t.ID)
		if t.Raw() != "" {
			sum := sha256.Sum256([]byte(t.Raw()))
			add(attrToken, hex.EncodeToString(sum[:16]))
		}
	}
	if refused != nil {
		add(attrReason, string(refused.Reason))
		add(attrCode, refused.Code)
		attributes = append(attributes, slog.Bool(string(attrRetryable), refused.Retryable))
	} else if cause != nil {
		add(attrReason, "disconnected")
	}
	l.logger.LogAttrs(context.Background(), level, auditMessage, attributes...)
}

// observer records what happens to connections and sessions.
func (l *auditor) observer() Observer {
	return Observer{
		Verifying: func(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
			action := auditConnect
			switch {
			case old != nil:
				action = auditRenew
			case h.InBand:
				action = auditAuthenticate
			}
			return ctx, func(t *verifier.Token, err *verifier.UnauthorizedError) {
				var cause error
				if err != nil {
					cause = err
					if t == nil {
						t = old // whose session it is
					}
				}
				l.record(h, t, action, "", cause)
			}
		},
		Ended: func(h *verifier.Handshake, t *verifier.Token, _ time.Duration, cause error) {
			l.record(h, t, auditEnd, "", cause)
		},
		Dropped: func(h *verifier.Handshake, err *verifier.UnauthorizedError) { l.record(h, nil, auditDrop, "", err) },
	}
}

// decided records a decision about an event or a room.
func (l *auditor) decided(h *verifier.Handshake, s *Session, action auditAction, resource string, refused *verifier.UnauthorizedError) {
	if l == nil {
		return
	}
	var t *verifier.Token
	if s != nil {
		t = s.Token()
	}
	var cause error
	if refused != nil {
		cause = refused
	}
	l.record(h, t, action, resource, cause)
}
