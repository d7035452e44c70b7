// Package signals ends sessions when an identity provider asks for it, in addition to
// socketio.BackChannelLogout: by Shared Signals events ([SharedSignals]) and by Global
// Token Revocation requests ([GlobalTokenRevocation], Okta's Universal Logout).
//
// Both are HTTP handlers that revoke in a [socketio.Registry]: the sessions end on every
// node that shares the registry's Store, and tokens issued before the event are refused.
//
// # What it promises
//
// A provider can end sessions of its users only: the handlers refuse a subject of another
// issuer. They never acknowledge what they could not do, because a subject cannot be
// resolved or the Store is out of reach; the answer is then an error.
//
// # What it does not do
//
// It does not create or poll event streams (RFC 8936): register the endpoint with your
// provider. It knows users by the claims of their tokens: [Options.Resolve] maps other
// subjects, such as an email address, to them.
package signals

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const (
	maxBody = 64 << 10 // bytes
	maxIDs  = 10_000   // jti remembered
	timeout = 10 * time.Second

	usedLonger = time.Minute // than a JWT is good for: clocks differ
)

// Options sets up a receiver. Keys, Issuer and Audience are required.
type Options struct {
	// Keys are the provider's, from its jwks_uri: see package jwks.
	Keys verifier.KeyProvider

	// Issuer is the iss of the provider's events or requests.
	Issuer string

	// Audience is what their aud must have: for Shared Signals the identifier agreed
	// on for the stream, for Global Token Revocation the endpoint's URL.
	Audience string

	// TokenIssuers are the issuers of the tokens that clients connect with, whose
	// sessions this provider may end. [Options.Issuer] by default.
	TokenIssuers []string

	// TokenLifetime is how long a token that clients connect with is good for, at
	// most: a revocation is kept for so long after its event.
	// [socketio.DefaultRevocationTTL] by default.
	TokenLifetime time.Duration

	// Resolve finds the users behind a subject of another format than iss_sub, jwt_id
	// and, for what is a session or a user, opaque: an email address, a phone number,
	// an account. It returns the users' sub; none if the subject is not known here. An
	// error has the provider try again. Without it such subjects are refused.
	Resolve func(ctx context.Context, s Subject) (subs []string, err error)

	// Authorization is the whole Authorization header that the provider sends with
	// its events (SSF 1.0, authorization_header of the stream), such as "Bearer x".
	// None is asked for by default: the signature decides. [SharedSignals] only.
	Authorization string

	// StreamID is the id of the event stream: verification and stream-updated events
	// of another one are refused. Any stream's are accepted by default.
	// [SharedSignals] only.
	StreamID string

	// CriticalMembers are the members of a complex subject that must be understood:
	// critical_subject_members of the provider's configuration (SSF 1.0 §3.6). An event
	// about a subject that has one other than user and session is refused. None by
	// default: other members are passed over, and more of the user's sessions end.
	// [SharedSignals] only.
	CriticalMembers []string

	// VerifyState is asked about the state of a verification event, "" if the
	// provider sent the event by itself. Every state is good by default.
	// [SharedSignals] only.
	VerifyState func(state string) bool

	// Caller is the sub that the provider's requests must have, as Auth0 asks for.
	// Any is good by default. [GlobalTokenRevocation] only.
	Caller string

	// Used shares with other processes which JWTs were received, so that a stolen one
	// does not authenticate another request elsewhere: redisstore.Used. A JWT is then
	// good in the process that received it first, and refused by the others. By default
	// each process knows its own. [GlobalTokenRevocation] only: an event that comes again
	// ends nothing that began after it, on any node.
	Used socketio.UsedIDs

	// Clock is [time.Now] by default.
	Clock func() time.Time

	// Logger is told of what is revoked at the level info, and of what is refused at
	// the level warn: [slog.Default] by default.
	Logger *slog.Logger
}

// Subject is a subject identifier (RFC 9493, SSF 1.0 §3), as it came.
type Subject struct {
	Format string
	Role   string // its member of a complex subject: "user", "session", "tenant", ...; "" for a simple one

	// The members of the formats iss_sub, jwt_id, opaque, email, phone_number, and of
	// account, did and uri.
	Issuer, Subject, TokenID, ID, Email, PhoneNumber, URI string
}

// receiver is what both handlers share.
type receiver struct {
	o        Options
	registry *socketio.Registry
	verifier *verifier.Verifier
	seen     *lru.Cache[string, received] // by jti
}

// received is a request that was authenticated.
type received struct {
	sum [sha256.Size]byte // of what was asked for
	at  time.Time
}

