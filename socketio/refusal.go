package socketio

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// serverError is the refusal that a client gets for a fault of the server.
func serverError(cause error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{Message: "internal server error", Code: "internal_error", Reason: ErrServer, Err: cause}
}

func misuse(why string) error { return errors.New("socketio: " + why) }

// refusalOf converts an error of a callback to a refusal. It never returns nil: a nil
// pointer in an error is a refusal as well, since its function meant to return some
// error.
func refusalOf(err error) *verifier.UnauthorizedError {
	if isNil(err) {
		err = fmt.Errorf("socketio: a callback returned a nil %T as its error", err)
	}
	var u *verifier.UnauthorizedError
	if errors.As(err, &u) {
		if u != nil {
			return complete(u)
		}
		err = errors.New("socketio: a callback returned an error that wraps a nil *verifier.UnauthorizedError")
	}
	return &verifier.UnauthorizedError{Code: verifier.CodeUnknown, Message: "rejected by the server", Reason: verifier.ErrRejected, Err: err}
}

// complete returns a copy of a refusal with the fields that the application left empty.
func complete(u *verifier.UnauthorizedError) *verifier.UnauthorizedError {
	if u.Code != "" && u.Message != "" && u.Reason != "" {
		return u
	}
	c := *u
	if c.Code == "" {
		c.Code = verifier.CodeUnknown
	}
	if c.Message == "" {
		c.Message = "rejected by the server"
	}
	if c.Reason == "" {
		c.Reason = verifier.ErrRejected
	}
	return &c
}

// isNil reports whether a value is nil, or a nil pointer, function or map in an
// interface.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan, reflect.Interface, reflect.UnsafePointer:
		return r.IsNil()
	default:
		return false
	}
}

// outOfTime is the refusal for a timeout of the server, which says nothing about the
// token.
func outOfTime(cause error) *verifier.UnauthorizedError {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeUnknown, Message: "the server took too long, try again later",
		Reason: ErrTimeout, Retryable: true, Err: cause,
	}
}

// neutralMessages say which check failed, without the expected value.
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
