package dpop

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// maxProof bounds a proof's length in bytes. One with an RSA key of 8192 bits has
// about 3,000.
const maxProof = 8 << 10

// Validator is a [verifier.Confirmer] of tokens bound by cnf.jkt. Make it with
// [New]. It is safe for concurrent use.
type Validator struct {
	config
	proofs *verifier.Verifier // form, typ, alg and signature of proofs
}

var _ verifier.Confirmer = (*Validator)(nil)

// New makes a validator. [URL], or else [TrustForwarded], must be given.
func New(options ...Option) (*Validator, error) {
	v := &Validator{config: config{
		algorithms: asymmetric,
		maxAge:     DefaultMaxAge,
		tolerance:  DefaultClockTolerance,
		now:        time.Now,
		cacheSize:  DefaultCacheSize,
	}}
	for _, option := range options {
		if option == nil {
			return nil, errors.New("dpop: New: an option is nil")
		}
		if err := option(&v.config); err != nil {
			return nil, err
		}
	}
	if (len(v.urls) == 0) == (v.trusted == nil) {
		return nil, errors.New(`dpop: New: give the option URL, as in URL("https://chat.example.com/socket.io/"), or TrustForwarded, and not both`)
	}
	if v.given["WithCache"] && v.given["CacheSize"] {
		return nil, errors.New("dpop: New: CacheSize is that of the cache in memory, which WithCache replaces: leave one out")
	}
	if v.cache == nil {
		v.cache = newMemory(v.cacheSize, v.now)
	}
	var err error
	v.proofs, err = verifier.New(verifier.KeyProviderFunc(keyOfProof),
		verifier.Type("dpop+jwt"),
		verifier.Algorithms(v.algorithms...),
		verifier.MaxTokenLength(maxProof),
		verifier.WithClock(v.now),
		verifier.ClockTolerance(v.tolerance),
	)
	if err != nil {
		return nil, fmt.Errorf("dpop: New: %w", err)
	}
	return v, nil
}

// Confirms returns [verifier.ConfirmJKT].
func (v *Validator) Confirms() string { return verifier.ConfirmJKT }

// Validate checks that the handshake has a proof by the key that the token is
// bound to, good for this handshake and not used before. The error is always an
// [*verifier.UnauthorizedError].
func (v *Validator) Validate(ctx context.Context, t *verifier.Token, h *verifier.Handshake) error {
	bound := t.Confirmation(verifier.ConfirmJKT)
	raw, err := v.needed(t, bound, h)
	if raw == "" || err != nil {
		return err
	}
	p, err := v.parse(ctx, raw)
	if err != nil {
		return err
	}
	now := v.now()
	if err := v.checkRequest(p, h); err != nil {
		return err
	}
	if err := v.checkTime(p, now); err != nil {
		return err
	}
	if err := p.checkToken(t, bound); err != nil {
		return err
	}
	return v.use(ctx, p)
}

// needed returns the proof that must be checked for a token that is bound to that
// thumbprint. It returns no proof and no error only for a bearer token, if [AllowBearer]
// allows those.
func (v *Validator) needed(t *verifier.Token, bound string, h *verifier.Handshake) (raw string, err error) {
	if raw, err = proofOf(h); err != nil {
		return "", err
	}
	scheme, credentials := authorization(h)
	switch {
	case bound == "" && v.allowBearer && raw == "" && !strings.EqualFold(scheme, "dpop"):
		return "", nil
	case bound == "":
		return "", denied(ErrNotBound, "the token is not bound to a DPoP key")
	case strings.EqualFold(scheme, "bearer") && credentials == t.Raw():
		return "", denied(ErrSchemeMismatch, "a DPoP-bound token needs the scheme DPoP")
	case raw == "":
		return "", denied(ErrProofMissing, "no DPoP proof provided")
	}
	return raw, nil
}

// checkTime checks that the proof was made a short while ago: by the server's nonce,
// where it gives nonces, and by iat (RFC 9449 §4.3).
func (v *Validator) checkTime(p *proof, now time.Time) error {
	if n := v.nonces; n != nil && !n.good(p.Nonce, now) {
		return &verifier.UnauthorizedError{
			Code: CodeUseNonce, Message: "DPoP proof needs the server's nonce", Reason: ErrUseNonce,
			Retryable: true, Nonce: n.current(now),
		}
	}
	if p.issuedAt.After(now.Add(v.tolerance)) || !now.Before(v.until(p)) {
		return invalid("iat", quoting{fmt.Errorf("issued at %v, now is %v", p.issuedAt, now)})
	}
	return nil
}

// until returns when the proof is too old.
func (v *Validator) until(p *proof) time.Time { return p.issuedAt.Add(v.maxAge + v.tolerance) }

// checkToken checks that the proof was made for this token, and by the key that the
// token is bound to (RFC 9449 §4.3).
func (p *proof) checkToken(t *verifier.Token, bound string) error {
	hash := sha256.Sum256([]byte(t.Raw()))
	if !equal(p.ATH, b64.EncodeToString(hash[:])) {
		return invalid("ath", errors.New("it is another token's"))
	}
	if !equal(p.thumbprint, bound) {
		return denied(ErrKeyMismatch, "the token is bound to another DPoP key")
	}
	return nil
}

