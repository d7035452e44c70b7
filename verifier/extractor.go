package verifier

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Extractor finds the raw token in a handshake.
//
// If there is no token, Extract returns "" and nil. An error means that the client presented a token
// in the wrong form, and refuses the handshake: an [*UnauthorizedError] reaches the client
// unchanged, and of any other error it learns only that the server refused it. Extract may wait,
// for a one-time ticket that is looked up, as long as ctx allows. It is called from many goroutines
// at once.
type Extractor interface {
	Extract(ctx context.Context, h *Handshake) (token string, err error)
}

// ExtractorFunc makes a function an [Extractor].
type ExtractorFunc func(ctx context.Context, h *Handshake) (string, error)

// Extract calls f.
func (f ExtractorFunc) Extract(ctx context.Context, h *Handshake) (string, error) { return f(ctx, h) }

// extractor is an Extractor of this package, of which a Verifier knows where it
// looks.
type extractor struct {
	find    func(ctx context.Context, h *Handshake) (string, error)
	inBand  bool // it can find a token in an "authenticate" event
	cookie  bool // it reads a cookie
	only    bool // it is an error if this one finds nothing
	misused error
}

// Extract calls find.
func (e *extractor) Extract(ctx context.Context, h *Handshake) (string, error) {
	if e.misused != nil {
		return "", e.misused
	}
	return e.find(ctx, h)
}

// FindsInEvent reports whether the verifier's extractor can find a token in an "authenticate" event
// ([Handshake].InBand), where the header and the query no longer count. For an extractor that you
// wrote it returns true.
func (v *Verifier) FindsInEvent() bool {
	e, ok := v.extractor.(*extractor)
	return !ok || e.inBand
}

// ReadsCookie reports whether the verifier's extractor is or contains a [Cookie]:
// the binding must then check the origin.
func (v *Verifier) ReadsCookie() bool {
	e, ok := v.extractor.(*extractor)
	return ok && e.cookie
}

// foreignError is the error of what is malformed and perhaps no token: another
// scheme, an auth payload for another purpose. It counts if there is no token
// elsewhere.
type foreignError struct{ err *UnauthorizedError }

func (e *foreignError) Error() string { return e.err.Error() }
func (e *foreignError) Unwrap() error { return e.err }

// BearerHeader takes the token from the header "Authorization: Bearer <token>"
// (RFC 6750 §2.1, RFC 9110 §11.4; the scheme in any case, spaces behind it).
// Another scheme is not a token. A header without two parts is refused unless
// [OneOf] finds a token elsewhere. A header that occurs twice is always
// refused.
func BearerHeader() Extractor { return &extractor{find: bearerHeader} }

// RequireBearerHeader is [BearerHeader] for servers that take tokens from nowhere else. A handshake
// without the header is refused with the code missing_authorization_header ([ErrTokenMissing]).
func RequireBearerHeader() Extractor {
	return &extractor{only: true, find: func(ctx context.Context, h *Handshake) (string, error) {
		token, err := bearerHeader(ctx, h)
		if token == "" && err == nil {
			err = &UnauthorizedError{
				Code: CodeMissingHeader, Message: "Server requires Authorization Header", Reason: ErrTokenMissing,
			}
		}
		return token, err
	}}
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
	token = strings.Trim(token, " ")
	bearer := strings.EqualFold(scheme, "bearer")
	if !ok || scheme == "" || token == "" || strings.Contains(token, " ") {
		if bearer {
			return "", badFormat(nil)
		}
		return "", &foreignError{badFormat(nil)}
	}
	if !bearer {
		return "", nil
	}
	return token, nil
}

func badFormat(cause error) *UnauthorizedError {
	return &UnauthorizedError{
		Code: CodeCredentialsBadFormat, Message: "Format is Authorization: Bearer [token]", Reason: ErrTokenMalformed, Err: cause,
	}
}

// withoutScheme returns the token of "Bearer <token>", and anything else as it is.
func withoutScheme(s string) string {
	scheme, rest, _ := strings.Cut(s, " ")
	if token := strings.TrimLeft(rest, " "); token != "" && strings.EqualFold(scheme, "bearer") {
		return token
	}
	return s
}

// Query takes the token from the named query parameter; socketio-jwt uses "token". The value may
// also be "Bearer <token>". Two different values are refused. Servers and proxies log URLs: prefer
// a header, the auth payload or the "authenticate" event if the client can send one.
func Query(name string) Extractor {
	if name == "" {
		return &extractor{misused: errors.New("verifier: Query: the name is empty")}
	}
	return &extractor{find: func(_ context.Context, h *Handshake) (string, error) {
		values := h.Query[name]
		if len(values) == 0 || h.InBand {
			return "", nil
		}
		for _, v := range values[1:] {
			if v != values[0] {
				return "", conflict(errors.New("the query parameter occurs with two different values"))
			}
		}
		return withoutScheme(values[0]), nil
	}}
}

