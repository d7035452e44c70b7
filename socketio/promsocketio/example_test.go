package promsocketio_test

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/promsocketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// One collector for each namespace, told apart by a label.
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
