package jwks_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzAnswer: whatever an issuer answers, its headers included, a token verifies
// only with a key of the set, and otherwise is refused without keys or, if the
// answer cannot be used, retryably. Nothing panics or stays behind.
func FuzzAnswer(f *testing.F) {
	key := verifiertest.NewKey(verifier.EdDSA, "key-1")
	good := encode(f, map[string]any{"keys": []any{key.JWK()}})
	f.Add(good, "application/json", "max-age=60", 200)
	f.Add(`{"keys":[]}`, "application/jwk-set+json", "no-store", 200)
	f.Add(`{"keys":[null,7,{"kty":"EC"}]}`, "application/json", `max-age="-1", =,`, 200)
	f.Add("<html>", "text/html", "max-age=99999999999999999999", 503)
	f.Fuzz(func(t *testing.T, body, kind, control string, status int) {
		if status < 200 || status > 599 {
			status = 200
		}
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.issuer.Break(func(rw http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
				rw.Header().Set("Content-Type", kind)
				rw.Header().Set("Cache-Control", control)
				rw.WriteHeader(status)
				rw.Write([]byte(body))
			})
			err := w.verify(w.issuer.TokenBy(unpublished("key-1"), nil, nil), "192.0.2.1:1")
			if err == nil {
				t.Fatalf("%q verifies a token of another key", body)
			}
			u := verifier.AsUnauthorized(err)
			switch u.Reason {
			case verifier.ErrKeysUnavailable:
				if !u.Retryable {
					t.Errorf("%v is not retryable", err)
				}
			case verifier.ErrKeyNotFound, verifier.ErrSignatureInvalid, verifier.ErrAlgorithmNotAllowed:
				if status != 200 {
					t.Errorf("%v from an answer with status %d", err, status)
				}
			default:
				t.Errorf("got %v", err)
			}
		})
	})
}
