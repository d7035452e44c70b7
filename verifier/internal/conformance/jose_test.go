package conformance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/conformance"
)

// group is a group of JOSE vectors: a key, or a set of them, and signatures.
type group struct {
	Comment         string
	Private, Public json.RawMessage
	Tests           []struct {
		TCID    int `json:"tcId"`
		Comment string
		JWS     json.RawMessage
		Result  string
		Flags   []string
	}
}

// verifierOf is a server with the group's keys. An error is a refusal of the keys.
func (g group) verifierOf() (*verifier.Verifier, error) {
	jwk := g.Public
	if jwk == nil {
		jwk = g.Private // a shared secret
	}
	set, err := keys.JWKSet(jwk)
	if err != nil {
		return nil, err
	}
	return verifier.New(set)
}

// accepts reports whether the signature holds. Most payloads are not claims
// sets, which the verifier finds only after the signature.
func accepts(t *testing.T, v *verifier.Verifier, jws json.RawMessage) (bool, error) {
	var compact string
	if json.Unmarshal(jws, &compact) != nil {
		compact = string(jws) // the JSON serialization
	}
	_, err := v.Verify(t.Context(), compact)
	return err == nil || strings.Contains(err.Error(), "the payload is not a claims set"), err
}

// known are the verdicts that differ from the vectors', by file and number, each
// with the reason.
var known = map[string]string{
	"json_web_signature_test/346": "the key says PS256, the token PS384",
	"json_web_signature_test/350": "the same",
	"json_web_signature_test/347": "the key's alg is ES521, which is none (RFC 7518 §3.1)",
	"json_web_signature_test/351": "the same",
	"json_web_signature_test/367": "the padding that the comment speaks of is not in the vector, which is well-formed",
	"json_web_signature_test/370": "the same",
	"json_web_signature_test/372": "a character that is none of base64url, inside the header (RFC 7515 §2)",
	"json_web_signature_test/373": "the same, inside the payload",
	"json_web_key_test/1":         "a set of a shared and a public key: each is bound to its own alg here, so that neither stands for the other",
}

// TestWycheproofJOSE runs the vectors of JSON Web Signature and of key sets.
func TestWycheproofJOSE(t *testing.T) {
	for file, want := range map[string]int{"json_web_signature_test": 401, "json_web_key_test": 26} {
		t.Run(file, func(t *testing.T) {
			vectors := conformance.Vectors[group](t, file)
			ran := 0
			for _, g := range vectors.TestGroups {
				v, refused := g.verifierOf()
				for _, c := range g.Tests {
					ran++
					good, err := false, refused
					if refused == nil {
						good, err = accepts(t, v, c.JWS)
					}
					name := fmt.Sprintf("%s/%d", file, c.TCID)
					if same := good == (c.Result == "valid"); !same && known[name] == "" {
						t.Errorf("%s (%s, %s, %v): accepted %v, the vector is %s: %v", name, g.Comment, c.Comment, c.Flags, good, c.Result, err)
					} else if same && known[name] != "" {
						t.Errorf("%s: the verdict does not differ any more", name)
					}
				}
			}
			if ran != vectors.NumberOfTests || ran != want {
				t.Errorf("%d vectors ran, of %d in the file: expected %d", ran, vectors.NumberOfTests, want)
			}
		})
	}
}
