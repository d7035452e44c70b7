package socketio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// logoutEvent is the member of events that makes a token a logout token.
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

const (
	maxLogoutBody = 64 << 10         // bytes
	maxLogoutIDs  = 10_000           // jti remembered
	logoutTimeout = 10 * time.Second // for the provider's keys and the Store
)

// LogoutOptions configures a [BackChannelLogout].
type LogoutOptions struct {
	// TokenLifetime is how long a token that clients connect with is good for,
	// at most: for so long those of a user or session that was logged out are
	// refused. [DefaultRevocationTTL] by default.
	TokenLifetime time.Duration

	// Observe is called for every logout that took effect, with the number of sessions
	// it ended in this process: for metrics, as of package promsocketio. Zero may mean
	// that the user is connected elsewhere, or that the provider's sid and sub are not
	// those of the tokens that clients connect with.
	Observe func(logout *verifier.Token, ended int)

	// Used shares with other processes which logout tokens were received, so that none
	// is accepted twice. By default each process knows its own.
	Used UsedIDs

	// Logger is told of logouts, and of requests that are refused:
	// [slog.Default] by default.
	Logger *slog.Logger
}

// UsedIDs remembers which ids were used, for processes that together must accept each
// only once. Package redisstore implements it with Redis.
type UsedIDs interface {
	// Add notes an id until a time, and reports whether it is new.
	Add(ctx context.Context, id string, until time.Time) (added bool, err error)
}

// BackChannelLogout returns the endpoint to which an OpenID provider reports logouts
// (OpenID Connect Back-Channel Logout 1.0 §2.5). It ends the sessions that the logout
// token names, in this process and in all processes that share the registry's Store, and
// refuses their tokens. A sid names the sessions whose token has it. If the logout token
// also has a sub, it also names the user's sessions whose token has no sid: access
// tokens usually have none (RFC 9068). A sub without a sid names all of the user's sessions.
//
// The verifier is for logout tokens, not for those of clients. Give it the provider's
// keys, [verifier.Issuer], [verifier.Audience] with this server's client id at the
// provider, and [verifier.Type] with "logout+jwt" (and "JWT" for providers that send no
// other type). The handler itself checks what else section 2.6 requires.
//
// A logout by sub spares tokens that were issued after it. The answer is 200, or 400 for
// any failure (§2.8), and must not be cached. A logout takes effect even if the provider
// does not wait for the answer. The handler logs a warning if a logout ends no session
// in this process.
func BackChannelLogout(v *verifier.Verifier, r *Registry, o *LogoutOptions) (http.Handler, error) {
	if v == nil || r == nil {
		return nil, errors.New("socketio: BackChannelLogout needs a verifier and a registry: one is nil")
	}
	if o == nil {
		o = &LogoutOptions{}
	}
	l := &logout{verifier: v, registry: r, lifetime: o.TokenLifetime, used: o.Used, logger: o.Logger, observe: o.Observe}
	if l.lifetime == 0 {
		l.lifetime = DefaultRevocationTTL
	}
	if l.lifetime < 0 {
		return nil, fmt.Errorf("socketio: BackChannelLogout: TokenLifetime is %v: expected a positive duration", l.lifetime)
	}
	if l.logger == nil {
		l.logger = slog.Default()
	}
	l.logger = safeLogger(l.logger)
	l.seen, _ = lru.New[[2]string, time.Time](maxLogoutIDs) // fails for no size above zero
	return l, nil
}

type logout struct {
	verifier *verifier.Verifier
	registry *Registry
	lifetime time.Duration
	used     UsedIDs // nil: this process only
	logger   *slog.Logger
	observe  func(*verifier.Token, int)
	seen     *lru.Cache[[2]string, time.Time] // by issuer and jti, until exp
}

// ServeHTTP takes the provider's POST.
func (l *logout) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a logout token is posted", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogoutBody)
	err := r.ParseForm()
	if raw := r.PostForm["logout_token"]; err == nil && len(raw) != 1 {
		err = fmt.Errorf("%d parameters logout_token in the body: expected one", len(raw))
	} else if err == nil {
		// A provider that gives up its request has the user logged out nevertheless.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logoutTimeout)
		defer cancel()
		err = l.logout(ctx, raw[0])
	}
	if err == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	l.logger.Warn("socketio: a back-channel logout was refused", "remote", r.RemoteAddr, "error", err)
	answer := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{"invalid_request", "the logout request is invalid"}
	var u *verifier.UnauthorizedError
	if errors.As(err, &u) {
		answer.Description = u.Message
		if u.Retryable {
			answer.Error = "temporarily_unavailable"
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(answer) // a provider that went away misses nothing
}

func invalidLogout(format string, args ...any) error {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: fmt.Sprintf(format, args...), Reason: verifier.ErrClaimInvalid,
	}
}