// use notes that the proof is used.
func (v *Validator) use(ctx context.Context, p *proof) error {
	jti := sha256.Sum256([]byte(p.JTI))
	added, err := v.cache.Add(ctx, p.thumbprint+"."+b64.EncodeToString(jti[:]), v.until(p))
	if err != nil {
		return &verifier.UnauthorizedError{
			Code: "temporarily_unavailable", Message: "DPoP proof cannot be checked, try again later",
			Reason: ErrUnavailable, Retryable: true, Err: err,
		}
	}
	if !added {
		return &verifier.UnauthorizedError{Code: CodeInvalidProof, Message: "DPoP proof used before", Reason: ErrProofReplayed}
	}
	return nil
}

// checkRequest checks that the proof was made for this handshake.
func (v *Validator) checkRequest(p *proof, h *verifier.Handshake) error {
	method := h.Method
	if method == "" {
		method = "GET"
	}
	if p.HTM != method {
		return invalid("htm", quoting{fmt.Errorf("htm is %.20q, the handshake's method %s", p.HTM, method)})
	}
	got, err := normalize(p.HTU)
	if err != nil {
		return invalid("htu", quoting{err})
	}
	urls := v.urls
	if v.trusted != nil {
		u, err := forwarded(v.trusted, h)
		if err != nil {
			return invalid("htu", err)
		}
		urls = []string{u}
	}
	if !slices.Contains(urls, got) {
		return invalid("htu", quoting{fmt.Errorf("htu is %.200q, the server's URL %q", got, urls)})
	}
	return nil
}

// proof is what a proof says of itself, once its signature holds.
type proof struct {
	JTI   string `json:"jti"`
	HTM   string `json:"htm"`
	HTU   string `json:"htu"`
	ATH   string `json:"ath"`
	Nonce string `json:"nonce"`

	issuedAt   time.Time
	thumbprint string // of the key that signed it
	header     string // its header, as it came
}

// proofKey is the key of the context in which a proof reaches keyOfProof.
type proofKey struct{}

// parse checks the form of a proof, and its signature under its own key. The
// verifier looks at no jwk, here as little as elsewhere: its key provider does.
func (v *Validator) parse(ctx context.Context, raw string) (*proof, error) {
	p := new(proof)
	p.header, _, _ = strings.Cut(raw, ".")
	token, err := v.proofs.Verify(context.WithValue(ctx, proofKey{}, p), raw)
	if err != nil {
		u := verifier.AsUnauthorized(err)
		if u.Reason == ErrProofInvalid {
			return nil, u
		}
		return nil, invalid(what(u.Reason), u)
	}
	if err := token.Claims(p); err != nil {
		return nil, invalid("claims", quoting{err})
	}
	if p.JTI == "" || p.HTM == "" || p.HTU == "" || p.ATH == "" || token.IssuedAt.IsZero() {
		return nil, invalid("claims", errors.New("jti, htm, htu, iat and ath are required (RFC 9449 §4.2)"))
	}
	p.issuedAt = token.IssuedAt
	return p, nil
}

// what names the check by which the verifier refused a proof.
func what(r verifier.Reason) string {
	switch r {
	case verifier.ErrTypeMismatch:
		return "typ"
	case verifier.ErrAlgorithmNotAllowed:
		return "alg"
	case verifier.ErrSignatureInvalid:
		return "signature"
	case verifier.ErrTokenExpired:
		return "exp"
	case verifier.ErrTokenNotActive:
		return "nbf"
	case verifier.ErrClaimInvalid, verifier.ErrTokenBound:
		return "claims"
	}
	return "malformed"
}

// keyOfProof is the key provider of proofs: the key is the one in the header,
// which the verifier has read the rest of.
func keyOfProof(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	p := ctx.Value(proofKey{}).(*proof)
	header, err := b64.DecodeString(p.header)
	if err != nil {
		return nil, invalid("jwk", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(header, &members); err != nil {
		return nil, invalid("jwk", err)
	}
	jwk, ok := members["jwk"]
	if !ok {
		return nil, invalid("jwk", errors.New("the header has none (RFC 9449 §4.2)"))
	}
	material, thumbprint, err := parseJWK(jwk)
	if err != nil {
		return nil, invalid("jwk", err)
	}
	key, err := verifier.NewKey(material, verifier.KeyOptions{Algorithms: []verifier.Algorithm{t.Header.Algorithm}})
	if err != nil {
		return nil, invalid("jwk", err)
	}
	p.thumbprint = thumbprint
	return []*verifier.Key{key}, nil
}

// proofOf finds the one proof in a handshake, "" if there is none.
func proofOf(h *verifier.Handshake) (string, error) {
	var found []string
	if object, ok := h.Auth.(map[string]any); ok && object["dpop"] != nil {
		text, ok := object["dpop"].(string)
		if !ok {
			return "", invalid("malformed", errors.New("the member dpop is not a string"))
		}
		found = append(found, text)
	}
	if !h.InBand {
		found = append(found, h.Header["Dpop"]...) // the canonical form of DPoP
		found = append(found, h.Query["dpop"]...)
	}
	switch {
	case len(found) > 1:
		return "", invalid("malformed", errTwoProofs)
	case len(found) == 1 && found[0] == "":
		return "", invalid("malformed", errors.New("the proof is empty"))
	case len(found) == 1:
		return found[0], nil
	}
	return "", nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
