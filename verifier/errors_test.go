package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// TestErrorOnTheWire: the object that clients match on, and nothing more.
func TestErrorOnTheWire(t *testing.T) {
	for _, row := range []struct {
		name string
		err  *UnauthorizedError
		want string
	}{
		{"a refusal", refuse(ErrTokenExpired, "jwt expired", errors.New("expired at noon")),
			`{"message":"jwt expired","code":"invalid_token","type":"UnauthorizedError","reason":"token_expired","retryable":false}`},
		{"retryable", &UnauthorizedError{Code: CodeInvalidSecret, Message: "later", Reason: ErrKeysUnavailable, Retryable: true, Err: io.EOF},
			`{"message":"later","code":"invalid_secret","type":"UnauthorizedError","reason":"keys_unavailable","retryable":true}`},
		{"of the application's", &UnauthorizedError{Message: "no"},
			`{"message":"no","code":"unknown","type":"UnauthorizedError","reason":"rejected","retryable":false}`},
		{"empty", &UnauthorizedError{},
			`{"message":"","code":"unknown","type":"UnauthorizedError","reason":"rejected","retryable":false}`},
		{"with quotes", &UnauthorizedError{Code: "a\"b", Message: "<b>\n", Reason: "c"},
			`{"message":"\u003cb\u003e\n","code":"a\"b","type":"UnauthorizedError","reason":"c","retryable":false}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := json.Marshal(row.err)
			if err != nil || string(got) != row.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, row.want)
			}
			// By value too, as a member of something else.
			if got, err := json.Marshal(map[string]any{"data": row.err}); err != nil || string(got) != `{"data":`+row.want+`}` {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

func TestErrorIsAndAs(t *testing.T) {
	cause := fmt.Errorf("reading: %w", io.ErrUnexpectedEOF)
	err := error(refuse(ErrTokenExpired, "jwt expired", cause))
	wrapped := fmt.Errorf("socket 7: %w", err)
	for _, e := range []error{err, wrapped, errors.Join(io.EOF, err)} {
		if !errors.Is(e, ErrTokenExpired) || errors.Is(e, ErrTokenNotActive) || errors.Is(e, ErrRejected) {
			t.Errorf("%v: is not its reason, or another", e)
		}
		if !errors.Is(e, io.ErrUnexpectedEOF) {
			t.Errorf("%v: the cause is lost", e)
		}
		var u *UnauthorizedError
		if !errors.As(e, &u) || u != err {
			t.Errorf("%v: As finds %v", e, u)
		}
	}
	if got := err.Error(); got != "jwt expired: reading: unexpected EOF" {
		t.Errorf("Error is %q", got)
	}
	if got := (&UnauthorizedError{Message: "jwt expired"}).Error(); got != "jwt expired" {
		t.Errorf("without a cause Error is %q", got)
	}
	if !errors.Is(&UnauthorizedError{}, ErrRejected) {
		t.Error("an error without a reason is not ErrRejected")
	}
	if errors.Is(&UnauthorizedError{Reason: "ours"}, ErrRejected) || !errors.Is(&UnauthorizedError{Reason: "ours"}, Reason("ours")) {
		t.Error("a custom reason is not kept")
	}
	if ErrTokenExpired.Error() != "token_expired" {
		t.Error("a reason is not its word")
	}
}

// TestErrorInTheLog: the log says why, and not what the token claims.
func TestErrorInTheLog(t *testing.T) {
	claim := errors.New(`aud is ["everybody"]`)
	for _, row := range []struct {
		name string
		err  *UnauthorizedError
		want string
	}{
		{"a cause", refuse(ErrTokenMalformed, "invalid token", strictjson.ErrDepth),
			`e.reason=token_malformed e.code=invalid_token e.message="invalid token" e.cause="nested too deeply"`},
		{"a cause that quotes a claim", refuse(ErrAudienceMismatch, "jwt audience invalid. expected: us", claim),
			`e.reason=audience_mismatch e.code=invalid_token e.message="jwt audience invalid. expected: us"`},
		{"the same as a cause", refuse("ours", "no", fmt.Errorf("within: %w", refuse(ErrAudienceMismatch, "jwt audience invalid", claim))),
			`e.reason=ours e.code=invalid_token e.message=no e.cause.reason=audience_mismatch e.cause.code=invalid_token e.cause.message="jwt audience invalid"`},
		{"empty", &UnauthorizedError{}, `e.reason=rejected e.code=unknown e.message=""`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out strings.Builder
			slog.New(slog.NewTextHandler(&out, nil)).Info("", "e", row.err)
			if _, got, _ := strings.Cut(strings.TrimSpace(out.String()), `msg="" `); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestAsUnauthorized(t *testing.T) {
	if AsUnauthorized(nil) != nil {
		t.Error("nil became an error")
	}
	u := refuse(ErrSignatureInvalid, "invalid signature", nil)
	if AsUnauthorized(u) != u || AsUnauthorized(fmt.Errorf("x: %w", u)) != u {
		t.Error("a refusal became another")
	}
	got := AsUnauthorized(io.EOF)
	if got.Code != CodeUnknown || got.Message != "rejected by the server" || !errors.Is(got, ErrRejected) || !errors.Is(got, io.EOF) || got.Retryable {
		t.Errorf("got %#v", got)
	}
}
