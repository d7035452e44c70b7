package signals

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// The event types that are acted on (CAEP 1.0, SSF 1.0 §8.1.4 and §8.1.5).
const (
	sessionRevoked    = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	credentialChange  = "https://schemas.openid.net/secevent/caep/event-type/credential-change"
	tokenClaimsChange = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
	verification      = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	streamUpdated     = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
)

// SharedSignals is a receiver of Shared Signals events (SSF 1.0) that are pushed to it
// (RFC 8935). It acts on these, and acknowledges others:
//
//   - session-revoked: the subject's sessions end.
//   - credential-change: they end if a credential was revoked, updated or deleted.
//   - token-claims-change: they end, because what their tokens claim is not true any
//     more. Clients are told token_revoked and get another token.
//   - verification: the state is checked by [Options.VerifyState].
//   - stream-updated: a stream that is paused or disabled is logged as a warning.
//
// Tokens issued after the event are good: event_timestamp, or else iat. An event that
// comes again, by its jti, is acknowledged again and does nothing.
//
// Answers are 202; 400 with an error of RFC 8935 §2.4, such as authentication_failed for a
// wrong Authorization header and access_denied for a subject of another issuer; 503 for
// what the provider shall send again.
func SharedSignals(r *socketio.Registry, o *Options) (http.Handler, error) {
	rc, err := newReceiver("SharedSignals", "secevent+jwt", r, o)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(rc.push), nil
}

