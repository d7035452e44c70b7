package jwks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Issuers returns a provider that asks, for each token, the provider of its issuer, by the exact iss. A
// provider never gets a token of another issuer. A token of any other issuer, or without iss, is refused
// ([verifier.ErrIssuerMismatch]). The providers can be of any kind, such as a secret beside a URL.
func Issuers(providers map[string]verifier.KeyProvider) (*Provider, error) {
	if len(providers) == 0 {
		return nil, errors.New("jwks: Issuers: there is no issuer")
	}
	for issuer, p := range providers {
		if issuer == "" {
			return nil, errors.New(`jwks: Issuers: an issuer is "", which no token's is`)
		}
		if v := reflect.ValueOf(p); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, fmt.Errorf("jwks: Issuers: the provider of %q is nil", issuer)
		}
		if p, ok := p.(*Provider); ok && p.issuer != "" && p.issuer != issuer {
			return nil, fmt.Errorf("jwks: Issuers: the provider of %q has the keys of %q: it would never have any for it", issuer, p.issuer)
		}
	}
	list := &allowList{maps.Clone(providers), slices.Sorted(maps.Keys(providers))}
	return &Provider{inner: list, stats: list.stats}, nil
}

// allowList is a provider for each issuer.
type allowList struct {
	providers map[string]verifier.KeyProvider
	issuers   []string // sorted, for errors
}

func (l *allowList) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	if p, ok := l.providers[t.Issuer()]; ok {
		return p.Keys(ctx, t)
	}
	return nil, wrongIssuer(t.Issuer(), l.issuers...)
}

// hasKey asks the provider of the issuer: see [verifier.KeyChecker].
func (l *allowList) hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	if p, ok := l.providers[t.Issuer()]; ok {
		return verifier.HasKey(ctx, p, t, key)
	}
	return false, nil
}

// renewNow refreshes those of the providers that can be: see [Provider.Refresh].
func (l *allowList) renewNow(ctx context.Context) error {
	var all []func(context.Context) error
	for _, issuer := range l.issuers {
		if p, ok := l.providers[issuer].(*Provider); ok {
			all = append(all, p.Refresh)
		}
	}
	return together(ctx, all)
}

