package dpop

import (
	"errors"
	"log/slog"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The codes of RFC 9449 that clients see, beside those of package verifier.
const (
	CodeInvalidProof = "invalid_dpop_proof" // RFC 9449 §7.1
	CodeUseNonce     = "use_dpop_nonce"     // RFC 9449 §9
)

// The reasons this package gives.
const (
	ErrProofMissing   verifier.Reason = "dpop_proof_missing"   // the token is bound to a key and no proof came with it
	ErrProofInvalid   verifier.Reason = "dpop_proof_invalid"   // a check of RFC 9449 §4.3 failed
	ErrProofReplayed  verifier.Reason = "dpop_proof_replayed"  // the proof was used before
	ErrKeyMismatch    verifier.Reason = "dpop_key_mismatch"    // the proof is of another key than the token's
	ErrNotBound       verifier.Reason = "token_not_bound"      // the token is bound to no key
	ErrSchemeMismatch verifier.Reason = "dpop_scheme_mismatch" // a bound token came as Bearer
	ErrUseNonce       verifier.Reason = "use_dpop_nonce"       // the proof lacks the server's nonce; retryable
	ErrUnavailable    verifier.Reason = "dpop_unavailable"     // whether the proof was used before could not be told; retryable
)

// invalid is the refusal of a proof. what names the check.
func invalid(what string, cause error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{
		Code: CodeInvalidProof, Message: "DPoP proof invalid: " + what, Reason: ErrProofInvalid, Err: cause,
	}
}

// quoting is a cause that quotes what a proof claims. Error has it all, a log only
// that it is so.
type quoting struct{ error }

func (q quoting) Unwrap() error { return q.error }

func (q quoting) LogValue() slog.Value { return slog.StringValue("it is not as expected") }

// denied is the refusal of a token.
func denied(reason verifier.Reason, message string) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{Code: verifier.CodeInvalidToken, Message: message, Reason: reason}
}

var errTwoProofs = errors.New("more than one proof was presented (RFC 9449 §4.3)")
