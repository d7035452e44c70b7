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

// Audit has a record of every decision written to the logger: at the level info what is
// accepted, at warn what is refused. The message is "socketio audit"; the attributes are
// stable, and listed in docs/authorization.md. Tokens are named by a hash.
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

// record writes one record. Empty values are left out.
func (l *auditor) record(h *verifier.Handshake, t *verifier.Token, action, resource string, cause error) {
	level, decision := slog.LevelInfo, "accepted"
	attributes := make([]slog.Attr, 0, 12)
	var refused *verifier.UnauthorizedError
	if errors.As(cause, &refused) && refused != nil {
		level, decision = slog.LevelWarn, "refused"
	}
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, slog.String(name, value))
		}
	}
	add("action", action)
	add("decision", decision)
	add("resource", resource)
	add("namespace", h.Namespace)
	add("remote", h.RemoteAddr)
	if t != nil {
		add("iss", t.Issuer)
		add("sub", t.Subject)
		add("sid", t.SessionID)
		add("jti", t.ID)
		if t.Raw() != "" {
			sum := sha256.Sum256([]byte(t.Raw()))
			add("token", hex.EncodeToString(sum[:16]))
		}
	}
	if refused != nil {
		add("reason", string(refused.Reason))
		add("code", refused.Code)
		attributes = append(attributes, slog.Bool("retryable", refused.Retryable))
	} else if cause != nil {
		add("reason", "disconnected")
	}
	l.logger.LogAttrs(context.Background(), level, auditMessage, attributes...)
}

// observer records what happens to connections and sessions.
func (l *auditor) observer() Observer {
	return Observer{
		Verifying: func(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
			action := "connect"
			switch {
			case old != nil:
				action = "renew"
			case h.InBand:
				action = "authenticate"
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
			l.record(h, t, "end", "", cause)
		},
		Dropped: func(h *verifier.Handshake, err *verifier.UnauthorizedError) { l.record(h, nil, "drop", "", err) },
	}
}

// decided records a decision about an event or a join.
func (l *auditor) decided(g *Guard, s *Session, action Action, resource string, refused *verifier.UnauthorizedError) {
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
	g.a.guarded("the audit's logger", func() { l.record(g.handshake, t, string(action), resource, cause) })
}

// left records that a session was taken out of a room.
func (l *auditor) left(g *Guard, s *Session, room string, err *verifier.UnauthorizedError) {
	if l != nil {
		g.a.guarded("the audit's logger", func() { l.record(g.handshake, s.Token(), "leave", room, err) })
	}
}
