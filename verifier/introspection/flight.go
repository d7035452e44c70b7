package introspection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
)

// fly asks the endpoint for a token, and keeps what it says.
func (c *Client) fly(ctx context.Context, f *flight, hash tokenHash, token string, turns chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() { // in a separate goroutine it would end the program
		if p := recover(); p != nil {
			c.crashed(f, hash, p)
		}
	}()
	claims, expires, began, asked := c.inTurn(ctx, f, token, turns)
	cause := f.err
	down := c.land(f, hash, claims, expires, began, asked)
	name := slog.String("token", fmt.Sprintf("sha256 %x", hash[:6])) // as verifier.Token names it
	if asked && cause != nil {
		level := slog.LevelDebug
		if c.mayWarn() {
			level = slog.LevelWarn
		}
		c.logger.Log(ctx, level, "introspection: the endpoint could not be asked", name, "error", cause)
	} else if asked {
		c.logger.Debug("introspection: the endpoint answered", name, "active", claims != nil)
	}
	if down {
		c.logger.Warn("introspection: the endpoint is down: several tokens failed, and none was answered", "tries a second", maxTries)
	}
	close(f.done)
}

// inTurn asks once there is a turn, and leaves the error in f.
func (c *Client) inTurn(ctx context.Context, f *flight, token string, turns chan struct{}) (claims []byte, expires, began time.Time, asked bool) {
	turn := time.NewTimer(turnTimeout)
	defer turn.Stop()
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
		began, asked = c.now(), true
		claims, expires, f.err = c.ask(ctx, token)
	case <-turn.C:
		f.err = errBusy
	}
	return claims, expires, began, asked
}

// crashed ends a flight in which the clock or the logger panicked.
func (c *Client) crashed(f *flight, hash tokenHash, p any) {
	c.mu.Lock()
	if c.flights[hash] == f {
		delete(c.flights, hash)
	}
	c.mu.Unlock()
	f.answer, f.err = answer{}, fmt.Errorf("introspection: panic: %v", p)
	close(f.done)
}

// mayWarn reports whether to warn of a failure: once a second, since anyone who
// presents bad tokens would fill the log.
func (c *Client) mayWarn() bool {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if since := now.Sub(c.warned); since >= 0 && since < time.Second {
		return false
	}
	c.warned = now
	return true
}

// land notes the result of a flight. It reports whether the endpoint is taken to be
// down from now on.
func (c *Client) land(f *flight, hash tokenHash, claims []byte, expires, began time.Time, asked bool) (down bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, hash)
	if !asked {
		return false
	}
	c.stats.Requests++
	var ofToken tokenError
	switch {
	case f.err == nil:
		c.health.good(now)
		f.answer = c.answerOf(claims, expires, began)
	case errors.As(f.err, &ofToken):
		c.stats.Failures++
		c.health.good(now) // it answers
		f.answer = c.answerOf(nil, time.Time{}, began)
		f.answer.err, f.err = unreadable(ofToken), nil
	default:
		c.stats.Failures++
		last, _ := c.failed.Get(hash)
		c.failed.Add(hash, last.next(now))
		return c.health.bad(hash, now)
	}
	c.failed.Remove(hash)
	c.known.Remove(hash)
	c.inactive.Remove(hash)
	if claims == nil {
		c.keep(c.inactive, hash, f.answer, now)
	} else {
		c.keep(c.known, hash, f.answer, now)
	}
	return false
}

// keep keeps an answer that is of use later. The caller holds mu.
func (c *Client) keep(in *lru.LRU[tokenHash, answer], hash tokenHash, a answer, now time.Time) {
	if now.Before(a.fresh) || now.Before(a.stale) {
		in.Add(hash, a)
	}
}

// answerOf says for how long an answer is kept: never beyond the token's exp.
func (c *Client) answerOf(claims []byte, expires, asked time.Time) answer {
	a := answer{claims: claims, fresh: asked.Add(c.ttl), stale: asked.Add(c.ttl + c.maxStale)}
	if claims == nil {
		a.fresh, a.stale = asked.Add(min(c.ttl, inactiveTTL)), time.Time{}
	}
	if !expires.IsZero() && expires.Before(a.fresh) {
		a.fresh = expires
	}
	if !expires.IsZero() && expires.Before(a.stale) {
		a.stale = expires
	}
	return a
}
