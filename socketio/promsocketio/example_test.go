package promsocketio_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/promsocketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// One collector for each namespace, distinguished by a label.
func Example() {
	secret, err := keys.Secret([]byte("a secret of at least 32 bytes is fine"))
	if err != nil {
		panic(err)
	}
	v, err := verifier.New(secret)
	if err != nil {
		panic(err)
	}
	registry := prometheus.NewRegistry()
	for _, namespace := range []string{"/", "/admin"} {
		metrics := promsocketio.New()
		prometheus.WrapRegistererWith(prometheus.Labels{"namespace": namespace}, registry).MustRegister(metrics)
		// server.Authorize(namespace, v, socketio.Observe(metrics.Observer())) does this for a binding:
		a, err := socketio.New(v, socketio.ByHandshake(), socketio.Observe(metrics.Observer()))
		if err != nil {
			panic(err)
		}
		_, _ = a.Admit(context.Background(), &verifier.Handshake{Namespace: namespace})
	}
	families, err := registry.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if f.GetName() == "socketio_jwt_verifications_total" {
			for _, m := range f.GetMetric() {
				fmt.Println(m.GetLabel()[1].GetValue(), m.GetLabel()[3].GetValue(), m.GetCounter().GetValue())
			}
		}
	}
	// Output:
	// / token_missing 1
	// /admin token_missing 1
}

// What caches, key sets and the registry count.
func ExampleRegistry() {
	provider, err := jwks.Auth0("tenant.eu.auth0.com")
	if err != nil {
		panic(err)
	}
	v, err := verifier.New(provider, verifier.Audience("chat"), verifier.CacheVerified(10_000))
	if err != nil {
		panic(err)
	}
	opaque, err := introspection.New("https://login.example.com/introspect", introspection.ClientSecret("id", "secret"))
	if err != nil {
		panic(err)
	}
	sessions := socketio.NewRegistry(nil)
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		promsocketio.Registry("chat", sessions),
		promsocketio.TokenCache("chat", v),
		promsocketio.Keys("auth0", provider),
		promsocketio.Introspection("login", opaque),
	)
	families, err := registry.Gather()
	fmt.Println(len(families) > 0, err)
	// Output: true <nil>
}
