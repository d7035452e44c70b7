package signals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// asymmetric are the algorithms that Global Token Revocation allows.
var asymmetric = []verifier.Algorithm{
	verifier.RS256, verifier.RS384, verifier.RS512, verifier.PS256, verifier.PS384, verifier.PS512,
	verifier.ES256, verifier.ES384, verifier.ES512, verifier.EdDSA,
}

// GlobalTokenRevocation is the endpoint of draft-parecki-oauth-global-token-revocation,
// which Okta calls Universal Logout: a request names a user by sub_id, and is
// authenticated by a JWT of the type global-token-revocation+jwt in its Authorization
// header. Its iss and aud are the Issuer and the Audience, the endpoint's URL, of the
// options; sub, exp, iat and jti are required, and so is an asymmetric algorithm. A JWT
// authenticates one request: with another body it is refused, with [Options.Used] by every
// process.
//
// The user's sessions end, and tokens issued so far are refused. Answers are 204; 400
// for a request that cannot be read or whose subject cannot be resolved; 401 for a bad
// JWT; 403 for a subject of another issuer; 404 for one that Resolve does not know; 503 for
// what shall be sent again.
func GlobalTokenRevocation(r *socketio.Registry, o *Options) (http.Handler, error) {
	more := []verifier.Option{
		verifier.WithExtractor(verifier.BearerHeader()), verifier.RequireClaims("sub", "exp", "iat", "jti"), verifier.Algorithms(asymmetric...),
	}
	if o != nil && o.Caller != "" {
		more = append(more, verifier.Subject(o.Caller))
	}
	rc, err := newReceiver("GlobalTokenRevocation", "global-token-revocation+jwt", r, o, more...)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(rc.request), nil
}

func (rc *receiver) request(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "revocations are posted", http.StatusMethodNotAllowed)
		return
	}
	if err := rc.requested(w, r); err != nil {
		rc.o.Logger.Warn("signals: a global token revocation was refused", "remote", r.RemoteAddr, "error", err)
		if err.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		}
		answer(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (rc *receiver) requested(w http.ResponseWriter, r *http.Request) *refusal {
	// A provider that gives up its request has the sessions ended nevertheless.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), timeout)
	defer cancel()
	h := verifier.HandshakeFromRequest(r)
	h.Query = nil
	t, err := rc.verifier.Authenticate(ctx, h)
	if err != nil {
		if u := verifier.AsUnauthorized(err); !u.Retryable {
			return &refusal{status: http.StatusUnauthorized, code: "authentication_failed", text: u.Message, err: err}
		}
		return tryAgain(err)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refuse("invalid_request", "the content type must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return refuse("invalid_request", "the body cannot be read")
	}
	first, refused := rc.first(ctx, t, sha256.Sum256(body))
	if refused != nil {
		return refused
	}
	var request struct {
		SubID json.RawMessage `json:"sub_id"`
	}
	if json.Unmarshal(body, &request) != nil || request.SubID == nil {
		return refuse("invalid_request", "the body must be an object with sub_id")
	}
	all, refused := rc.revocations(ctx, request.SubID, false)
	if refused != nil {
		return refused
	}
	if len(all) == 0 {
		return &refusal{status: http.StatusNotFound, code: "user_not_found", text: "nobody here is the subject"}
	}
	return rc.revoke(ctx, "global-token-revocation", t, all, first.at)
}

// first returns when the request was received: now, or when it came first. A request that
// comes again is the same one and ends nothing that began since.
func (rc *receiver) first(ctx context.Context, t *verifier.Token, sum [sha256.Size]byte) (received, *refusal) {
	used := &refusal{status: http.StatusUnauthorized, code: "authentication_failed", text: "the JWT was used for another request"}
	now := received{sum, rc.o.Clock()}
	known, ok := rc.seen.Get(t.ID)
	if !ok {
		if rc.o.Used != nil {
			switch added, err := rc.use(ctx, t); {
			case err != nil:
				return now, tryAgain(err)
			case !added:
				return now, used
			}
		}
		if known, ok, _ = rc.seen.PeekOrAdd(t.ID, now); !ok {
			return now, nil
		}
	}
	if known.sum != sum {
		return now, used
	}
	return known, nil
}

// use notes the JWT for all processes, and reports whether it is new.
func (rc *receiver) use(ctx context.Context, t *verifier.Token) (added bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("signals: Used panicked: %v", r)
		}
	}()
	id := sha256.Sum256([]byte(t.Issuer + "\x00" + t.ID))
	return rc.o.Used.Add(ctx, hex.EncodeToString(id[:]), t.ValidUntil().Add(usedLonger))
}