// together calls the functions, a few at a time, and returns all errors.
func together(ctx context.Context, functions []func(context.Context) error) error {
	errs := make([]error, len(functions))
	slots := make(chan struct{}, 16)
	var all sync.WaitGroup
	for i, f := range functions {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(ctx)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (l *allowList) stats() (sum Stats) {
	counted := make(map[*Provider]bool)
	for _, p := range l.providers {
		if p, ok := p.(*Provider); ok && !counted[p] {
			counted[p] = true
			sum.add(p.Stats())
		}
	}
	return sum
}

// IssuersFunc returns a provider for the tokens of any issuer that allow accepts. It finds their keys as
// [OIDC] does, with the same options, and keeps the key sets of [MaxIssuers] issuers. It is for tenants
// that come and go.
//
// The function allow is called for every token, before anything is verified, so a no takes effect at
// once. It should be quick and strict. Anyone who controls an issuer that it accepts can sign any token
// of that issuer. A pattern that fits any name, such as each subdomain, lets clients make this server
// look up and query as many hosts as they can name. An error of allow counts as an outage, and is
// retryable.
func IssuersFunc(allow func(ctx context.Context, issuer string) (bool, error), options ...Option) (*Provider, error) {
	if allow == nil {
		return nil, errors.New("jwks: IssuersFunc: the function is nil")
	}
	c, err := configure("IssuersFunc", options)
	if err != nil {
		return nil, err
	}
	d := &directory{config: c, allow: allow}
	d.order, err = lru.NewLRU(c.maxIssuers, func(issuer string, e *entry) { d.sources.Delete(issuer) })
	if err != nil {
		return nil, fmt.Errorf("jwks: IssuersFunc: %w", err)
	}
	return &Provider{inner: d, stats: d.counters.stats}, nil
}

// directory makes sources as issuers are met, and forgets those not used for
// longest.
type directory struct {
	*config
	counters counters
	allow    func(ctx context.Context, issuer string) (bool, error)

	sources sync.Map // issuer to *entry: read without a lock

	mu    sync.Mutex // guards order
	order *lru.LRU[string, *entry]
}

type entry struct {
	*source
	used atomic.Int64 // when it was last moved up in the order, in Unix nanoseconds
}

// touchEvery is how often the use of an issuer is noted in the order, so that
// verifications do not queue for its lock.
const touchEvery = time.Second

func (d *directory) keys(ctx context.Context, t *verifier.UnverifiedToken) ([]*verifier.Key, error) {
	e, err := d.allowed(ctx, t)
	if err != nil {
		return nil, err
	}
	return e.keys(ctx, t)
}

// hasKey asks the issuer's set: see [verifier.KeyChecker]. An issuer that is no
// longer allowed has no keys.
func (d *directory) hasKey(ctx context.Context, t *verifier.UnverifiedToken, key *verifier.Key) (bool, error) {
	e, err := d.allowed(ctx, t)
	if errors.Is(err, verifier.ErrIssuerMismatch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return e.hasKey(ctx, t, key)
}

// allowed returns the entry of the token's issuer, if that is allowed.
func (d *directory) allowed(ctx context.Context, t *verifier.UnverifiedToken) (*entry, error) {
	issuer := t.Issuer()
	if issuer == "" {
		return nil, wrongIssuer("")
	}
	switch ok, err := d.allow(ctx, issuer); {
	case err != nil:
		return nil, fmt.Errorf("jwks: whether the token's issuer is allowed: %w", err)
	case !ok:
		return nil, wrongIssuer(issuer)
	}
	return d.of(issuer)
}

// renewNow refreshes the sets of all issuers that are remembered.
func (d *directory) renewNow(ctx context.Context) error {
	d.mu.Lock()
	entries := d.order.Values()
	d.mu.Unlock()
	var all []func(context.Context) error
	for _, e := range entries {
		all = append(all, e.renewNow)
	}
	return together(ctx, all)
}

// issuerError says what is wrong with the iss of a token, to the server only.
type issuerError struct {
	iss      string
	expected []string // nil if a function decides
}

func (e *issuerError) Error() string {
	if e.iss == "" {
		return "jwks: the token has no iss, or one that is not a string"
	}
	if e.expected == nil {
		return fmt.Sprintf("jwks: iss is %.200q, which the function of IssuersFunc does not allow", e.iss)
	}
	const most = 5
	var words []string
	for _, issuer := range e.expected[:min(most, len(e.expected))] {
		words = append(words, strconv.Quote(issuer))
	}
	if more := len(e.expected) - most; more > 0 {
		words = append(words, fmt.Sprintf("one of %d more", more))
	}
	return fmt.Sprintf("jwks: iss is %.200q: expected %s, exactly", e.iss, strings.Join(words, " or "))
}

// wrongIssuer refuses a token for its iss.
func wrongIssuer(iss string, expected ...string) error {
	return refuseIssuer(&issuerError{iss, expected})
}

func refuseIssuer(cause error) error {
	return &verifier.UnauthorizedError{
		Code: verifier.CodeInvalidToken, Message: "jwt issuer invalid", Reason: verifier.ErrIssuerMismatch, Err: cause,
	}
}

// of returns the entry of an issuer that is allowed.
func (d *directory) of(issuer string) (*entry, error) {
	now := time.Now().UnixNano()
	if found, ok := d.sources.Load(issuer); ok {
		e := found.(*entry)
		if used := e.used.Load(); (now-used >= int64(touchEvery) || now < used) && e.used.CompareAndSwap(used, now) {
			d.mu.Lock()
			d.order.Get(issuer)
			d.mu.Unlock()
		}
		return e, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if found, ok := d.order.Get(issuer); ok {
		return found, nil
	}
	l, err := d.issuer(issuer)
	if err != nil {
		return nil, refuseIssuer(fmt.Errorf("jwks: IssuersFunc allowed what cannot be an issuer: %w", err))
	}
	e := &entry{source: newSource(d.config, l, &d.counters)}
	e.used.Store(now)
	issuer = strings.Clone(issuer) // which is a part of the whole payload
	d.sources.Store(issuer, e)
	d.order.Add(issuer, e)
	return e, nil
}
