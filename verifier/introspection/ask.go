package introspection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// tokenError is the error of an answer that says something of the one token, which
// is long or odd, and not of the endpoint. To ask again is of no use.
type tokenError struct{ status int }

func (e tokenError) Error() string {
	return fmt.Sprintf("the endpoint answers with status %d: expected 200", e.status)
}

// ask makes one request (RFC 7662 §2.1). The claims are nil if the token is not
// active. A panic, of a transport or the function of [BearerToken], is an error: in
// this goroutine it would end the program.
func (c *Client) ask(ctx context.Context, token string) (claims []byte, expires time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("introspection: panic: %v", p)
		}
	}()
	body, err := c.post(ctx, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	if err == nil {
		claims, expires, err = parse(body)
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("introspection: %w", ofEndpoint(err))
	}
	return claims, expires, nil
}

// ofEndpoint returns an error of asking without the refusal that may be in its
// tree, of a function of the application's for one: it would be taken for that of
// the token that was asked for.
func ofEndpoint(err error) error {
	if errors.As(err, new(*verifier.UnauthorizedError)) {
		return errors.New(err.Error())
	}
	return err
}

func (c *Client) post(ctx context.Context, form url.Values) ([]byte, error) {
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"Accept":       {c.signed.mediaType()},
		"User-Agent":   {userAgent},
	}
	if c.authorize != nil {
		if err := c.authorize(ctx, form, header); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header = header
	response, err := c.client.Do(request)
	if err != nil {
		var wrapped *url.Error // whose text has the whole URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("the endpoint cannot be reached: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSize+1))
	if err := statusError(response.StatusCode, body); err != nil {
		return nil, err
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != c.signed.mediaType() {
		return nil, fmt.Errorf("the endpoint answers with %.64q: expected %s", response.Header.Get("Content-Type"), c.signed.mediaType())
	}
	if err != nil {
		return nil, fmt.Errorf("the endpoint's answer breaks off: %w", err)
	}
	if len(body) > maxSize {
		return nil, fmt.Errorf("the endpoint's answer has more than %d bytes", maxSize)
	}
	return c.signed.open(ctx, body)
}

// statusError makes an error of a status that is not 200: a tokenError where it
// says something of the token. A 400 can also mean this server's credentials
// (RFC 6749 §5.2).
func statusError(status int, body []byte) error {
	switch status {
	case http.StatusOK:
		return nil
	case http.StatusBadRequest:
		var answer struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(body, &answer) // an answer without an error is about the token
		if answer.Error == "invalid_client" || answer.Error == "unauthorized_client" {
			return fmt.Errorf("the endpoint answers with status 400, %s: are this server's credentials right?", answer.Error)
		}
		return tokenError{status}
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return tokenError{status}
	}
	return fmt.Errorf("the endpoint answers with status %d: expected 200", status)
}

// parse reads an answer (RFC 7662 §2.2). Only whether and how long it is good is
// looked at here; the verifier reads it again, and is stricter.
func parse(body []byte) (claims []byte, expires time.Time, err error) {
	var members map[string]json.RawMessage // exact names, unlike a struct
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return nil, time.Time{}, errors.New("the endpoint's answer is not a JSON object (RFC 7662 §2.2)")
	}
	switch string(members["active"]) {
	case "true":
	case "false":
		return nil, time.Time{}, nil
	default:
		return nil, time.Time{}, errors.New("the endpoint's answer does not say whether the token is active (RFC 7662 §2.2)")
	}
	if text, ok := members["exp"]; ok {
		var exp float64
		if err := json.Unmarshal(text, &exp); err != nil {
			return nil, time.Time{}, errors.New("the endpoint's answer has an exp that is not a number (RFC 7662 §2.2)")
		}
		expires = time.Unix(int64(min(max(exp, 0), 1<<40)), 0)
	}
	return body, expires, nil
}