// logout verifies a logout token and does what it says.
func (l *logout) logout(ctx context.Context, raw string) error {
	t, err := l.verifier.Verify(ctx, raw)
	if err != nil {
		return err
	}
	if err := checkLogout(t); err != nil {
		return err
	}
	// A replay would do nothing new, for it ends what began before its iat. It
	// is refused nevertheless, as section 2.6 asks.
	id := [2]string{t.Issuer, t.ID}
	if until, ok := l.seen.Get(id); ok && time.Now().Before(until) {
		return invalidLogout("the logout token has been received before")
	}
	ended, err := l.revoke(ctx, t)
	if err != nil {
		return unavailable(err) // the provider may send it again
	}
	l.seen.Add(id, t.ValidUntil())
	l.report(t, ended)
	return l.receive(ctx, t)
}

// receive returns an error if another process has received the logout token before.
// It comes last, since a token that was noted could not be sent again after a failure.
func (l *logout) receive(ctx context.Context, t *verifier.Token) (err error) {
	if l.used == nil {
		return nil
	}
	defer l.registry.recovered("the logout endpoint's Used", &err)
	sum := sha256.Sum256([]byte(t.Issuer + "\x00" + t.ID))
	added, err := l.used.Add(ctx, hex.EncodeToString(sum[:]), t.ValidUntil())
	if err != nil {
		return unavailable(err)
	}
	if !added {
		return invalidLogout("the logout token has been received before")
	}
	return nil
}

// revoke revokes what a logout token names, and returns how many sessions that ended
// here.
func (l *logout) revoke(ctx context.Context, t *verifier.Token) (ended int, err error) {
	expires := time.Now().Add(l.lifetime)
	var all []Revocation
	if t.SessionID != "" {
		all = append(all, Revocation{Issuer: t.Issuer, SessionID: t.SessionID, Expires: expires})
	}
	if t.Subject != "" {
		// iat is in whole seconds: what was issued in the same one is out too.
		all = append(all, Revocation{
			Issuer: t.Issuer, Subject: t.Subject, IssuedBefore: t.IssuedAt.Add(time.Second), Expires: expires, WithoutSessionID: t.SessionID != "",
		})
	}
	for _, v := range all {
		before := l.registry.Count(v.filter())
		err = errors.Join(err, l.registry.Revoke(ctx, v))
		ended += max(0, before-l.registry.Count(v.filter()))
	}
	return ended, err
}

// report tells the log and the observer.
func (l *logout) report(t *verifier.Token, ended int) {
	by := "sub"
	switch {
	case t.SessionID != "" && t.Subject != "":
		by = "sid, or sub where a token has no sid"
	case t.SessionID != "":
		by = "sid"
	}
	l.logger.Info("socketio: back-channel logout", "token", t, "by", by, "sessions", ended)
	if ended == 0 {
		l.logger.Warn("socketio: a back-channel logout matched no session in this process", "token", t, "by", by)
	}
	if l.observe == nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			l.logger.Error("socketio: LogoutOptions.Observe panicked", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	l.observe(t, ended)
}

// checkLogout checks what section 2.6 requires beyond the checks of every token.
func checkLogout(t *verifier.Token) error {
	claims := make(map[string]json.RawMessage)
	if err := t.Claims(&claims); err != nil {
		return err
	}
	var events map[string]json.RawMessage
	var event map[string]any
	switch {
	case t.Issuer == "":
		return invalidLogout("iss is required")
	case len(t.Audience) == 0:
		return invalidLogout("aud is required")
	case t.IssuedAt.IsZero():
		return invalidLogout("iat is required")
	case t.ValidUntil().IsZero():
		return invalidLogout("exp is required")
	case t.ID == "":
		return invalidLogout("jti is required")
	case t.Subject == "" && t.SessionID == "":
		return invalidLogout("sub or sid is required")
	case claims["nonce"] != nil:
		return invalidLogout("nonce is prohibited")
	case json.Unmarshal(claims["events"], &events) != nil || json.Unmarshal(events[logoutEvent], &event) != nil || event == nil:
		return invalidLogout("events must have the member %s, an object", logoutEvent)
	}
	return nil
}