func newReceiver(name, typ string, r *socketio.Registry, o *Options, more ...verifier.Option) (*receiver, error) {
	switch {
	case r == nil:
		return nil, fmt.Errorf("signals: %s: the registry is nil: give the one of the sockets", name)
	case o == nil || o.Keys == nil:
		return nil, fmt.Errorf("signals: %s: Keys is nil: give the provider's", name)
	case o.Issuer == "" || o.Audience == "":
		return nil, fmt.Errorf("signals: %s needs an Issuer and an Audience: without them anybody's token would do", name)
	case o.TokenLifetime < 0:
		return nil, fmt.Errorf("signals: %s: TokenLifetime is %v: expected a positive duration", name, o.TokenLifetime)
	case slices.Contains(o.TokenIssuers, ""):
		return nil, fmt.Errorf("signals: %s: TokenIssuers has an empty one, which would be any", name)
	}
	rc := &receiver{o: *o, registry: r}
	if len(rc.o.TokenIssuers) == 0 {
		rc.o.TokenIssuers = []string{o.Issuer}
	}
	if rc.o.TokenLifetime == 0 {
		rc.o.TokenLifetime = socketio.DefaultRevocationTTL
	}
	if rc.o.Clock == nil {
		rc.o.Clock = time.Now
	}
	if rc.o.Logger == nil {
		rc.o.Logger = slog.Default()
	}
	options := append([]verifier.Option{
		verifier.Issuer(o.Issuer), verifier.Audience(o.Audience), verifier.Type(typ), verifier.WithClock(rc.o.Clock),
	}, more...)
	var err error
	if rc.verifier, err = verifier.New(o.Keys, options...); err != nil {
		return nil, fmt.Errorf("signals: %s: %w", name, err)
	}
	rc.seen, _ = lru.New[string, received](maxIDs) // fails for no size above zero
	return rc, nil
}

// refusal is an error that the provider is told.
type refusal struct {
	status int
	code   string // of RFC 8935 §2.4
	text   string
	err    error // for the log; may be nil
}

func (r *refusal) Error() string {
	if r.err == nil {
		return r.text
	}
	return r.text + ": " + r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, text: fmt.Sprintf(format, args...)}
}

func tryAgain(err error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "", text: "try again later", err: err}
}

// revocations returns what a subject names, without dates. session says that a
// simple opaque subject may be a session.
func (rc *receiver) revocations(ctx context.Context, raw json.RawMessage, session bool) ([]socketio.Revocation, *refusal) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil, refuse("invalid_request", "sub_id must be an object")
	}
	var format string
	if json.Unmarshal(members["format"], &format) != nil || format == "" {
		return nil, refuse("invalid_request", "sub_id must have a format")
	}
	switch format {
	case "complex":
		return rc.complex(ctx, members)
	case "aliases": // several names of one subject (RFC 9493 §3.2.8)
		var all []json.RawMessage
		if json.Unmarshal(members["identifiers"], &all) != nil || len(all) == 0 {
			return nil, refuse("invalid_request", "aliases must have identifiers")
		}
		return rc.aliases(ctx, all, session)
	}
	s, err := subject(format, "", raw)
	if err != nil {
		return nil, err
	}
	if format == "opaque" && session {
		return append(rc.each(socketio.Revocation{SessionID: s.ID}), rc.each(socketio.Revocation{Subject: s.ID})...), nil
	}
	return rc.simple(ctx, s)
}

// aliases takes the names that can be resolved. One is enough.
func (rc *receiver) aliases(ctx context.Context, all []json.RawMessage, session bool) (found []socketio.Revocation, last *refusal) {
	for _, raw := range all {
		var nested struct{ Format string }
		if json.Unmarshal(raw, &nested) == nil && (nested.Format == "aliases" || nested.Format == "complex") {
			return nil, refuse("invalid_request", "aliases must not be nested")
		}
		more, err := rc.revocations(ctx, raw, session)
		if err != nil {
			last = err
		}
		found = append(found, more...)
	}
	if len(found) > 0 {
		last = nil
	}
	return found, last
}

