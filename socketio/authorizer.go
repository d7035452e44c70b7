package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The reasons this package adds to those of package verifier.
const (
	ErrTimeout                verifier.Reason = "authentication_timeout"  // the socket did not authenticate in time
	ErrTooManyAttempts        verifier.Reason = "too_many_attempts"       // the socket failed too often in a row, or its address did
	ErrTooManyPending         verifier.Reason = "too_many_pending"        // of too many sockets that have yet to authenticate it has waited longest
	ErrIdentityMismatch       verifier.Reason = "identity_mismatch"       // a renewal is for another identity
	ErrSessionExpired         verifier.Reason = "session_expired"         // the session has reached its MaxSessionAge
	ErrSessionLimit           verifier.Reason = "session_limit"           // the user has too many sessions
	ErrTokenRevoked           verifier.Reason = "token_revoked"           // the token was revoked
	ErrRevocationsUnavailable verifier.Reason = "revocations_unavailable" // whether it was cannot be told now; retryable
	ErrKeyWithdrawn           verifier.Reason = "key_withdrawn"           // the token's key has left the key set
	ErrServer                 verifier.Reason = "server_error"            // a function of the application's panicked
)

var errTimeout = &verifier.UnauthorizedError{
	Code: verifier.CodeCredentialsRequired, Message: "no token provided in time", Reason: ErrTimeout,
}

// Authorizer guards one namespace: see the package comment. It is safe for
// concurrent use.
type Authorizer struct {
	auth Authenticator
	config
	waiting  waiting
	sweeper  sweeper
	failures *failures // nil for no limit
}

// New makes an authorizer of an authenticator and options. It fails where an
// option makes no sense.
func New(auth Authenticator, options ...Option) (*Authorizer, error) {
	if auth == nil {
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
		now:               time.Now,
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
	if a.registry == nil {
		a.registry = NewRegistry(nil)
	}
	if a.failuresByAddress > 0 || a.failuresInTotal > 0 {
		a.failures = newFailures(a.failuresByAddress, a.failuresInTotal)
	}
	a.sweeper.keys, a.sweeper.every = a.keys, a.keysEvery
	return a, nil
}

// Registry returns the registry of the sessions: the one given by
// [WithRegistry], or the authorizer's own.
func (a *Authorizer) Registry() *Registry { return a.registry }

// Logger returns where decisions are logged: for bindings, which have more to say.
func (a *Authorizer) Logger() *slog.Logger { return a.logger }

// Pass is what a good token is worth: the verified token and the user value
// that the application made of it.
type Pass struct {
	token *verifier.Token
	user  any
}

// Admit decides about a socket before it is opened. With [ByHandshake] it
// verifies the handshake's token and returns a pass or an error, which is always
// an [*verifier.UnauthorizedError]; with [ByEvent], and for a guest, it returns
// no pass and no error. Either way [Authorizer.Attach] follows once the socket
// exists.
func (a *Authorizer) Admit(ctx context.Context, h *verifier.Handshake) (*Pass, error) {
	if !a.byHandshake {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	ctx, decided := a.verifying(ctx, h, nil)
	p, err := a.check(ctx, h)
	if err == nil {
		err = a.registry.mayBegin(p.token, h.Namespace, a.limit)
	}
	// Only who presents nothing at all is a guest: a bad token is refused.
	if a.optional && err != nil && errors.Is(err, verifier.ErrTokenMissing) {
		decided(nil, nil)
		a.logger.Debug("socketio: a guest", "namespace", h.Namespace, "remote", h.RemoteAddr)
		return nil, nil
	}
	decided(p, err)
	if err != nil {
		a.refused(h, nil, err)
		return nil, err
	}
	return p, nil
}

// check authenticates the handshake and maps the user. It recovers the panics
// of the functions it was given: none of them ends the server.
func (a *Authorizer) check(ctx context.Context, h *verifier.Handshake) (*Pass, *verifier.UnauthorizedError) {
	address := ""
	if a.failures != nil {
		if err := a.guarded("ClientAddress", func() { address = a.clientAddress(h) }); err != nil {
			return nil, err
		}
		if !a.failures.allow(address) {
			return nil, errTooManyFailures
		}
	}
	p := new(Pass)
	var err error
	refusal := a.guarded("the authenticator", func() {
		if p.token, err = a.auth.Authenticate(ctx, h); err != nil {
			if panic := (*verifier.PanicError)(nil); errors.As(err, &panic) {
				a.logger.Error("socketio: a function of the authenticator panicked", "panic", panic.Value, "stack", string(panic.Stack))
			}
			return
		}
		if p.token == nil {
			err = errors.New("socketio: the authenticator returned neither a token nor an error")
			return
		}
		// The application need not look for a user whose token is revoked.
		if refusal := a.registry.refuses(p.token); refusal != nil {
			err = refusal
		} else if a.user != nil {
			p.user, err = a.user(ctx, p.token, h)
		}
	})
	if refusal == nil {
		refusal = verifier.AsUnauthorized(err)
	}
	if refusal == nil {
		return p, nil
	}
	if ctx.Err() != nil && errors.Is(refusal, context.DeadlineExceeded) && errors.Is(refusal, verifier.ErrRejected) {
		// That we ran out of time says nothing about the token.
		refusal = &verifier.UnauthorizedError{
			Code: verifier.CodeUnknown, Message: "the server took too long, try again later",
			Reason: ErrTimeout, Retryable: true, Err: refusal,
		}
	}
	if a.failures != nil {
		a.failures.failed(address, refusal.Reason)
	}
	if a.neutral {
		refusal = neutral(refusal)
	}
	return nil, refusal
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

// panicked logs a panic of a function of the application's and makes a refusal
// of it.
func (a *Authorizer) panicked(who string, r any) *verifier.UnauthorizedError {
	a.logger.Error("socketio: "+who+" panicked", "panic", r, "stack", string(debug.Stack()))
	return &verifier.UnauthorizedError{
		Message: "internal server error", Code: "internal_error", Reason: ErrServer,
		Err: fmt.Errorf("%s panicked: %v", who, r),
	}
}

// refused reports a refusal, or the end of a session, to the log and the hooks.
func (a *Authorizer) refused(h *verifier.Handshake, s *Session, err *verifier.UnauthorizedError) {
	if s != nil {
		a.sessionEnded(s, err)
	} else {
		a.logger.Debug("socketio: refused", "namespace", h.Namespace, "remote", h.RemoteAddr, "error", err)
	}
	for _, f := range a.onFailure {
		a.guarded("OnFailure", func() { f(h, err) })
	}
}

// sessionLog logs what becomes of a session. The socket's id is not logged: in
// the older protocols who knows it can speak for the client.
func (a *Authorizer) sessionLog(what string, s *Session, more ...any) {
	a.logger.Debug("socketio: "+what, append([]any{"namespace", s.Namespace(), "remote", s.Handshake().RemoteAddr, "token", s.Token()}, more...)...)
}

func (a *Authorizer) sessionEnded(s *Session, cause error) {
	a.sessionLog("session ended", s, "cause", cause)
}

// guarded calls f and makes a refusal of its panic.
func (a *Authorizer) guarded(who string, f func()) (refusal *verifier.UnauthorizedError) {
	defer func() {
		if r := recover(); r != nil {
			refusal = a.panicked(who, r)
		}
	}()
	f()
	return nil
}
