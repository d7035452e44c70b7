package socketio

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

var (
	errTimeout = &verifier.UnauthorizedError{
		Code: verifier.CodeCredentialsRequired, Message: "no token provided in time", Reason: ErrTimeout,
	}
	errTooManyAttempts = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "too many attempts", Reason: ErrTooManyAttempts,
	}
)

// Authorizer authorizes the sockets of one namespace. It is safe for concurrent use.
type Authorizer struct {
	auth Authenticator
	config
	waiting  waiting
	sweepers []*sweeper
	failures *failures    // nil for no limit
	hanging  atomic.Int64 // functions of the application's that ignore their context
}

// New returns an authorizer that uses auth to verify tokens. It returns an error for
// invalid options. The bindings call it for you.
func New(auth Authenticator, options ...Option) (*Authorizer, error) {
	if isNil(auth) {
		return nil, errors.New("socketio: New: the authenticator is nil")
	}
	a := &Authorizer{auth: auth, config: config{
		sessionRules:      sessionRules{timeout: DefaultTimeout},
		maxAttempts:       DefaultMaxAttempts,
		noticeEvent:       EventTokenExpiring,
		noticeLead:        DefaultExpiryNotice,
		maxPending:        DefaultMaxPending,
		failuresByAddress: DefaultMaxFailuresPerAddress,
		failuresInTotal:   DefaultMaxFailures,
		clientAddress:     clientAddress,
		logger:            slog.Default(),
	}}
	for _, option := range options {
		if option == nil {
			return nil, errors.New("socketio: New: an option is nil")
		}
		if err := option(&a.config); err != nil {
			return nil, err
		}
	}
	if v, ok := auth.(interface{ FindsInEvent() bool }); ok && !a.byHandshake && !v.FindsInEvent() {
		return nil, errors.New("socketio: New: the verifier reads the token from the connection's header or query only, which ByEvent never presents: use ByHandshake, or an extractor such as verifier.AuthPayload")
	}
	if a.registry == nil {
		a.registry = NewRegistry(nil)
	}
	a.logger = safeLogger(a.logger)
	if err := a.limitFailures(); err != nil {
		return nil, err
	}
	if same := a.same; same != nil {
		a.same = func(old, renewed *verifier.Token) (is bool) {
			a.guarded("SameIdentity", func() { is = same(old, renewed) })
			return is
		}
	}
	a.sweepers = a.newSweepers()
	return a, nil
}

// limitFailures makes the limits of MaxFailures and ShareFailures.
func (a *Authorizer) limitFailures() error {
	limited := a.failuresByAddress > 0 || a.failuresInTotal > 0
	if limited {
		a.failures = newFailures(a.failuresByAddress, a.failuresInTotal)
	}
	if a.failureCounter == nil {
		return nil
	}
	if !limited {
		return errors.New("socketio: New: ShareFailures shares no limit: expected MaxFailures above zero")
	}
	a.failures.shared = newSharedFailures(a.failureCounter, a.logger, a.failuresByAddress, a.failuresInTotal)
	return nil
}

func (a *Authorizer) times() times {
	mono := time.Now()
	if a.now == nil {
		return times{wall: mono, mono: mono}
	}
	wall := mono
	a.guarded("WithClock's function", func() { wall = a.now() })
	return times{wall: wall, mono: mono}
}

// moment is times for what may be logged.
func (a *Authorizer) moment() times {
	t := a.times()
	t.debug = a.logger.Enabled(context.Background(), slog.LevelDebug)
	return t
}

// Registry returns the registry of the sessions: that of [WithRegistry], or the
// authorizer's own.
func (a *Authorizer) Registry() *Registry { return a.registry }

// Logger returns the logger of [WithLogger], for the log lines of bindings.
func (a *Authorizer) Logger() *slog.Logger { return a.logger }

// Admit decides about a socket before it is opened. With [ByHandshake] it verifies the
// handshake's token and returns a pass or an error, which is always an
// [*verifier.UnauthorizedError]. With [ByEvent], and for a guest, it returns neither. In
// each case without an error the binding calls [Authorizer.Attach] once the socket
// exists.
//
// If a binding cannot read what the client presented, it puts an
// [*verifier.UnauthorizedError] into h.Auth, and the client gets that answer.
// [Guard.Authenticate] treats its argument in the same way.
func (a *Authorizer) Admit(ctx context.Context, h *verifier.Handshake) (*Pass, error) {
	if h == nil {
		return nil, serverError(misuse("the handshake is nil"))
	}
	if !a.byHandshake {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	ctx, decided := a.verifying(ctx, h, nil)
	p, err := a.check(ctx, h)
	if err == nil {
		err = a.registry.findPlace(ctx, p, h.Namespace)
	}
	// A client that presents nothing is a guest. A bad token is refused.
	if a.optional && err != nil && errors.Is(err, verifier.ErrTokenMissing) {
		decided(nil, nil)
		a.logger.Debug("socketio: a guest", "namespace", h.Namespace, "remote", h.RemoteAddr)
		return nil, nil
	}
	decided(p, err)
	if err != nil {
		a.refused(h, err)
		return nil, err
	}
	return p, nil
}

// MayInherit decides whether a client with the token renewed may get the state of an
// ended session, such as its rooms and the events it missed. old is the token of the
// ended session; see [verifier.Token.Record]. It returns nil, or the reason why not: the
// tokens are not of the same identity ([SameIdentity]), old was revoked meanwhile, or
// the registry cannot tell ([ErrRevocationsUnavailable]).
func (a *Authorizer) MayInherit(old, renewed *verifier.Token) *verifier.UnauthorizedError {
	if !a.sameIdentity(old, renewed) {
		return errIdentityMismatch
	}
	return a.registry.refuses(old)
}

// refused reports a refusal to the log and the functions of OnFailure.
func (a *Authorizer) refused(h *verifier.Handshake, err *verifier.UnauthorizedError) {
	a.logger.Debug("socketio: refused", "namespace", h.Namespace, "remote", h.RemoteAddr, "error", err)
	a.failed(h, err)
}

// failed calls the functions of OnFailure.
func (a *Authorizer) failed(h *verifier.Handshake, err *verifier.UnauthorizedError) {
	for _, f := range a.onFailure {
		a.guarded("OnFailure", func() { f(h, err) })
	}
}

// sessionLog logs the events of a session. It does not log the socket's id: in
// the older protocols anyone who knows the id can send packets as the client.
func (a *Authorizer) sessionLog(what string, h *verifier.Handshake, t *verifier.Token, more ...any) {
	a.logger.Debug("socketio: "+what, append([]any{"namespace", h.Namespace, "remote", h.RemoteAddr, "token", t}, more...)...)
}