// push takes a SET that is pushed (RFC 8935 §2).
func (rc *receiver) push(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "events are posted", http.StatusMethodNotAllowed)
		return
	}
	if err := rc.pushed(w, r); err != nil {
		rc.o.Logger.Warn("signals: an event was refused", "remote", r.RemoteAddr, "error", err)
		if err.status != http.StatusServiceUnavailable {
			err.status = http.StatusBadRequest // whatever is wrong with a SET (RFC 8935 §2.3)
		}
		answer(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (rc *receiver) pushed(w http.ResponseWriter, r *http.Request) *refusal {
	if want := rc.o.Authorization; want != "" {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		expected := sha256.Sum256([]byte(want))
		if subtle.ConstantTimeCompare(got[:], expected[:]) != 1 {
			return refuse("authentication_failed", "the Authorization header is not the stream's")
		}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/secevent+jwt" {
		return refuse("invalid_request", "the content type must be application/secevent+jwt")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return refuse("invalid_request", "the body cannot be read")
	}
	// A provider that gives up its request has the sessions ended nevertheless.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), timeout)
	defer cancel()
	t, err := rc.verifier.Verify(ctx, string(body))
	if err != nil {
		return rejected(err)
	}
	sum := sha256.Sum256(body)
	if known, ok := rc.seen.Get(t.ID); ok && known.sum == sum {
		rc.o.Logger.Debug("signals: an event came again", "token", t)
		return nil
	} else if ok {
		return refuse("invalid_request", "another event had this jti")
	}
	if err := rc.event(ctx, t); err != nil {
		return err
	}
	rc.seen.Add(t.ID, received{sum, rc.o.Clock()})
	return nil
}

// refused tells why a SET did not verify, in the words of RFC 8935 §2.4.
func rejected(err error) *refusal {
	u := verifier.AsUnauthorized(err)
	r := refuse("invalid_request", "%s", u.Message)
	r.err = err
	switch {
	case u.Retryable:
		return tryAgain(err)
	case errors.Is(err, verifier.ErrIssuerMismatch):
		r.code = "invalid_issuer"
	case errors.Is(err, verifier.ErrAudienceMismatch):
		r.code = "invalid_audience"
	case errors.Is(err, verifier.ErrSignatureInvalid), errors.Is(err, verifier.ErrKeyNotFound), errors.Is(err, verifier.ErrAlgorithmNotAllowed):
		r.code = "invalid_key"
	}
	return r
}

// set is a SET's claims (RFC 8417 §2.2).
type set struct {
	Sub    json.RawMessage            `json:"sub"`
	Exp    json.RawMessage            `json:"exp"`
	SubID  json.RawMessage            `json:"sub_id"`
	Events map[string]json.RawMessage `json:"events"`
}

// event checks a SET's claims (SSF 1.0 §4.1) and does what its event asks for.
func (rc *receiver) event(ctx context.Context, t *verifier.Token) *refusal {
	var s set
	err := t.Claims(&s)
	switch {
	case err != nil:
		return refuse("invalid_request", "the claims are not those of a SET")
	case t.ID == "":
		return refuse("invalid_request", "jti is required")
	case t.IssuedAt.IsZero():
		return refuse("invalid_request", "iat is required")
	case s.Sub != nil:
		return refuse("invalid_request", "sub is prohibited: the subject is sub_id")
	case s.Exp != nil:
		return refuse("invalid_request", "exp is prohibited")
	case s.SubID == nil:
		return refuse("invalid_request", "sub_id is required")
	case len(s.Events) != 1:
		return refuse("invalid_request", "events must have one member")
	}
	for kind, raw := range s.Events {
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil || fields == nil {
			return refuse("invalid_request", "an event must be an object")
		}
		return rc.handle(ctx, t, kind, s.SubID, fields)
	}
	return nil
}

func (rc *receiver) handle(ctx context.Context, t *verifier.Token, kind string, sub json.RawMessage, fields map[string]json.RawMessage) *refusal {
	switch kind {
	case verification:
		return rc.verify(sub, fields)
	case streamUpdated:
		return rc.updated(sub, fields)
	case sessionRevoked:
	case credentialChange:
		change, err := oneOf(fields, "change_type", "create", "revoke", "update", "delete")
		if err != nil {
			return err
		}
		if text(fields["credential_type"]) == "" {
			return refuse("invalid_request", "credential_type is required")
		}
		if change == "create" {
			return nil // one credential more ends nothing
		}
	case tokenClaimsChange:
		var claims map[string]json.RawMessage
		if json.Unmarshal(fields["claims"], &claims) != nil || len(claims) == 0 {
			return refuse("invalid_request", "claims must be an object that is not empty")
		}
	default:
		rc.o.Logger.Debug("signals: an event of another type", "type", kind, "token", t)
		return nil
	}
	at, err := eventTime(t, fields)
	if err != nil {
		return err
	}
	all, err := rc.revocations(ctx, sub, kind == sessionRevoked)
	if err != nil {
		return err
	}
	return rc.revoke(ctx, kind, t, all, at)
}

// eventTime is when the event happened: before it was told of, or then.
func eventTime(t *verifier.Token, fields map[string]json.RawMessage) (time.Time, *refusal) {
	raw, ok := fields["event_timestamp"]
	if !ok {
		return t.IssuedAt, nil
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || seconds <= 0 {
		return time.Time{}, refuse("invalid_request", "event_timestamp must be a positive number")
	}
	// After iat it is milliseconds, in earlier drafts, or a clock that is ahead.
	seconds = min(seconds, float64(t.IssuedAt.Unix()))
	return time.UnixMilli(int64(seconds * 1000)), nil
}

// stream checks that an event is about the stream.
func (rc *receiver) stream(sub json.RawMessage) *refusal {
	var s struct{ Format, ID string }
	if json.Unmarshal(sub, &s) != nil || s.Format != "opaque" || s.ID == "" {
		return refuse("invalid_request", "sub_id must be opaque, with the stream's id")
	}
	if rc.o.StreamID != "" && s.ID != rc.o.StreamID {
		return refuse("invalid_request", "sub_id is another stream's")
	}
	return nil
}

func (rc *receiver) verify(sub json.RawMessage, fields map[string]json.RawMessage) *refusal {
	if err := rc.stream(sub); err != nil {
		return err
	}
	state := ""
	if raw, ok := fields["state"]; ok && json.Unmarshal(raw, &state) != nil {
		return refuse("invalid_state", "state must be a string")
	}
	if rc.o.VerifyState != nil && !rc.stateIsGood(state) {
		return refuse("invalid_state", "the state is not the one that was asked for")
	}
	rc.o.Logger.Info("signals: the event stream was verified")
	return nil
}

func (rc *receiver) stateIsGood(state string) (good bool) {
	defer func() {
		if r := recover(); r != nil {
			rc.o.Logger.Error("signals: VerifyState panicked", "panic", r)
			good = false
		}
	}()
	return rc.o.VerifyState(state)
}

func (rc *receiver) updated(sub json.RawMessage, fields map[string]json.RawMessage) *refusal {
	if err := rc.stream(sub); err != nil {
		return err
	}
	status, err := oneOf(fields, "status", "enabled", "paused", "disabled")
	if err != nil {
		return err
	}
	if status != "enabled" {
		rc.o.Logger.Warn("signals: the provider stopped the event stream: sessions are no longer ended by it", "status", status)
	}
	return nil
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // "" if it is not a string
	return s
}

func oneOf(fields map[string]json.RawMessage, name string, allowed ...string) (string, *refusal) {
	got := text(fields[name])
	for _, a := range allowed {
		if got == a {
			return got, nil
		}
	}
	return "", refuse("invalid_request", "%s must be one of %v", name, allowed)
}

// answer tells the provider what was wrong (RFC 8935 §2.3).
func answer(w http.ResponseWriter, r *refusal) {
	h := w.Header()
	if r.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
		w.WriteHeader(r.status)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Language", "en")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(struct {
		Err         string `json:"err"`
		Description string `json:"description"`
	}{r.code, r.text}) // a provider that went away misses nothing
}
