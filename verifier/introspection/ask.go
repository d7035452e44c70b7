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
)

// tokenError is the error of an answer that says something of the one token, which
// is long or odd, and not of the endpoint.
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
		return nil, time.Time{}, fmt.Errorf("introspection: %w", err)
	}
	return claims, expires, nil
}

func (c *Client) post(ctx context.Context, form url.Values) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", userAgent)
	if c.authorize != nil {
		if err := c.authorize(request); err != nil {
			return nil, err
		}
	}
	response, err := c.client.Do(request)
	if err != nil {
		var wrapped *url.Error // whose text has the whole URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("the endpoint cannot be reached: %w", err)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge:
		return nil, tokenError{response.StatusCode}
	default:
		return nil, fmt.Errorf("the endpoint answers with status %d: expected 200", response.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, fmt.Errorf("the endpoint answers with %.64q: expected application/json", response.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("the endpoint's answer breaks off: %w", err)
	}
	if len(body) > maxSize {
		return nil, fmt.Errorf("the endpoint's answer has more than %d bytes", maxSize)
	}
	return body, nil
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
