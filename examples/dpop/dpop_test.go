package main

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/examples/internal/mint"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/dpop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server of which the demonstration is at the URL.
func serve(t *testing.T, options ...dpop.Option) string {
	t.Helper()
	site := httptest.NewUnstartedServer(nil)
	url := "http://" + site.Listener.Addr().String()
	secret := mint.Secret()
	server, err := newServer(secret, []string{url + "/socket.io/"}, options...)
	if err != nil {
		t.Fatal(err)
	}
	site.Config.Handler = newSite(secret, server)
	site.Start()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		site.Close()
	})
	return url
}

func demonstrate(t *testing.T, options ...dpop.Option) (string, error) {
	t.Helper()
	d := demonstration{url: serve(t, options...)}
	var out strings.Builder
	err := d.run(t.Context(), &out)
	return out.String(), err
}

func TestDemonstration(t *testing.T) {
	out, err := demonstrate(t)
	if err != nil || strings.Count(out, "  ok    ") != 8 {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDemonstrationNotices: a server that takes a proof twice is found out, so
// that -once can fail.
func TestDemonstrationNotices(t *testing.T) {
	forgetful := dpop.CacheFunc(func(context.Context, string, time.Time) (bool, error) { return true, nil })
	out, err := demonstrate(t, dpop.WithCache(forgetful))
	if err == nil || strings.Count(out, "  FAIL  ") != 2 || !strings.Contains(out, "  FAIL  the stolen token and its old proof") || !strings.Contains(out, "  FAIL  a socket that renews") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestPageProof has the page's own script make a key and a proof, in Node, whose
// WebCrypto is that of browsers, and the library check it.
func TestPageProof(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("node is not installed: the page's script is not tried")
	}
	const url = "https://chat.example.com/socket.io/"
	cmd := exec.CommandContext(t.Context(), node, "--input-type=commonjs", "-e", string(proofJS)+`
		makeKey().then(async (key) => console.log(JSON.stringify({
			jwk: key.jwk, extractable: key.sign.extractable, proof: await makeProof(key, 'the token', '`+url+`', 'a nonce'),
		})));`)
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var made struct {
		JWK         json.RawMessage `json:"jwk"`
		Extractable bool            `json:"extractable"`
		Proof       string          `json:"proof"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if made.Extractable {
		t.Error("the private key can be read")
	}
	thumbprint, err := dpop.Thumbprint(made.JWK)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := dpop.New(dpop.URL(url))
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.NewOpaque(verifier.IntrospectorFunc(func(context.Context, string) ([]byte, error) {
		return json.Marshal(map[string]any{"active": true, "cnf": map[string]string{"jkt": thumbprint}})
	}), verifier.Validate(proof))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Authenticate(t.Context(), &verifier.Handshake{Auth: map[string]any{"token": "the token", "dpop": made.Proof}}); err != nil {
		t.Error(err)
	}
}
