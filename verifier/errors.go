package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
)

// The values of [UnauthorizedError].Code. JavaScript clients of socketio-jwt match on them.
const (
	CodeCredentialsRequired  = "credentials_required"
	CodeCredentialsBadFormat = "credentials_bad_format"
	CodeMissingHeader        = "missing_authorization_header"
	CodeInvalidSecret        = "invalid_secret"
	CodeInvalidToken         = "invalid_token"
	CodeUnknown              = "unknown"        // a check of the application's failed and gave no code
	CodeInternal             = "internal_error" // a function of the application's panicked
)

// Reason says why a token was refused: a short, stable word that clients see
// as data.reason and that Go callers compare with errors.Is. An application
// may define its own.
type Reason string

// The reasons this package gives.
const (
	ErrTokenMissing        Reason = "token_missing"         // no token was presented
	ErrTokenConflict       Reason = "token_conflict"        // two different tokens were presented
	ErrTokenMalformed      Reason = "token_malformed"       // not a compact JWS whose parts can be read, or presented in the wrong form
	ErrTokenTooLong        Reason = "token_too_long"        // longer than MaxTokenLength
	ErrAlgorithmNotAllowed Reason = "algorithm_not_allowed" // no key may verify the header's alg
	ErrSignatureInvalid    Reason = "signature_invalid"     // the signature does not hold
	ErrKeyNotFound         Reason = "key_not_found"         // no key is known for the token
	ErrKeysUnavailable     Reason = "keys_unavailable"      // the keys could not be fetched now; retryable
	ErrTypeMismatch        Reason = "type_mismatch"         // not the kind of token expected, by typ or by claims
	ErrHeaderMismatch      Reason = "header_mismatch"       // a member of the header is not what HeaderEquals requires
	ErrTokenNotActive      Reason = "token_not_active"      // nbf lies ahead
	ErrTokenExpired        Reason = "token_expired"         // exp has passed
	ErrMaxAgeExceeded      Reason = "max_age_exceeded"      // issued longer ago than MaxAge
	ErrLifetimeExceeded    Reason = "lifetime_exceeded"     // good for longer than MaxLifetime
	ErrAudienceMismatch    Reason = "audience_mismatch"     // aud is not the expected one
	ErrIssuerMismatch      Reason = "issuer_mismatch"       // iss is not the expected one
	ErrSubjectMismatch     Reason = "subject_mismatch"      // sub is not the expected one
	ErrTokenIDMismatch     Reason = "token_id_mismatch"     // jti is not the expected one
	ErrNonceMismatch       Reason = "nonce_mismatch"        // nonce is not the expected one
	ErrClaimInvalid        Reason = "claim_invalid"         // a claim has the wrong type, or is required and absent
	ErrClaimMismatch       Reason = "claim_mismatch"        // a claim does not have the value that an option requires
	ErrScopeMismatch       Reason = "insufficient_scope"    // a scope or permission is lacking (RFC 6750 §3.1)
	ErrTokenInactive       Reason = "token_inactive"        // an opaque token that its issuer does not know, or has revoked
	ErrTokenBound          Reason = "token_bound"           // the token is bound to a key (cnf), and no validator confirms who holds that key
	ErrRejected            Reason = "rejected"              // a ClaimValidator or the application refused the token
	ErrServer              Reason = "server_error"          // a function of the application's panicked: see PanicError
)

// Error returns the reason itself, so that a Reason can be the target of
// errors.Is.
func (r Reason) Error() string { return string(r) }

// UnauthorizedError is the error of every refusal: errors.As finds it. JavaScript
// clients of socketio-jwt match on Code and Message. Reason is more precise, and
// errors.Is compares with it.
//
// Code, Message, Reason, Retryable and Nonce are shown to the remote client. Err
// is not: it is for the server's log.
//
// A nil *UnauthorizedError in a variable of type error is not nil. Its methods
// work, and it refuses the token with [ErrRejected].
type UnauthorizedError struct {
	Code      string // one of the Code constants, or the application's own; CodeUnknown if empty
	Message   string // what the client is told; no internals of the server
	Reason    Reason // why, in a word; ErrRejected if empty
	Retryable bool   // whether the same token may succeed later
	Nonce     string // what the client's next DPoP proof must carry (RFC 9449 §9), "" as a rule
	Err       error  // the cause, for the server's log; may be nil
}

