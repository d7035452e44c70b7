package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// authenticated opens a socket with the token.
func authenticated(t *testing.T, server *sockettest.Server, raw string) *sockettest.Client {
	t.Helper()
	client := server.Connect(nil)
	client.Authenticate(raw)
	if client.Session() == nil {
		t.Fatalf("got %v", client.Received())
	}
	return client
}

// endsAfter waits until the session ends and returns how long that took.
func endsAfter(t *testing.T, client *sockettest.Client, atMost time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for client.Session() != nil {
		if time.Since(began) > atMost {
			t.Fatalf("the session has not ended after %v", atMost)
		}
		time.Sleep(time.Second)
	}
	if err := client.Err(); !errors.Is(err, socketio.ErrKeyWithdrawn) {
		t.Errorf("the session ended with %v", err)
	}
	return time.Since(began)
}

// TestFaultsB1SweepDuringFlood: sessions of a withdrawn key end within the TTL and
// the sweep's interval, whatever kids an unauthenticated client invents meanwhile.
func TestFaultsB1SweepDuringFlood(t *testing.T) {
	const ttl, every = 5 * time.Minute, 30 * time.Second
	for _, flooded := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, jwks.TTL(ttl))
			server := sockettest.NewServer(w.verifier, socketio.EndOnWithdrawnKey(w.provider, every))
			client := authenticated(t, server, w.issuer.Token(verifiertest.Claims{"exp": time.Now().Add(24 * time.Hour).Unix()}))
			done := make(chan struct{})
			go func() {
				defer close(done)
				if flooded {
					w.flood(ttl+every+10*time.Second, func(int) {})
				}
			}()
			time.Sleep(10 * time.Second)
			w.issuer.Rotate(unpublished("key-2"))
			w.issuer.Withdraw("key-1")
			took := endsAfter(t, client, ttl+every)
			t.Logf("flooded %v: the session ended after %v", flooded, took)
			other := authenticated(t, server, w.issuer.Token(nil))
			<-done
			if other.Session() == nil {
				t.Errorf("the session of the new key has ended: %v", other.Err())
			}
		})
	}
}

// TestFaultsB1SweepKeepsInAnOutage: what cannot be asked ends nobody's session.
func TestFaultsB1SweepKeepsInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, jwks.TTL(time.Minute), jwks.MaxStale(0))
		server := sockettest.NewServer(w.verifier, socketio.EndOnWithdrawnKey(w.provider, 30*time.Second))
		client := authenticated(t, server, w.issuer.Token(verifiertest.Claims{"exp": time.Now().Add(24 * time.Hour).Unix()}))
		w.issuer.Break(verifiertest.Down())
		time.Sleep(time.Hour)
		if client.Session() == nil {
			t.Fatalf("the session has ended: %v", client.Err())
		}
		w.issuer.Withdraw("key-1")
		w.issuer.Break(nil)
		endsAfter(t, client, time.Minute+30*time.Second)
	})
}

// TestFaultsI14SlowIssuers: 300 issuers that time out do not delay the sweep of
// the 301st.
func TestFaultsI14SlowIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 30 * time.Second
		var issuers []*verifiertest.Issuer
		for i := range 301 {
			issuers = append(issuers, verifiertest.NewIssuer(fmt.Sprintf("https://%03d.test/", i), unpublished("key-1")))
		}
		provider := made(t)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return true, nil },
			jwks.TTL(time.Minute), jwks.MaxStale(0), jwks.HTTPClient(verifiertest.Client(issuers...)), jwks.WithLogger(quiet)))
		v, err := verifier.New(provider)
		if err != nil {
			t.Fatal(err)
		}
		server := sockettest.NewServer(v, socketio.EndOnWithdrawnKey(provider, every))
		var clients []*sockettest.Client
		for _, i := range issuers {
			clients = append(clients, authenticated(t, server, i.Token(verifiertest.Claims{"exp": time.Now().Add(24 * time.Hour).Unix()})))
		}
		for _, i := range issuers[:300] {
			i.Break(verifiertest.Hang(nil))
		}
		issuers[300].Withdraw("key-1")
		endsAfter(t, clients[300], time.Minute+every+5*time.Second)
		for i, c := range clients[:300] {
			if c.Session() == nil {
				t.Fatalf("issuer %d could not be asked, and its session ended: %v", i, c.Err())
			}
		}
		for i, c := range clients {
			issuers[i].Break(nil)
			c.Disconnect()
		}
		time.Sleep(10 * time.Second) // the last fetches give up
	})
}
