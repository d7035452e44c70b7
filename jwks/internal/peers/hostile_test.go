package peers

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// trial is one client at one endpoint.
type trial struct {
	issuer *verifiertest.Issuer
	key    *verifiertest.Key
	verify verify
	sent   atomic.Int64 // bytes of endless answers
}

func (tr *trial) token(k *verifiertest.Key) string {
	return tr.issuer.TokenBy(k, nil, verifiertest.Claims{"aud": "chat", "sub": "ada"})
}

func (tr *trial) good(k *verifiertest.Key) error { return tr.verify(tr.token(k), "198.51.100.1:1") }

// soon tries until the token is accepted.
func (tr *trial) soon(k *verifiertest.Key, within time.Duration) error {
	began := time.Now()
	for {
		err := tr.good(k)
		if err == nil || time.Since(began) > within {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// gone tries until the token is refused.
func (tr *trial) gone(k *verifiertest.Key, within time.Duration) error {
	for began := time.Now(); time.Since(began) < within; time.Sleep(20 * time.Millisecond) {
		if tr.good(k) != nil {
			return nil
		}
	}
	return fmt.Errorf("a withdrawn key is good after %v", within)
}

func newKey(a verifier.Algorithm, kid string) *verifiertest.Key { return verifiertest.NewKey(a, kid) }

var rows = []struct {
	name string
	set  func(tr *trial) // before the client is made
	try  func(tr *trial) error
	ttl  time.Duration
}{
	{name: "a new key is found at once", try: func(tr *trial) error {
		next := newKey(verifier.ES256, "key-2")
		tr.issuer.Publish(next)
		return tr.soon(next, 500*time.Millisecond)
	}},
	{name: "a withdrawn key is gone after the TTL", try: func(tr *trial) error {
		tr.issuer.Publish(newKey(verifier.ES256, "key-2"))
		tr.issuer.Withdraw("key-1")
		return tr.gone(tr.key, 4*ttl)
	}},
	{name: "304 forever: a new key is found", try: func(tr *trial) error {
		tr.issuer.Break(lies)
		next := newKey(verifier.ES256, "key-2")
		tr.issuer.Publish(next)
		return tr.soon(next, 500*time.Millisecond)
	}},
	{name: "304 forever: a withdrawn key is gone", try: func(tr *trial) error {
		tr.issuer.Break(lies)
		tr.issuer.Publish(newKey(verifier.ES256, "key-2"))
		tr.issuer.Withdraw("key-1")
		return tr.gone(tr.key, 5*ttl)
	}},
	{name: "Retry-After is heeded", set: func(tr *trial) {
		tr.issuer.Break(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
	}, try: func(tr *trial) error {
		for range 20 {
			_ = tr.good(tr.key)
			time.Sleep(100 * time.Millisecond)
		}
		return atMost(tr.issuer.Fetches(), 1)
	}},
	{name: "Retry-After as a date, with 429, is heeded", set: func(tr *trial) {
		tr.issuer.Break(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		})
	}, try: func(tr *trial) error {
		for range 20 {
			_ = tr.good(tr.key)
			time.Sleep(100 * time.Millisecond)
		}
		return atMost(tr.issuer.Fetches(), 1)
	}},
	{name: "a web page with status 200 is bridged as an outage", try: func(tr *trial) error {
		tr.issuer.Break(verifiertest.Body("text/html", "<html><title>Maintenance</title></html>"))
		time.Sleep(2 * ttl)
		return tr.good(tr.key)
	}},
	{name: "max-age of a year keeps no withdrawn key", set: func(tr *trial) {
		tr.issuer.SetHeader("Cache-Control", "public, max-age=31536000, immutable")
	}, try: func(tr *trial) error {
		if err := tr.good(tr.key); err != nil {
			return err
		}
		tr.issuer.Publish(newKey(verifier.ES256, "key-2"))
		tr.issuer.Withdraw("key-1")
		return tr.gone(tr.key, 4*ttl)
	}},
	{name: "a redirect loop costs few requests", set: func(tr *trial) {
		tr.issuer.Break(verifiertest.Redirect(tr.issuer.JWKSURL()))
	}, try: func(tr *trial) error {
		_ = tr.good(tr.key)
		return atMost(tr.issuer.Fetches(), 12)
	}},
	{name: "two keys of one kid are both tried", set: func(tr *trial) {
		tr.key = newKey(verifier.ES256, "key-1") // beside the first
		tr.issuer.PublishJWK(tr.key.JWK())
	}, try: good},
	{name: "an answer that is compressed by itself", set: func(tr *trial) {
		tr.issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			serve(zipped{w, z}, r)
		})
	}, try: good},
	{name: "a small answer that unpacks to much is cut", set: func(tr *trial) {
		tr.issuer.Break(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			_, _ = io.WriteString(z, `{"keys":[`)
			for chunk := strings.Repeat(" ", 1<<20); tr.sent.Load() < 256<<20; tr.sent.Add(int64(len(chunk))) {
				if _, err := io.WriteString(z, chunk); err != nil {
					return
				}
			}
		})
	}, try: func(tr *trial) error {
		_ = tr.good(tr.key)
		if sent := tr.sent.Load(); sent >= 256<<20 {
			return fmt.Errorf("%d MiB were unpacked", sent>>20)
		}
		return nil
	}},
	{name: "an outage costs few requests", try: func(tr *trial) error {
		before := tr.issuer.Fetches()
		tr.issuer.Break(verifiertest.Status(http.StatusInternalServerError))
		time.Sleep(ttl)
		for range 50 {
			_ = tr.good(tr.key)
			time.Sleep(20 * time.Millisecond)
		}
		return atMost(tr.issuer.Fetches()-before, 3)
	}},
	{name: "an outage is bridged with the keys at hand", try: func(tr *trial) error {
		tr.issuer.Break(verifiertest.Status(http.StatusInternalServerError))
		time.Sleep(2 * ttl)
		return tr.good(tr.key)
	}},
	{name: "a client starts during an outage", set: func(tr *trial) { tr.issuer.Break(verifiertest.Down()) }, try: func(tr *trial) error {
		_ = tr.good(tr.key)
		tr.issuer.Break(nil)
		return tr.soon(tr.key, 10*time.Second)
	}},
	{name: "a slow endpoint holds nobody up who has keys", try: func(tr *trial) error {
		time.Sleep(7 * time.Second) // due for a refresh
		tr.issuer.Break(verifiertest.Slow(2 * time.Second))
		began := time.Now()
		if err := tr.good(tr.key); err != nil {
			return err
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			return fmt.Errorf("waited for %v", took)
		}
		return nil
	}, ttl: 8 * time.Second},
	{name: "invented kids cost few requests", try: func(tr *trial) error {
		before := tr.issuer.Fetches()
		for i := range 50 {
			_ = tr.verify(tr.token(newKey(verifier.EdDSA, fmt.Sprint("invented-", i))), "192.0.2.66:1")
		}
		return atMost(tr.issuer.Fetches()-before, 5)
	}},
	{name: "invented kids hide no new key from others", try: func(tr *trial) error {
		for i := range 50 {
			_ = tr.verify(tr.token(newKey(verifier.EdDSA, fmt.Sprint("invented-", i))), "192.0.2.66:1")
		}
		next := newKey(verifier.ES256, "key-2")
		tr.issuer.Publish(next)
		return tr.soon(next, 900*time.Millisecond)
	}},
	{name: "forged tokens of a known kid cost no request", try: func(tr *trial) error {
		before := tr.issuer.Fetches()
		for range 20 {
			_ = tr.verify(tr.token(newKey(verifier.ES256, "key-1")), "192.0.2.66:1")
		}
		return atMost(tr.issuer.Fetches()-before, 1)
	}},
	{name: "an unknown neighbour does no harm", set: func(tr *trial) { tr.issuer.PublishJWK(verifiertest.AKP("pq")) }, try: good},
	{name: "a damaged neighbour does no harm", set: func(tr *trial) {
		tr.issuer.PublishJWK(verifiertest.JWK{"kty": "RSA", "kid": "x", "n": "!", "e": "AQAB"}, verifiertest.JWK{"kty": "EC", "kid": "y", "crv": "P-256", "x": "AA", "y": "AA"})
	}, try: good},
	{name: "a neighbour that is not an object does no harm", set: func(tr *trial) { tr.issuer.PublishJWK(nil) }, try: good},
	{name: "a published secret verifies nothing", set: func(tr *trial) {
		tr.key = newKey(verifier.HS256, "secret")
		tr.issuer.Publish(tr.key)
	}, try: func(tr *trial) error {
		if tr.good(tr.key) == nil {
			return errors.New("a token by a published secret was accepted")
		}
		return nil
	}},
	{name: "text/plain", set: func(tr *trial) {
		set, err := json.Marshal(map[string]any{"keys": []any{tr.key.JWK()}})
		if err != nil {
			panic(err)
		}
		tr.issuer.Break(verifiertest.Body("text/plain", string(set)))
	}, try: good},
	{name: "empty members, as .NET writes them", set: func(tr *trial) {
		tr.issuer.Withdraw("key-1")
		jwk := tr.key.JWK()
		jwk["key_ops"], jwk["oth"], jwk["x5c"] = []string{}, []string{}, []string{}
		tr.issuer.PublishJWK(jwk)
	}, try: good},
	{name: "alg Ed25519 (RFC 9864)", set: func(tr *trial) {
		tr.key = newKey(verifier.EdDSA, "ed")
		jwk := tr.key.JWK()
		jwk["alg"] = "Ed25519"
		tr.issuer.PublishJWK(jwk)
	}, try: good},
	{name: "an endless answer is cut", set: func(tr *trial) {
		tr.issuer.Break(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"keys":[`)
			for chunk := strings.Repeat(" ", 64<<10); tr.sent.Load() < 64<<20 && r.Context().Err() == nil; tr.sent.Add(int64(len(chunk))) {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		})
	}, try: func(tr *trial) error {
		_ = tr.good(tr.key)
		if sent := tr.sent.Load(); sent > 16<<20 {
			return fmt.Errorf("%d MiB were read", sent>>20)
		}
		return nil
	}},
	{name: "a redirect to http is not followed", try: func(tr *trial) error {
		plain := verifiertest.Serve(newKey(verifier.ES256, "key-2"))
		defer plain.Close()
		tr.issuer.Break(verifiertest.Redirect(plain.JWKSURL()))
		time.Sleep(ttl)
		_ = tr.verify(tr.token(newKey(verifier.EdDSA, "unknown")), "192.0.2.66:1")
		_ = tr.good(tr.key)
		time.Sleep(ttl)
		return atMost(len(plain.Requests()), 0)
	}},
}

// zipped is a response whose body is compressed.
type zipped struct {
	http.ResponseWriter
	io.Writer
}

func (z zipped) Write(p []byte) (int, error) { return z.Writer.Write(p) }

func good(tr *trial) error { return tr.good(tr.key) }

func atMost(got, most int) error {
	if got > most {
		return fmt.Errorf("%d requests", got)
	}
	return nil
}

// lies says "not modified" to anyone who asks whether.
func lies(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if r.Header.Get("If-None-Match") != "" {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	serve(w, r)
}

// TestHostileEndpoints: package jwks passes every row. The same test tries the other
// clients and logs their results (go test -v).
func TestHostileEndpoints(t *testing.T) {
	for _, row := range rows {
		for name, start := range clients {
			t.Run(row.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				tr := &trial{key: newKey(verifier.ES256, "key-1")}
				tr.issuer = verifiertest.ServeTLS(tr.key)
				defer tr.issuer.Close()
				if row.set != nil {
					row.set(tr)
				}
				err := func() (err error) {
					if tr.verify, err = start(ctx, tr.issuer, max(row.ttl, ttl)); err != nil {
						return err
					}
					if row.set == nil {
						if err := tr.good(tr.key); err != nil {
							return fmt.Errorf("at first: %w", err)
						}
					}
					return row.try(tr)
				}()
				switch {
				case err == nil:
					t.Logf("RESULT | %s | %s | yes", row.name, name)
				case name == "jwks":
					t.Errorf("%v", err)
				default:
					t.Logf("RESULT | %s | %s | no: %.100v", row.name, name, err)
				}
			})
		}
	}
}