// complex takes a user, a session, or both. Other members, such as a device, narrow
// the subject further than sessions can be distinguished: then more of the user's
// sessions end than the sender meant.
func (rc *receiver) complex(ctx context.Context, members map[string]json.RawMessage) ([]socketio.Revocation, *refusal) {
	for _, name := range rc.o.CriticalMembers {
		if _, ok := members[name]; ok && name != "user" && name != "session" {
			return nil, refuse("invalid_request", "sub_id has the critical member %s, by which sessions cannot be distinguished", name)
		}
	}
	user, err := part(members, "user")
	if err != nil {
		return nil, err
	}
	session, err := part(members, "session")
	if err != nil {
		return nil, err
	}
	if user == nil && session == nil {
		return nil, refuse("invalid_request", "sub_id has neither a user nor a session that can be ended here")
	}
	var found []socketio.Revocation
	if session != nil {
		if found, err = rc.simple(ctx, session); err != nil {
			return nil, err
		}
	}
	if user != nil {
		users, err := rc.simple(ctx, user)
		if err != nil {
			return nil, err
		}
		for _, v := range users {
			v.WithoutSessionID = session != nil // those that the session cannot name
			found = append(found, v)
		}
	}
	return found, nil
}

// part is the user or the session of a complex subject, nil if it has none.
func part(members map[string]json.RawMessage, role string) (*Subject, *refusal) {
	raw, ok := members[role]
	if !ok {
		return nil, nil
	}
	var of struct{ Format string }
	if json.Unmarshal(raw, &of) != nil || of.Format == "" {
		return nil, refuse("invalid_request", "%s of sub_id must have a format", role)
	}
	return subject(of.Format, role, raw)
}

// simple resolves a simple subject.
func (rc *receiver) simple(ctx context.Context, s *Subject) ([]socketio.Revocation, *refusal) {
	if s.Issuer != "" && !slices.Contains(rc.o.TokenIssuers, s.Issuer) {
		return nil, &refusal{status: http.StatusForbidden, code: "access_denied", text: "the subject is another issuer's"}
	}
	switch {
	case s.Format == "iss_sub" && s.Role == "session":
		return []socketio.Revocation{{Issuer: s.Issuer, SessionID: s.Subject}}, nil
	case s.Format == "iss_sub":
		return []socketio.Revocation{{Issuer: s.Issuer, Subject: s.Subject}}, nil
	case s.Format == "jwt_id":
		return []socketio.Revocation{{Issuer: s.Issuer, TokenID: s.TokenID}}, nil
	case s.Format == "opaque" && s.Role == "session":
		return rc.each(socketio.Revocation{SessionID: s.ID}), nil
	case s.Format == "opaque" && rc.o.Resolve == nil:
		return rc.each(socketio.Revocation{Subject: s.ID}), nil
	case rc.o.Resolve == nil:
		return nil, refuse("invalid_request", "subjects of the format %.40q are not known here", s.Format)
	}
	subs, err := rc.resolve(ctx, *s)
	if err != nil {
		return nil, tryAgain(err)
	}
	var found []socketio.Revocation
	for _, sub := range subs {
		if sub == "" {
			return nil, tryAgain(errors.New("signals: Resolve returned an empty sub"))
		}
		found = append(found, rc.each(socketio.Revocation{Subject: sub})...)
	}
	return found, nil
}

func (rc *receiver) resolve(ctx context.Context, s Subject) (subs []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("signals: Resolve panicked: %v", r)
		}
	}()
	return rc.o.Resolve(ctx, s)
}

// each is the revocation for every issuer of tokens.
func (rc *receiver) each(v socketio.Revocation) []socketio.Revocation {
	var all []socketio.Revocation
	for _, issuer := range rc.o.TokenIssuers {
		v.Issuer = issuer
		all = append(all, v)
	}
	return all
}

// revoke carries revocations out, for tokens issued until then.
func (rc *receiver) revoke(ctx context.Context, what string, t *verifier.Token, all []socketio.Revocation, at time.Time) *refusal {
	expires := at.Add(rc.o.TokenLifetime)
	if !expires.After(time.Now()) {
		rc.o.Logger.Info("signals: an event is older than every token", "what", what, "token", t)
		return nil
	}
	ended, err := 0, error(nil)
	for _, v := range all {
		v.Expires = expires
		if v.Subject != "" {
			v.IssuedBefore = at.Truncate(time.Second).Add(time.Second) // iat is in whole seconds
		}
		f := socketio.Filter{Issuer: v.Issuer, Subject: v.Subject, SessionID: v.SessionID, TokenID: v.TokenID}
		before := rc.registry.Count(f)
		err = errors.Join(err, rc.registry.Revoke(ctx, v))
		ended += max(0, before-rc.registry.Count(f))
	}
	if err != nil {
		return tryAgain(err)
	}
	rc.o.Logger.Info("signals: revoked", "what", what, "token", t, "sessions", ended)
	return nil
}