// Error returns the message and, behind it, the cause.
func (e *UnauthorizedError) Error() string {
	if e == nil {
		e = nilError
	}
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *UnauthorizedError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// Is reports whether target is the error's [Reason].
func (e *UnauthorizedError) Is(target error) bool {
	r, ok := target.(Reason)
	return ok && r == e.reason()
}

func (e *UnauthorizedError) reason() Reason {
	if e == nil || e.Reason == "" {
		return ErrRejected
	}
	return e.Reason
}

// MarshalJSON gives the object that clients receive: message, code and type
// as socketio-jwt has them, then reason and retryable, and nonce if there is one.
func (e *UnauthorizedError) MarshalJSON() ([]byte, error) {
	if e == nil {
		e = nilError
	}
	code := e.Code
	if code == "" {
		code = CodeUnknown
	}
	return json.Marshal(struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		Type      string `json:"type"`
		Reason    Reason `json:"reason"`
		Retryable bool   `json:"retryable"`
		Nonce     string `json:"nonce,omitempty"`
	}{e.Message, code, "UnauthorizedError", e.reason(), e.Retryable, e.Nonce})
}

// aboutClaims are the reasons whose cause quotes what a token claims. The issuer
// is not a user's affair: its name is logged, or a wrong one is not found.
var aboutClaims = []Reason{
	ErrTokenNotActive, ErrTokenExpired, ErrMaxAgeExceeded, ErrLifetimeExceeded, ErrAudienceMismatch, ErrSubjectMismatch,
	ErrTokenIDMismatch, ErrNonceMismatch, ErrClaimInvalid, ErrClaimMismatch, ErrScopeMismatch,
}

// LogValue is what log/slog writes: code, reason, message and the cause. It leaves out causes that
// quote claims; err.Error() has them.
func (e *UnauthorizedError) LogValue() slog.Value {
	if e == nil {
		e = nilError
	}
	code := e.Code
	if code == "" {
		code = CodeUnknown
	}
	attributes := []slog.Attr{slog.String("reason", string(e.reason())), slog.String("code", code), slog.String("message", e.Message)}
	if inner := find(e.Err); inner != nil {
		attributes = append(attributes, slog.Any("cause", inner))
	} else if e.Err != nil && !slices.Contains(aboutClaims, e.reason()) {
		attributes = append(attributes, slog.Any("cause", e.Err))
	}
	return slog.GroupValue(attributes...)
}

// AsUnauthorized returns err as an [UnauthorizedError]: the first one in its tree, or else a new one
// with err as its cause, which tells the client only that the server refused the token. It returns
// nil only for nil. A nil *UnauthorizedError in err is a mistake of the code that returned it, and
// refuses the token.
func AsUnauthorized(err error) *UnauthorizedError {
	if err == nil {
		return nil
	}
	if u := find(err); u != nil {
		return u
	}
	return &UnauthorizedError{Code: CodeUnknown, Message: "rejected by the server", Reason: ErrRejected, Err: err}
}

// find returns the first UnauthorizedError in err's tree. A nil pointer is not
// one.
func find(err error) *UnauthorizedError {
	var u *UnauthorizedError
	if errors.As(err, &u) {
		return u
	}
	return nil
}

// nilError stands for a nil *UnauthorizedError that was returned as an error.
var nilError = &UnauthorizedError{
	Code: CodeUnknown, Message: "rejected by the server", Reason: ErrRejected,
	Err: errors.New("verifier: a nil *UnauthorizedError was returned as an error: return nil of type error for success"),
}

// PanicError is the cause of a refusal with the reason [ErrServer]: a function
// that the application gave to this library panicked.
type PanicError struct {
	Value any    // what it panicked with
	Stack []byte // where, as runtime/debug.Stack formats it
}

// Error names the value and leaves out the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// recovered makes a refusal of a panic. Defer it where functions of the
// application's run.
func recovered(err *error) {
	if value := recover(); value != nil {
		*err = &UnauthorizedError{
			Code: CodeInternal, Message: "internal server error", Reason: ErrServer,
			Err: &PanicError{Value: value, Stack: debug.Stack()},
		}
	}
}

// refuse makes the error of a failed verification, whose code is always
// invalid_token.
func refuse(reason Reason, message string, cause error) *UnauthorizedError {
	return &UnauthorizedError{Code: CodeInvalidToken, Message: message, Reason: reason, Err: cause}
}
