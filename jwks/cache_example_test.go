package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// memory is a store for one process. Use Redis or a database to share the key sets.
type memory struct {
	sync.Map
	saved chan string // the URL of each set, if not nil
}

func (m *memory) Load(_ context.Context, url string) ([]byte, error) {
	value, _ := m.Map.Load(url)
	b, _ := value.([]byte)
	return b, nil
}

func (m *memory) Save(_ context.Context, url string, value []byte, _ time.Duration) error {
	m.Store(url, value)
	if m.saved != nil {
		m.saved <- url
	}
	return nil
}

// A server that starts takes the key set from the store, without a request to the issuer.
func ExampleWithStore() {
	issuer := verifiertest.NewIssuer("https://login.example/")
	store := &memory{saved: make(chan string, 1)}
	for server := range 2 {
		if server == 1 {
			<-store.saved // the first server saves the set after it has used it
		}
		keys, err := jwks.OIDC(issuer.URL(), jwks.HTTPClient(issuer.Client()), jwks.WithStore(store))
		if err != nil {
			fmt.Println(err)
			return
		}
		token, err := verifier.Must(verifier.New(keys)).Verify(context.Background(), issuer.Token(verifiertest.Claims{"sub": "ada"}))
		fmt.Println(token.Subject, err, issuer.Fetches())
	}
	// Output:
	// ada <nil> 1
	// ada <nil> 1
}

// A test moves the clock to see that a withdrawn key stops verifying after the TTL.
func ExampleWithClock() {
	clock := verifiertest.NewClock(time.Now())
	issuer := verifiertest.NewIssuer("https://login.example/")
	issuer.Now = clock.Now
	keys, err := jwks.OIDC(issuer.URL(), jwks.HTTPClient(issuer.Client()), jwks.TTL(time.Minute), jwks.WithClock(clock.Now),
		jwks.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	v := verifier.Must(verifier.New(keys, verifier.WithClock(clock.Now)))
	raw := issuer.Token(nil)
	_, err = v.Verify(context.Background(), raw)
	fmt.Println(err)

	issuer.Rotate(verifiertest.NewKey(verifier.ES256, "key-2"))
	issuer.Withdraw("key-1")
	clock.Advance(2 * time.Minute)
	_, err = v.Verify(context.Background(), raw)
	fmt.Println(errors.Is(err, verifier.ErrKeyNotFound))
	// Output:
	// <nil>
	// true
}

// A provider that remembers the keys of one issuer fetches them again when tokens of
// another issuer have come in between.
func ExampleMaxIssuers() {
	one, two := verifiertest.NewIssuer("https://one.example/"), verifiertest.NewIssuer("https://two.example/")
	all := func(context.Context, string) (bool, error) { return true, nil } // ask your database
	keys, err := jwks.IssuersFunc(all, jwks.MaxIssuers(1), jwks.HTTPClient(verifiertest.Client(one, two)))
	if err != nil {
		fmt.Println(err)
		return
	}
	v := verifier.Must(verifier.New(keys))
	for _, issuer := range []*verifiertest.Issuer{one, two, one} {
		_, err := v.Verify(context.Background(), issuer.Token(nil))
		fmt.Println(issuer.URL(), err, issuer.Fetches())
	}
	// Output:
	// https://one.example/ <nil> 1
	// https://two.example/ <nil> 1
	// https://one.example/ <nil> 2
}
