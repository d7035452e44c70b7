package main

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
	"github.com/seed15b1dee8/socketio-jwt/socketio/promsocketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// application is a server that tells how it is doing.
type application struct {
	server   *googollee.Server
	registry *socketio.Registry
	site     http.Handler // with /socket.io/ and /metrics
}

// newApplication makes the server for the tokens of an issuer. What it decides is
// logged: refusals and the like at the level debug.
func newApplication(issuer string, logger *slog.Logger, options ...jwks.Option) (*application, error) {
	provider, err := jwks.OIDC(issuer, append(options, jwks.WithLogger(logger))...)
	if err != nil {
		return nil, err
	}
	v, err := verifier.New(provider, verifier.Issuer(issuer), verifier.Audience("chat"), verifier.CacheVerified(10_000))
	if err != nil {
		return nil, err
	}
	app := &application{registry: socketio.NewRegistry(&socketio.RegistryOptions{Logger: logger})}
	if app.server, err = googollee.NewServer(&googollee.Options{Logger: logger}); err != nil {
		return nil, err
	}
	metrics := promsocketio.New()
	_, err = app.server.Authorize("/", v, socketio.WithRegistry(app.registry), socketio.Observe(metrics.Observer()))
	if err != nil {
		return nil, errors.Join(err, app.server.Close())
	}

	// A separate registry contains only this; prometheus.MustRegister would add
	// it to the default one.
	collectors := prometheus.NewRegistry()
	collectors.MustRegister(metrics,
		promsocketio.Keys("issuer", provider),
		promsocketio.TokenCache("chat", v),
		promsocketio.Registry("chat", app.registry),
	)
	site := http.NewServeMux()
	site.Handle("/socket.io/", app.server)
	site.Handle("/metrics", promhttp.HandlerFor(collectors, promhttp.HandlerOpts{}))
	app.site = site
	return app, nil
}
