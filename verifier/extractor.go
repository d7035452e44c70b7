package verifier

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Extractor finds the raw token in a handshake.
//
// Nothing here is not an error: Extract then returns "" and nil, and a chain
// goes on. Something here that is malformed is an error, an
// [*UnauthorizedError] where the client is to be told more than "rejected by
// the server", and ends the chain. Extract may block on ctx, for a one-time
// ticket that is looked up, and is called from many goroutines at once.
type Extractor interface {
	Extract(ctx context.Context, h *Handshake) (token string, err error)
}

// ExtractorFunc makes a function an [Extractor].
type ExtractorFunc func(ctx context.Context, h *Handshake) (string, error)

// Extract calls f.
func (f ExtractorFunc) Extract(ctx context.Context, h *Handshake) (string, error) { return f(ctx, h) }

// BearerHeader takes the token from the header "Authorization: Bearer <token>"
// (RFC 6750 §2.1; the scheme in any case). Another scheme is nothing here. A
// header that has not two parts, or occurs twice, is refused.
func BearerHeader() Extractor { return ExtractorFunc(bearerHeader) }

// RequireBearerHeader is [BearerHeader] for servers that take no token from
// anywhere else: its absence is refused with the code
// missing_authorization_header.
func RequireBearerHeader() Extractor {
	return ExtractorFunc(func(ctx context.Context, h *Handshake) (string, error) {
		token, err := bearerHeader(ctx, h)
		if token == "" && err == nil {
			err = &UnauthorizedError{
				Code: CodeMissingHeader, Message: "Server requires Authorization Header", Reason: ErrTokenMissing,
			}
		}
		return token, err
	})
}

func bearerHeader(_ context.Context, h *Handshake) (string, error) {
	values := h.Header["Authorization"]
	if len(values) == 0 || h.InBand {
		return "", nil
	}
	if len(values) > 1 {
		return "", badFormat(errors.New("more than one Authorization header"))
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || scheme == "" || token == "" || strings.Contains(token, " ") {
		return "", badFormat(nil)
	}
	if !strings.EqualFold(scheme, "bearer") {
		return "", nil
	}
	return token, nil
}

func badFormat(cause error) error {
	return &UnauthorizedError{
		Code: CodeCredentialsBadFormat, Message: "Format is Authorization: Bearer [token]", Reason: ErrTokenMalformed, Err: cause,
	}
}

// Query takes the token from the named query parameter, "token" by the
// original's convention. Servers and proxies log URLs: prefer a header, the
// auth payload or the "authenticate" event where the client can send one. Two
// different values are refused.
func Query(name string) Extractor {
	if name == "" {
		return misused{errors.New("verifier: Query: the name is empty")}
	}
	return ExtractorFunc(func(_ context.Context, h *Handshake) (string, error) {
		values := h.Query[name]
		if len(values) == 0 || h.InBand {
			return "", nil
		}
		for _, v := range values[1:] {
			if v != values[0] {
				return "", conflict(errors.New("the query parameter occurs with two different values"))
			}
		}
		return values[0], nil
	})
}

// Cookie takes the token from the named cookie. A browser sends cookies along
// whoever opened the page, so let the binding check the origin (RFC 6265 §8.2).
// The same cookie with two values is refused.
func Cookie(name string) Extractor {
	if name == "" {
		return misused{errors.New("verifier: Cookie: the name is empty")}
	}
	return ExtractorFunc(func(_ context.Context, h *Handshake) (string, error) {
		token, err := h.cookie(name)
		if err != nil {
			return "", conflict(err)
		}
		return token, nil
	})
}

// AuthPayload takes the token from a member of what the client sent inside
// Socket.IO: the auth payload of clients 3.x and later, or the argument of the
// "authenticate" event. It may be the bare token or "Bearer <token>", as
// clients of @thream/socketio-jwt send it, the scheme in any case. A payload
// that is not an object, or a member that is not a string, is refused.
func AuthPayload(member string) Extractor {
	if member == "" {
		return misused{errors.New("verifier: AuthPayload: the member is empty")}
	}
	return ExtractorFunc(func(_ context.Context, h *Handshake) (string, error) {
		if h.Auth == nil {
			return "", nil
		}
		object, ok := h.Auth.(map[string]any)
		if !ok {
			return "", errTokenDatatype()
		}
		value, ok := object[member]
		if !ok || value == nil {
			return "", nil
		}
		token, ok := value.(string)
		if !ok {
			return "", errTokenDatatype()
		}
		const scheme = "bearer "
		if len(token) > len(scheme) && strings.EqualFold(token[:len(scheme)], scheme) {
			token = token[len(scheme):]
		}
		if token == "" && h.InBand {
			return "", refuse(ErrTokenMissing, "jwt must be provided", nil)
		}
		return token, nil
	})
}

func errTokenDatatype() error {
	return refuse(ErrTokenMalformed, "invalid token datatype", nil)
}

// FirstOf asks the extractors in order and returns the first token found. The
// others are asked too: a handshake that carries two different tokens is
// refused, because which of them counts should not depend on a rule that its
// sender may not know.
func FirstOf(extractors ...Extractor) Extractor {
	if len(extractors) == 0 {
		return misused{errors.New("verifier: FirstOf needs at least one extractor")}
	}
	for _, e := range extractors {
		if isNil(e) {
			return misused{errors.New("verifier: FirstOf: an extractor is nil")}
		}
		if m, ok := e.(misused); ok {
			return m
		}
	}
	extractors = slices.Clone(extractors)
	return ExtractorFunc(func(ctx context.Context, h *Handshake) (string, error) {
		first := ""
		for _, e := range extractors {
			token, err := e.Extract(ctx, h)
			if err != nil {
				return "", err
			}
			if token == "" {
				continue
			}
			if first != "" && token != first {
				return "", conflict(errors.New("two places of the handshake carry different tokens"))
			}
			first = token
		}
		return first, nil
	})
}

func conflict(cause error) error {
	return &UnauthorizedError{
		Code: CodeCredentialsBadFormat, Message: "more than one token provided", Reason: ErrTokenConflict, Err: cause,
	}
}

// misused stands for an extractor that makes no sense. [WithExtractor] has [New]
// fail with its error.
type misused struct{ err error }

// Extract finds nothing but the error.
func (m misused) Extract(context.Context, *Handshake) (string, error) { return "", m.err }

// DefaultExtractor is what a [Verifier] uses unless [WithExtractor] says
// otherwise: the member "token" of the auth payload or event, then the bearer
// header, then the query parameter "token".
func DefaultExtractor() Extractor {
	return FirstOf(AuthPayload("token"), BearerHeader(), Query("token"))
}
