package socketio

import "github.com/seed15b1dee8/socketio-jwt/verifier"

// The reasons this package adds to those of package verifier.
const (
	ErrTimeout                verifier.Reason = "authentication_timeout"  // the socket did not authenticate in time
	ErrTooManyAttempts        verifier.Reason = "too_many_attempts"       // the socket failed too often in a row, or its address did
	ErrTooManyPending         verifier.Reason = "too_many_pending"        // too many sockets had not authenticated yet, and this was the oldest
	ErrIdentityMismatch       verifier.Reason = "identity_mismatch"       // a renewal is for another identity
	ErrSessionExpired         verifier.Reason = "session_expired"         // the session has reached its MaxSessionAge
	ErrSessionLimit           verifier.Reason = "session_limit"           // the user has too many sessions
	ErrTokenRevoked           verifier.Reason = "token_revoked"           // the token was revoked
	ErrRevocationsUnavailable verifier.Reason = "revocations_unavailable" // whether it was cannot be told now; retryable
	ErrPresenceUnavailable    verifier.Reason = "presence_unavailable"    // how many sessions the user has cannot be told now; retryable
	ErrKeyWithdrawn           verifier.Reason = "key_withdrawn"           // the token's key has left the key set
	ErrRestarting             verifier.Reason = "server_restarting"       // the server is about to stop; retryable
	ErrForbidden              verifier.Reason = "forbidden"               // no rule allows the event or the room
	ErrServer                 verifier.Reason = "server_error"            // a function of the application's panicked
)