// Cookie takes the token from the named cookie. Its value may also be "Bearer <token>" or
// "Bearer%20<token>". Two cookies of that name with different values are refused. A browser sends
// cookies with requests from any page, so the server must check the origin (RFC 6265 §8.2): see
// [Verifier.ReadsCookie].
func Cookie(name string) Extractor {
	if name == "" {
		return &extractor{misused: errors.New("verifier: Cookie: the name is empty")}
	}
	return &extractor{inBand: true, cookie: true, find: func(_ context.Context, h *Handshake) (string, error) {
		token, err := h.cookie(name)
		if err != nil {
			return "", conflict(err)
		}
		if scheme, rest, ok := strings.Cut(token, "%20"); ok && strings.EqualFold(scheme, "bearer") {
			token = "Bearer " + rest
		}
		return withoutScheme(token), nil
	}}
}

// AuthPayload takes the token from a member of what the client sent inside
// Socket.IO: the auth payload of clients 3.x and later, or the argument of the
// "authenticate" event. It may be the bare token or "Bearer <token>", as
// clients of @thream/socketio-jwt send it, the scheme in any case. A payload
// that is not an object is refused unless [OneOf] finds a token elsewhere; a
// member that is not a string always is.
func AuthPayload(member string) Extractor {
	if member == "" {
		return &extractor{misused: errors.New("verifier: AuthPayload: the member is empty")}
	}
	return &extractor{inBand: true, find: func(_ context.Context, h *Handshake) (string, error) {
		if h.Auth == nil {
			return "", nil
		}
		object, ok := h.Auth.(map[string]any)
		if !ok {
			return "", &foreignError{errTokenDatatype()}
		}
		value, ok := object[member]
		if !ok || value == nil {
			return "", nil
		}
		token, ok := value.(string)
		if !ok {
			return "", errTokenDatatype()
		}
		token = withoutScheme(token)
		if token == "" && h.InBand {
			return "", refuse(ErrTokenMissing, "jwt must be provided", nil)
		}
		return token, nil
	}}
}

func errTokenDatatype() *UnauthorizedError {
	return refuse(ErrTokenMalformed, "invalid token datatype", nil)
}

// OneOf accepts a token in any of several places. It asks all extractors. If they find two different
// tokens, the handshake is refused ([ErrTokenConflict]), since the client could not know which of
// them counts.
func OneOf(extractors ...Extractor) Extractor {
	all, err := describe(extractors)
	if err != nil {
		return &extractor{misused: err}
	}
	extractors = slices.Clone(extractors)
	all.find = func(ctx context.Context, h *Handshake) (string, error) { return findOne(ctx, h, extractors) }
	return all
}

// describe says where the extractors look together. Its error is that of a misuse.
func describe(extractors []Extractor) (*extractor, error) {
	if len(extractors) == 0 {
		return nil, errors.New("verifier: OneOf needs at least one extractor")
	}
	all := &extractor{}
	for _, e := range extractors {
		if isNil(e) {
			return nil, errors.New("verifier: OneOf: an extractor is nil")
		}
		ours, ok := e.(*extractor)
		switch {
		case !ok:
			all.inBand = true
		case ours.misused != nil:
			return nil, ours.misused
		case ours.only && len(extractors) > 1:
			return nil, errors.New("verifier: OneOf: RequireBearerHeader refuses whatever the other extractors find: give BearerHeader, or only RequireBearerHeader")
		default:
			all.inBand = all.inBand || ours.inBand
			all.cookie = all.cookie || ours.cookie
			all.only = all.only || ours.only
		}
	}
	return all, nil
}

// findOne returns the one token that the extractors find.
func findOne(ctx context.Context, h *Handshake, extractors []Extractor) (string, error) {
	first := ""
	var foreign error
	for _, e := range extractors {
		token, err := e.Extract(ctx, h)
		if f, ok := err.(*foreignError); ok && foreign == nil {
			foreign = f
		} else if err != nil && !ok {
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
	if first == "" {
		return "", foreign
	}
	return first, nil
}

func conflict(cause error) error {
	return &UnauthorizedError{
		Code: CodeCredentialsBadFormat, Message: "more than one token provided", Reason: ErrTokenConflict, Err: cause,
	}
}

// DefaultExtractor is what a [Verifier] uses by default: [OneOf] the member "token" of the auth
// payload or event, the bearer header, and the query parameter "token".
func DefaultExtractor() Extractor {
	return OneOf(AuthPayload("token"), BearerHeader(), Query("token"))
}
