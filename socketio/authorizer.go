package socketio

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The reasons this package adds to those of package verifier.
const (
	ErrTimeout                verifier.Reason = "authentication_timeout"  // the socket did not authenticate in time
	ErrTooManyAttempts        verifier.Reason = "too_many_attempts"       // the socket failed too often in a row, or its address did
	ErrTooManyPending         verifier.Reason = "too_many_pending"        // of too many sockets that have not authenticated yet it has waited longest
	ErrIdentityMismatch       verifier.Reason = "identity_mismatch"       // a renewal is for another identity
	ErrSessionExpired         verifier.Reason = "session_expired"         // the session has reached its MaxSessionAge
	ErrSessionLimit           verifier.Reason = "session_limit"           // the user has too many sessions
	ErrTokenRevoked           verifier.Reason = "token_revoked"           // the token was revoked
	ErrRevocationsUnavailable verifier.Reason = "revocations_unavailable" // whether it was cannot be told now; retryable
	ErrPresenceUnavailable    verifier.Reason = "presence_unavailable"    // how many sessions the user has cannot be told now; retryable
	ErrKeyWithdrawn           verifier.Reason = "key_withdrawn"           // the token's key has left the key set
	ErrRestarting             verifier.Reason = "server_restarting"       // the server is about to stop; retryable
	ErrServer                 verifier.Reason = "server_error"            // a function of the application's panicked
)

var (
	errTimeout = &verifier.UnauthorizedError{
		Code: verifier.CodeCredentialsRequired, Message: "no token provided in time", Reason: ErrTimeout,
	}
	errTooManyAttempts = &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "too many attempts", Reason: ErrTooManyAttempts,
	}
	errSetup = serverError(errors.New("the functions that set up the session did not return in time"))
)

// Authorizer guards one namespace: see the package comment. It is safe for
// concurrent use.
type Authorizer struct {
	auth Authenticator
	config
	waiting  waiting
	sweepers []*sweeper
	failures *failures    // nil for no limit
	hanging  atomic.Int64 // functions of the application's that ignore their context
}

// New makes an authorizer of an authenticator and options. It fails where an
// option is invalid.
func New(auth Authenticator, options ...Option) (*Authorizer, error) {
	if isNil(auth) {
		return nil, errors.New("socketio: New: the authenticator is nil")
	}
	a := &Authorizer{auth: auth, config: config{
		timeout:           DefaultTimeout,
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
	if a.failureCounter != nil && a.failuresByAddress == 0 && a.failuresInTotal == 0 {
		return nil, errors.New("socketio: New: ShareFailures shares no limit: expected MaxFailures above zero")
	}
	if a.failuresByAddress > 0 || a.failuresInTotal > 0 {
		a.failures = newFailures(a.failuresByAddress, a.failuresInTotal)
		if a.failureCounter != nil {
			a.failures.shared = newSharedFailures(a.failureCounter, a.logger, a.failuresByAddress, a.failuresInTotal)
		}
	}
	a.logger = safeLogger(a.logger)
	a.sweepers = a.newSweepers()
	return a, nil
}

// Registry returns the registry of the sessions: the one given by
// [WithRegistry], or the authorizer's own.
func (a *Authorizer) Registry() *Registry { return a.registry }

// Logger returns where decisions are logged: for bindings, which have more to say.
func (a *Authorizer) Logger() *slog.Logger { return a.logger }

// Pass is what a good token is worth: the verified token and the user value
// that the application made of it. It is good for one [Authorizer.Attach].
type Pass struct {
	a         *Authorizer
	token     *verifier.Token
	user      any
	handshake *verifier.Handshake // of an "authenticate" event, nil if the token came with the connection
	received  time.Time           // when the token was checked, by the monotonic clock
	used      atomic.Bool
	present   *present // the room that was reserved for it among the sessions of all processes; nil if none had to be
	decisions decisions
}

// Token returns the verified token.
func (p *Pass) Token() *verifier.Token { return p.token }

// User returns what the function given to [User] made of the token, nil without
// one.
func (p *Pass) User() any { return p.user }

// Admit decides about a socket before it is opened. With [ByHandshake] it
// verifies the handshake's token and returns a pass or an error, which is always
// an [*verifier.UnauthorizedError]; with [ByEvent], and for a guest, it returns
// no pass and no error. Either way [Authorizer.Attach] follows once the socket
// exists.
//
// A binding that could not read what the client presented says why in h.Auth: an
// [*verifier.UnauthorizedError] there is the answer. The same holds for the
// argument of [Guard.Authenticate].
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
	// Only who presents nothing at all is a guest: a bad token is refused.
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

// neutralMessages say what does not hold, without what was expected.
var neutralMessages = map[verifier.Reason]string{
	verifier.ErrAudienceMismatch: "jwt audience invalid",
	verifier.ErrIssuerMismatch:   "jwt issuer invalid",
	verifier.ErrSubjectMismatch:  "jwt subject invalid",
	verifier.ErrTokenIDMismatch:  "jwt jwtid invalid",
	verifier.ErrNonceMismatch:    "jwt nonce invalid",
}

func neutral(err *verifier.UnauthorizedError) *verifier.UnauthorizedError {
	message, ok := neutralMessages[err.Reason]
	if !ok {
		return err
	}
	n := *err
	n.Message, n.Err = message, err // the log has it all
	return &n
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

// sessionLog logs what becomes of a session. The socket's id is not logged: in
// the older protocols who knows it can speak for the client.
func (a *Authorizer) sessionLog(what string, h *verifier.Handshake, t *verifier.Token, more ...any) {
	a.logger.Debug("socketio: "+what, append([]any{"namespace", h.Namespace, "remote", h.RemoteAddr, "token", t}, more...)...)
}
