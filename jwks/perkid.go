package jwks

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// PEMByKID returns a provider of public keys that are published one by one, in PEM: the key of a kid is
// at address + kid. AWS Application Load Balancers publish their keys in this way, at
// https://public-keys.auth.elb.<region>.amazonaws.com/. The address is an https URL that ends in a
// slash. The provider does not know the issuer: give the verifier [verifier.Issuer] too, and check who
// signed ([verifier.HeaderEquals]).
//
// Each key is fetched, kept and refreshed like a set of [URL]. A status from 400 to 410 means that the
// key does not exist; 401, 407 and 408 mean that the fetch failed. All keys share the limits on unknown
// kids. A kid is asked for only if it consists of letters, digits, "-", ".", "_" and "~". The provider
// keeps the 100 keys that were used last. It does not use a [Store].
func PEMByKID(address string, options ...Option) (*Provider, error) {
	c, err := configure("PEMByKID", options)
	if err != nil {
		return nil, err
	}
	u, err := c.checkURL(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("jwks: PEMByKID: %w", err)
	case !strings.HasSuffix(u.Path, "/") || u.RawQuery != "" || u.ForceQuery:
		return nil, fmt.Errorf("jwks: PEMByKID: %s: expected an address that ends in a slash, which the kid is put behind", shown(u))
	case c.store != nil:
		return nil, errors.New("jwks: PEMByKID: WithStore is for sets of keys: leave it out")
	}
	p := &perKID{config: c, at: location{url: u}, pending: make(map[string]*source)}
	if p.known, err = lru.NewLRU[string, *source](maxKeys, nil); err != nil {
		return nil, fmt.Errorf("jwks: PEMByKID: %w", err)
	}
	return &Provider{inner: p, stats: p.counters.stats}, nil
}

// perKID has a source for each kid that there is a key of.
type perKID struct {
	*config
	counters counters
	at       location

	mu      sync.Mutex // guards the rest
	known   *lru.LRU[string, *source]
	pending map[string]*source // those whose key may not exist; as many as the limits allow
	limits  *limiter           // nil until the first kid
}

// isPath reports whether the kid names something below the address, and nothing else.
func isPath(kid string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~"
	return len(kid) <= 128 && strings.Trim(kid, ".") != "" && strings.Trim(kid, letters+".") == ""
}

func (p *perKID) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	kid := t.Header.KeyID
	if !isPath(kid) || strings.HasPrefix(string(t.Header.Algorithm), "HS") {
		return nil, nil
	}
	s, who, mine, err := p.source(kid, t)
	if s == nil || err != nil {
		return nil, err
	}
	failed := true // unless it returns
	var found []*verifier.Key
	defer func() {
		if mine || len(found) > 0 {
			p.settle(kid, s, who, mine, len(found) > 0, failed)
		}
	}()
	found, err = s.keys(ctx, t)
	failed = err != nil
	return found, err
}

// source returns the source of the kid: nil if the kid is known to be absent, an error if
// it is too early to look. mine says that the caller took what the look-up costs.
func (p *perKID) source(kid string, t *verifier.UnverifiedToken) (_ *source, who string, mine bool, err error) {
	p.mu.Lock()
	s, ok := p.known.Get(kid)
	if !ok {
		s, ok = p.pending[kid]
	}
	p.mu.Unlock()
	if ok {
		return s, "", false, nil
	}
	who = sourceOf(p.clientAddress(t.Handshake)) // the application's: not under the lock
	now := p.moment()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.pending[kid]; ok { // somebody was faster
		return s, "", false, nil
	}
	if p.limits == nil {
		p.limits = newLimiter(now)
	}
	if p.limits.absent.within(kid, p.limits.time(now), absentFor) {
		p.counters.unknown.Add(1)
		return nil, "", false, nil
	}
	if !p.limits.take(who, p.limits.time(now)) {
		p.counters.unknown.Add(1)
		p.counters.early.Add(1)
		return nil, "", false, fmt.Errorf("jwks: %s: %w", shown(p.at.url), errTooEarly)
	}
	s = p.newSource(kid)
	p.pending[strings.Clone(kid)] = s
	return s, who, true, nil
}

func (p *perKID) newSource(kid string) *source {
	kid = strings.Clone(kid) // which is a part of the whole header
	return newSource(p.config, location{url: p.at.url.JoinPath(kid), kid: kid}, &p.counters)
}

// settle records the result of a look-up.
func (p *perKID) settle(kid string, s *source, who string, mine, found, failed bool) {
	now := p.moment()
	p.mu.Lock()
	defer p.mu.Unlock()
	if found {
		p.known.Add(strings.Clone(kid), s)
	}
	if !mine {
		return
	}
	delete(p.pending, kid)
	switch {
	case found:
		p.limits.giveBack(who)
	case !failed:
		p.limits.absent.add(kid, p.limits.time(now))
	}
}

// hasKey asks the source of the kid: see [verifier.KeyChecker].
func (p *perKID) hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	kid := t.Header.KeyID
	if !isPath(kid) {
		return false, nil
	}
	p.mu.Lock()
	s, ok := p.known.Get(kid)
	p.mu.Unlock()
	if !ok {
		s = p.newSource(kid)
	}
	has, err := s.hasKey(ctx, t, key)
	if has {
		p.settle(kid, s, "", false, true, false)
	}
	return has, err
}

// renewNow refreshes all keys that are known: see [Provider.Refresh].
func (p *perKID) renewNow(ctx context.Context) error {
	p.mu.Lock()
	sources := p.known.Values()
	p.mu.Unlock()
	var all []func(context.Context) error
	for _, s := range sources {
		all = append(all, s.renewNow)
	}
	return together(ctx, all)
}

// missing reports whether the answer says that the key does not exist. Where each key has
// its own file, that is an answer and not an outage.
func (l *location) missing(err error) bool {
	var status *statusError
	return l.kid != "" && errors.As(err, &status) && status.code >= http.StatusBadRequest && status.code <= http.StatusGone &&
		status.code != http.StatusUnauthorized && status.code != http.StatusRequestTimeout && status.code != http.StatusProxyAuthRequired
}

// parse makes a snapshot of an answer. One without a body has no key.
func (l *location) parse(d *document) (*snapshot, error) {
	if l.kid == "" {
		return parseSet(d.body)
	}
	if d.header == nil {
		return newSnapshot(nil, nil), nil
	}
	if block, _ := pem.Decode(d.body); block == nil {
		return nil, errors.New("the answer is not PEM")
	}
	set, err := keys.PEM(d.body, keys.ID(l.kid))
	if err != nil {
		return newSnapshot(nil, []error{err}), nil
	}
	return newSnapshot(set.All(), nil), nil
}
