package otelsocketio_test

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/otelsocketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// Every handshake is a span. Without options the global providers are used.
func Example() {
	secret, err := keys.Secret([]byte("a secret of at least 32 bytes is fine"))
	if err != nil {
		panic(err)
	}
	v, err := verifier.New(secret)
	if err != nil {
		panic(err)
	}
	spans := tracetest.NewInMemoryExporter() // in place of one that sends them
	telemetry, err := otelsocketio.New(&otelsocketio.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))})
	if err != nil {
		panic(err)
	}
	// server.Authorize("/", v, socketio.Observe(telemetry.Observer())) does this for a binding:
	a, err := socketio.New(v, socketio.ByHandshake(), socketio.Observe(telemetry.Observer()))
	if err != nil {
		panic(err)
	}
	_, err = a.Admit(context.Background(), &verifier.Handshake{Namespace: "/"})
	fmt.Println(err)
	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name)
	}
	// Output:
	// no token provided
	// socketio_jwt.verify
}
