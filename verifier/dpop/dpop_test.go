package dpop

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// check says what must become of a handshake: code, reason and message of the
// refusal, and, where the verifier's own reason tells more, that.
type outcome struct {
	code    string
	reason  verifier.Reason
	message string
	inner   verifier.Reason // of the cause
	cause   string          // a part of the cause's text
}

var accepted = outcome{}

func (o outcome) check(t *testing.T, err error) {
	t.Helper()
	if o == accepted {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	var u *verifier.UnauthorizedError
	if !errors.As(err, &u) {
		t.Fatalf("got %v, want %+v", err, o)
	}
	if u.Code != o.code || u.Reason != o.reason || u.Message != o.message {
		t.Fatalf("refused with %s, %s, %q (%v)\nwant %+v", u.Code, u.Reason, u.Message, u.Err, o)
	}
	if o.inner != "" && !errors.Is(err, o.inner) {
		t.Fatalf("the cause is %v, want the reason %s", u.Err, o.inner)
	}
	if !strings.Contains(err.Error(), o.cause) {
		t.Fatalf("the cause is %v, want %q", u.Err, o.cause)
	}
}

func badProof(what string, inner verifier.Reason, cause string) outcome {
	return outcome{CodeInvalidProof, ErrProofInvalid, "DPoP proof invalid: " + what, inner, cause}
}

func badToken(reason verifier.Reason, message string) outcome {
	return outcome{code: verifier.CodeInvalidToken, reason: reason, message: message}
}

var (
	missing   = badToken(ErrProofMissing, "no DPoP proof provided")
	otherKey  = badToken(ErrKeyMismatch, "the token is bound to another DPoP key")
	notBound  = badToken(ErrNotBound, "the token is not bound to a DPoP key")
	downgrade = badToken(ErrScheme, "a DPoP-bound token needs the scheme DPoP")
	replayed  = outcome{code: CodeInvalidProof, reason: ErrProofReplayed, message: "DPoP proof used before"}
)

// TestAttacks has a row for each thing that may be wrong with a proof. All but
// the first are otherwise good.
func TestAttacks(t *testing.T) {
	a := alice()
	good := a.token()
	jwkWith := func(others members) members { return members{"jwk": with(a.jwk, others)} }
	rsaClient := newClient("RS256")
	unsigned := func(alg string) string {
		p := a.proof(good, members{"alg": alg}, nil)
		return p[:strings.LastIndexByte(p, '.')+1]
	}

	for _, row := range []struct {
		name  string
		proof string
		want  outcome
	}{
		{"nothing wrong", a.proof(good, nil, nil), accepted},

		// 2: a single well-formed JWT
		{"no JWT", "proof", badProof("malformed", verifier.ErrTokenMalformed, "three parts")},
		{"four parts", a.proof(good, nil, nil) + ".x", badProof("malformed", verifier.ErrTokenMalformed, "three parts")},
		{"two proofs in one", a.proof(good, nil, nil) + "," + a.proof(good, nil, nil), badProof("malformed", verifier.ErrTokenMalformed, "")},
		{"padding", a.proof(good, nil, nil) + "=", badProof("malformed", verifier.ErrTokenMalformed, "base64url")},
		{"too long", a.proof(good, nil, members{"x": strings.Repeat("x", maxProof)}), badProof("malformed", verifier.ErrTokenTooLong, "")},
		{"two claims of a name", twice(a, good), badProof("malformed", verifier.ErrTokenMalformed, "same name")},
		{"crit", a.proof(good, members{"crit": []string{"x"}}, nil), badProof("malformed", verifier.ErrTokenMalformed, "crit")},

		// 3: the required claims
		{"no jti", a.proof(good, nil, members{"jti": nil}), badProof("claims", "", "required")},
		{"jti empty", a.proof(good, nil, members{"jti": ""}), badProof("claims", "", "required")},
		{"jti in another case", a.proof(good, nil, members{"jti": nil, "JTI": "x"}), badProof("claims", "", "letter case")},
		{"no htm", a.proof(good, nil, members{"htm": nil}), badProof("claims", "", "required")},
		{"no htu", a.proof(good, nil, members{"htu": nil}), badProof("claims", "", "required")},
		{"no iat", a.proof(good, nil, members{"iat": nil}), badProof("claims", "", "required")},
		{"no ath", a.proof(good, nil, members{"ath": nil}), badProof("claims", "", "required")},
		{"iat as a string", a.proof(good, nil, members{"iat": "1700000000"}), badProof("claims", verifier.ErrClaimInvalid, "iat")},
		{"jti as a number", a.proof(good, nil, members{"jti": 7}), badProof("claims", "", "unmarshal")},
		{"htm as a list", a.proof(good, nil, members{"htm": []string{"GET"}}), badProof("claims", "", "unmarshal")},

		// 4: typ
		{"no typ", a.proof(good, members{"typ": nil}, nil), badProof("typ", verifier.ErrTypeMismatch, "")},
		{"typ JWT", a.proof(good, members{"typ": "JWT"}, nil), badProof("typ", verifier.ErrTypeMismatch, "")},
		{"typ at+jwt", a.proof(good, members{"typ": "at+jwt"}, nil), badProof("typ", verifier.ErrTypeMismatch, "")},
		{"typ as a media type", a.proof(good, members{"typ": "application/DPoP+JWT"}, nil), accepted},

		// 5: alg
		{"alg none", unsigned("none"), badProof("signature", verifier.ErrSignature, "")},
		{"alg none, with a signature", a.proof(good, members{"alg": "none"}, nil), badProof("alg", verifier.ErrAlgorithm, "")},
		{"symmetric alg", a.proof(good, members{"alg": "HS256"}, nil), badProof("alg", verifier.ErrAlgorithm, "")},
		{"symmetric alg and key", a.proof(good, members{"alg": "HS256", "jwk": members{"kty": "oct", "k": encode(secret)}}, nil), badProof("alg", verifier.ErrAlgorithm, "")},
		{"alg in another case", a.proof(good, members{"alg": "es256"}, nil), badProof("alg", verifier.ErrAlgorithm, "")},
		{"no alg", a.proof(good, members{"alg": nil}, nil), badProof("malformed", verifier.ErrTokenMalformed, "alg")},
		{"alg of another key", a.proof(good, members{"alg": "RS256"}, nil), badProof("jwk", "", "does not fit the key")},
		{"alg of another curve", a.proof(good, members{"alg": "ES384"}, nil), badProof("jwk", "", "does not fit the key")},

		// 6: the signature
		{"another signature", flip(a.proof(good, nil, nil)), badProof("signature", verifier.ErrSignature, "")},
		{"no signature", unsigned("ES256"), badProof("signature", verifier.ErrSignature, "")},
		{"signed by another key", bob().proof(good, members{"jwk": a.jwk}, nil), badProof("signature", verifier.ErrSignature, "")},
		{"other claims than signed", swapClaims(a.proof(good, nil, nil), a.proof(good, nil, nil)), badProof("signature", verifier.ErrSignature, "")},

		// 7: the key
		{"no jwk", a.proof(good, members{"jwk": nil}, nil), badProof("jwk", "", "has none")},
		{"jwk in another case", a.proof(good, members{"jwk": nil, "JWK": a.jwk}, nil), badProof("jwk", "", "has none")},
		{"jwk as a string", a.proof(good, members{"jwk": "x"}, nil), badProof("jwk", "", "not a JSON object")},
		{"a kid instead", a.proof(good, members{"jwk": nil, "kid": a.thumbprint()}, nil), badProof("jwk", "", "has none")},
		{"private EC key", a.proof(good, jwkWith(members{"d": encode(make([]byte, 32))}), nil), badProof("jwk", "", `has the member "d"`)},
		{"FaultsG2 empty private members", a.proof(good, jwkWith(members{"d": json.RawMessage("null"), "oth": []string{}, "p": ""}), nil), accepted},
		{"FaultsG2 a private member with a space", a.proof(good, jwkWith(members{"d": " "}), nil), badProof("jwk", "", `has the member "d"`)},
		{"private RSA key", rsaClient.proof(rsaClient.token(), members{"jwk": with(rsaClient.jwk, members{"p": "AA"})}, nil), badProof("jwk", "", `has the member "p"`)},
		{"symmetric key", a.proof(good, members{"jwk": members{"kty": "oct"}}, nil), badProof("jwk", "", "symmetric")},
		{"symmetric key with its k", a.proof(good, members{"jwk": members{"kty": "oct", "k": encode(secret)}}, nil), badProof("jwk", "", `has the member "k"`)},
		{"unknown kty", a.proof(good, members{"jwk": members{"kty": "AKP"}}, nil), badProof("jwk", "", "kty")},
		{"unknown curve", a.proof(good, jwkWith(members{"crv": "secp256k1"}), nil), badProof("jwk", "", "curve")},
		{"a point off the curve", a.proof(good, jwkWith(members{"y": encode(make([]byte, 32))}), nil), badProof("jwk", "", "point")},
		{"a short coordinate", a.proof(good, jwkWith(members{"x": encode(make([]byte, 31))}), nil), badProof("jwk", "", `member "x"`)},
		{"a padded coordinate", a.proof(good, jwkWith(members{"x": a.jwk["x"].(string) + "="}), nil), badProof("jwk", "", `member "x"`)},
		{"FaultsG9 a line break in a coordinate", a.proof(good, jwkWith(members{"x": a.jwk["x"].(string)[:10] + "\r\n" + a.jwk["x"].(string)[10:]}), nil), badProof("jwk", "", `member "x"`)},
		{"no coordinate", a.proof(good, jwkWith(members{"y": nil}), nil), badProof("jwk", "", `member "y"`)},
		{"X25519", a.proof(good, members{"jwk": members{"kty": "OKP", "crv": "X25519", "x": encode(make([]byte, 32))}}, nil), badProof("jwk", "", "curve")},
		{"a small RSA key", a.proof(good, members{"alg": "RS256", "jwk": members{"kty": "RSA", "n": encode(append([]byte{1}, make([]byte, 127)...)), "e": "AQAB"}}, nil), badProof("jwk", "", "bits")},
		{"RSA exponent 1", rsaClient.proof(rsaClient.token(), members{"jwk": with(rsaClient.jwk, members{"e": "AQ"})}, nil), badProof("jwk", "", "exponent")},
		{"RSA modulus with a zero before it", rsaClient.proof(rsaClient.token(), members{"jwk": with(rsaClient.jwk, members{"n": encode(append([]byte{0}, rsaKey().N.Bytes()...))})}, nil), badProof("jwk", "", "minimal")},

		// 8: the method
		{"another method", a.proof(good, nil, members{"htm": "POST"}), badProof("htm", "", "POST")},
		{"the method in another case", a.proof(good, nil, members{"htm": "get"}), badProof("htm", "", "get")},

		// 9: the URL
		{"another host", a.proof(good, nil, members{"htu": "https://evil.example/socket.io/"}), badProof("htu", "", "evil")},
		{"a host below", a.proof(good, nil, members{"htu": "https://chat.example.com.evil.example/socket.io/"}), badProof("htu", "", "evil")},
		{"another scheme", a.proof(good, nil, members{"htu": "http://chat.example.com/socket.io/"}), badProof("htu", "", "")},
		{"another port", a.proof(good, nil, members{"htu": "https://chat.example.com:8443/socket.io/"}), badProof("htu", "", "")},
		{"another path", a.proof(good, nil, members{"htu": "https://chat.example.com/other/"}), badProof("htu", "", "")},
		{"a path in another case", a.proof(good, nil, members{"htu": "https://chat.example.com/Socket.io/"}), badProof("htu", "", "")},
		{"a user in the URL", a.proof(good, nil, members{"htu": "https://chat.example.com@evil.example/socket.io/"}), badProof("htu", "", "")},
		{"no URL", a.proof(good, nil, members{"htu": "/socket.io/"}), badProof("htu", "", "scheme")},
		{"with query and fragment", a.proof(good, nil, members{"htu": endpoint + "?EIO=4&x=https://evil.example#y"}), accepted},
		{"in another spelling", a.proof(good, nil, members{"htu": "HTTPS://CHAT.example.com:443/a/../%73ocket.io/"}), accepted},
		{"as a websocket", a.proof(good, nil, members{"htu": "wss://chat.example.com/socket.io/"}), accepted},
		{"as a websocket in the clear", a.proof(good, nil, members{"htu": "ws://chat.example.com/socket.io/"}), badProof("htu", "", "")},

		// 11: the time; the window is a minute and five seconds of tolerance
		{"old, just within", a.proof(good, nil, members{"iat": now.Unix() - 64}), accepted},
		{"too old by nothing", a.proof(good, nil, members{"iat": now.Unix() - 65}), badProof("iat", "", "issued at")},
		{"too old", a.proof(good, nil, members{"iat": now.Unix() - 600}), badProof("iat", "", "issued at")},
		{"from the future, just within", a.proof(good, nil, members{"iat": now.Unix() + 5}), accepted},
		{"from the future", a.proof(good, nil, members{"iat": now.Unix() + 6}), badProof("iat", "", "issued at")},
		{"from the far future", a.proof(good, nil, members{"iat": 1e9}), badProof("iat", "", "issued at")},
		{"FaultsC1 in milliseconds", a.proof(good, nil, members{"iat": now.UnixMilli()}), badProof("claims", verifier.ErrClaimInvalid, "milliseconds")},
		{"expired of its own", a.proof(good, nil, members{"exp": now.Unix() - 5}), badProof("exp", verifier.ErrTokenExpired, "")},
		{"not active of its own", a.proof(good, nil, members{"nbf": now.Unix() + 6}), badProof("nbf", verifier.ErrTokenNotActive, "")},

		// 12: the token, and the key
		{"another token's ath", a.proof(a.token()+"x", nil, nil), badProof("ath", "", "another token")},
		{"ath empty", a.proof(good, nil, members{"ath": ""}), badProof("claims", "", "required")},
		{"ath in hexadecimal", a.proof(good, nil, members{"ath": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}), badProof("ath", "", "another token")},
		{"a key that is not the token's", bob().proof(good, nil, nil), otherKey},
	} {
		t.Run(row.name, func(t *testing.T) {
			raw := good
			if strings.Contains(row.name, "RSA") {
				raw = rsaClient.token()
			}
			_, err := newServer(t).Authenticate(context.Background(), inPayload(raw, row.proof))
			row.want.check(t, err)
		})
	}
}

// twice is a proof whose claims name jti twice.
func twice(c *client, token string) string {
	claims := must(json.Marshal(c.claims(token)))
	input := encode(must(json.Marshal(c.header()))) + "." + encode([]byte(`{"jti":"x",`+string(claims[1:])))
	return input + "." + encode(c.signature(input))
}

// swapClaims is the first proof with the claims of the second.
func swapClaims(one, other string) string {
	a, b := strings.Split(one, "."), strings.Split(other, ".")
	return a[0] + "." + b[1] + "." + a[2]
}

func TestAlgorithms(t *testing.T) {
	v := newServer(t)
	for _, a := range asymmetric {
		c := newClient(string(a))
		_, err := v.Authenticate(context.Background(), inPayload(c.token(), c.proof(c.token(), nil, nil)))
		if err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	// FaultsG1: the names of RFC 9864, which WebCrypto and jose use.
	for alg, same := range map[verifier.Algorithm]string{verifier.Ed25519: "EdDSA", verifier.ESP256: "ES256", verifier.ESP384: "ES384", verifier.ESP512: "ES512"} {
		for _, narrowed := range [][]Option{nil, {Algorithms(alg)}, {Algorithms(verifier.Algorithm(same))}} {
			c := newClient(same)
			for _, name := range []string{same, string(alg)} {
				_, err := newServer(t, narrowed...).Authenticate(context.Background(), inPayload(c.token(), c.proof(c.token(), members{"alg": name}, nil)))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	narrow := newServer(t, Algorithms(verifier.EdDSA))
	a := alice()
	_, err := narrow.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, nil)))
	badProof("alg", verifier.ErrAlgorithm, "").check(t, err)
}

// TestLargestKey: the header of a proof by the largest key that is taken is not
// too long to be read. That its signature does not hold is found out last.
func TestLargestKey(t *testing.T) {
	a := alice()
	n := new(big.Int).SetBit(big.NewInt(1), 8191, 1)
	jwk := members{"kty": "RSA", "n": encode(n.Bytes()), "e": "AQAB", "kid": strings.Repeat("k", 43), "use": "sig", "alg": "RS256"}
	proof := encode(must(json.Marshal(members{"typ": "dpop+jwt", "alg": "RS256", "jwk": jwk}))) + "." +
		encode(must(json.Marshal(a.claims(a.token())))) + "." + encode(make([]byte, 1024))
	_, err := newServer(t).Authenticate(context.Background(), inPayload(a.token(), proof))
	badProof("signature", verifier.ErrSignature, "").check(t, err)
}

// TestPlaces: where the proof is, that there is one, and which scheme the token
// came with.
func TestPlaces(t *testing.T) {
	a := alice()
	good, proof := a.token(), a.proof(a.token(), nil, nil)
	unbound := token(members{"sub": "alice"})
	header := func(pairs ...string) http.Header {
		h := make(http.Header)
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	auth := func(pairs ...any) map[string]any {
		m := make(map[string]any)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	for _, row := range []struct {
		name    string
		options []Option
		h       *verifier.Handshake
		want    outcome
	}{
		{"auth payload", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", proof)}, accepted},
		{"headers", nil, &verifier.Handshake{Header: header("Authorization", "DPoP "+good, "DPoP", proof)}, accepted},
		{"headers, scheme in another case", nil, &verifier.Handshake{Header: header("Authorization", "dpop "+good, "dpop", proof)}, accepted},
		{"query", nil, &verifier.Handshake{Query: url.Values{"token": {good}, "dpop": {proof}}}, accepted},
		{"event", nil, &verifier.Handshake{InBand: true, Auth: auth("token", good, "dpop", proof)}, accepted},
		{"token in the payload, proof in the header", nil, &verifier.Handshake{Auth: auth("token", good), Header: header("DPoP", proof)}, accepted},

		{"no proof in the payload", nil, &verifier.Handshake{Auth: auth("token", good)}, missing},
		{"no proof in the headers", nil, &verifier.Handshake{Header: header("Authorization", "DPoP "+good)}, missing},
		{"proof null", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", nil)}, missing},
		{"proof empty", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", "")}, badProof("malformed", "", "empty")},
		{"proof a number", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", 7.0)}, badProof("malformed", "", "not a string")},
		{"proof a list", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", []any{proof})}, badProof("malformed", "", "not a string")},
		{"two headers", nil, &verifier.Handshake{Header: header("Authorization", "DPoP "+good, "DPoP", proof, "DPoP", proof)}, badProof("malformed", "", "more than one")},
		{"two parameters", nil, &verifier.Handshake{Query: url.Values{"token": {good}, "dpop": {proof, proof}}}, badProof("malformed", "", "more than one")},
		{"header and payload", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", proof), Header: header("DPoP", proof)}, badProof("malformed", "", "more than one")},
		{"the handshake's proof at renewal", nil, &verifier.Handshake{InBand: true, Auth: auth("token", good), Header: header("DPoP", proof), Query: url.Values{"dpop": {proof}}}, missing},
		{"the handshake's proof beside that of a renewal", nil, &verifier.Handshake{InBand: true, Auth: auth("token", good, "dpop", proof), Header: header("DPoP", "old")}, accepted},

		{"as Bearer", nil, &verifier.Handshake{Header: header("Authorization", "Bearer "+good, "DPoP", proof)}, downgrade},
		{"FaultsG8 as DPoP with two spaces", nil, &verifier.Handshake{Header: header("Authorization", "DPoP  "+good, "DPoP", proof)}, accepted},
		{"FaultsG8 as Bearer with two spaces", nil, &verifier.Handshake{Header: header("Authorization", "Bearer  "+good, "DPoP", proof)}, downgrade},
		{"FaultsG8 as Bearer with spaces around", []Option{AllowBearer()}, &verifier.Handshake{Header: header("Authorization", "bearer   "+good+"  ", "DPoP", proof)}, downgrade},
		{"FaultsG8 another scheme beside a token in the payload", nil, &verifier.Handshake{Auth: auth("token", good, "dpop", proof), Header: header("Authorization", "Negotiate")}, accepted},
		{"as Bearer, without a proof", nil, &verifier.Handshake{Header: header("Authorization", "Bearer "+good)}, downgrade},
		{"as Bearer, where that is allowed", []Option{AllowBearer()}, &verifier.Handshake{Header: header("Authorization", "Bearer "+good)}, downgrade},
		{"bound, without a proof, where Bearer is allowed", []Option{AllowBearer()}, &verifier.Handshake{Auth: auth("token", good)}, missing},
		{"unbound", nil, &verifier.Handshake{Auth: auth("token", unbound)}, notBound},
		{"unbound, with a proof", nil, &verifier.Handshake{Auth: auth("token", unbound, "dpop", a.proof(unbound, nil, nil))}, notBound},
		{"unbound, where Bearer is allowed", []Option{AllowBearer()}, &verifier.Handshake{Header: header("Authorization", "Bearer "+unbound)}, accepted},
		{"unbound with a proof, where Bearer is allowed", []Option{AllowBearer()}, &verifier.Handshake{Auth: auth("token", unbound, "dpop", a.proof(unbound, nil, nil))}, notBound},
		{"unbound as DPoP, where Bearer is allowed", []Option{AllowBearer()}, &verifier.Handshake{Header: header("Authorization", "DPoP "+unbound)}, notBound},
		{"a header of three parts", nil, &verifier.Handshake{Header: header("Authorization", "DPoP "+good+" x")}, outcome{code: verifier.CodeCredentialsBadFormat, reason: verifier.ErrTokenMalformed, message: "Format is Authorization: DPoP [token]"}},
		{"two tokens", nil, &verifier.Handshake{Auth: auth("token", unbound, "dpop", proof), Header: header("Authorization", "DPoP "+good)}, outcome{code: verifier.CodeCredentialsBadFormat, reason: verifier.ErrTokenConflict, message: "more than one token provided"}},
		{"the expired token of a good proof", nil, &verifier.Handshake{Auth: auth("token", token(members{"exp": 1, "cnf": members{"jkt": a.thumbprint()}}), "dpop", proof)}, badToken(verifier.ErrTokenExpired, "jwt expired")},
		{"the proof as the token", nil, &verifier.Handshake{Auth: auth("token", proof, "dpop", proof)}, badToken(verifier.ErrTypeMismatch, "jwt typ invalid")},
		{"the handshake by POST", nil, &verifier.Handshake{Method: "POST", Auth: auth("token", good, "dpop", proof)}, badProof("htm", "", "POST")},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := newServer(t, row.options...).Authenticate(context.Background(), row.h)
			row.want.check(t, err)
		})
	}
}

func TestReplay(t *testing.T) {
	a, at := alice(), now
	v := serverOf(t, URL(endpoint), WithClock(func() time.Time { return at }), CacheSize(32))
	use := func(proof string) error {
		_, err := v.Authenticate(context.Background(), inPayload(a.token(), proof))
		return err
	}
	first := a.proof(a.token(), nil, members{"iat": now.Unix() + 5})
	accepted.check(t, use(first))
	replayed.check(t, use(first))
	replayed.check(t, use(a.proof(a.token(), nil, with(claimsOf(first), members{"htu": "wss://chat.example.com/socket.io/"}))))
	accepted.check(t, use(a.proof(a.token(), nil, nil)))

	// Another client may have the same jti.
	b := bob()
	_, err := v.Authenticate(context.Background(), inPayload(b.token(), b.proof(b.token(), nil, members{"jti": claimsOf(first)["jti"]})))
	accepted.check(t, err)

	// It is remembered for as long as its time is good, and not longer.
	at = now.Add(70*time.Second - 1)
	replayed.check(t, use(first))
	at = now.Add(70 * time.Second)
	badProof("iat", "", "").check(t, use(first))

	// A proof that is refused for something else is not used up by that.
	at = now
	second := a.proof(a.token(), nil, nil)
	_, err = v.Authenticate(context.Background(), inPayload(b.token(), second))
	badProof("ath", "", "").check(t, err)
	accepted.check(t, use(second))
}

func claimsOf(proof string) members {
	var m members
	if err := json.Unmarshal(must(b64.DecodeString(strings.Split(proof, ".")[1])), &m); err != nil {
		panic(err)
	}
	return m
}

// TestReplayAtOnce: of many who present one proof at once, one is let in.
func TestReplayAtOnce(t *testing.T) {
	a := alice()
	v := newServer(t)
	proof := a.proof(a.token(), nil, nil)
	var in atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := v.Authenticate(context.Background(), inPayload(a.token(), proof)); err == nil {
				in.Add(1)
			} else if !errors.Is(err, ErrProofReplayed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 1 {
		t.Errorf("%d were let in", in.Load())
	}
}

func TestCacheUnavailable(t *testing.T) {
	a := alice()
	unavailable := outcome{code: "temporarily_unavailable", reason: ErrUnavailable, message: "DPoP proof cannot be checked, try again later"}
	down := newServer(t, WithCache(CacheFunc(func(context.Context, string, time.Time) (bool, error) {
		return true, errors.New("the cache is down")
	})))
	_, err := down.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, nil)))
	unavailable.cause = "down"
	unavailable.check(t, err)
	if !verifier.AsUnauthorized(err).Retryable {
		t.Error("it is not retryable")
	}

	// The cache gets ids that reveal neither key nor jti, and when they are over.
	var ids []string
	v := newServer(t, WithCache(CacheFunc(func(_ context.Context, id string, until time.Time) (bool, error) {
		if want := now.Add(65 * time.Second); !until.Equal(want) {
			t.Errorf("it is remembered until %v, want %v", until, want)
		}
		ids = append(ids, id)
		return true, nil
	})))
	_, err = v.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, members{"jti": "x"})))
	accepted.check(t, err)
	hash := sha256.Sum256([]byte("x"))
	if want := a.thumbprint() + "." + encode(hash[:]); len(ids) != 1 || ids[0] != want {
		t.Errorf("the ids are %q, want %q", ids, want)
	}

	// One that is full takes no more, until the first are over.
	at := now
	v = serverOf(t, URL(endpoint), CacheSize(3), WithClock(func() time.Time { return at }))
	use := func(c *client, claims members) error {
		_, err := v.Authenticate(context.Background(), inPayload(c.token(), c.proof(c.token(), nil, claims)))
		return err
	}
	for range 3 {
		c := newClient("EdDSA")
		accepted.check(t, use(c, nil))
		unavailable.cause = "one key"
		if len(ids) == 1 { // with room for three, a key's share is one
			unavailable.check(t, use(c, nil))
			ids = nil
		}
	}
	unavailable.cause = "full"
	unavailable.check(t, use(a, nil))
	at = now.Add(65 * time.Second)
	accepted.check(t, use(a, members{"iat": at.Unix()}))
}

func TestNonces(t *testing.T) {
	a, at := alice(), now
	options := []Option{Nonces([]byte(strings.Repeat("n", 32)), time.Minute), WithClock(func() time.Time { return at }), MaxAge(time.Hour), URL(endpoint)}
	v, other := serverOf(t, options...), serverOf(t, options...)
	use := func(v *verifier.Verifier, nonce any) *verifier.UnauthorizedError {
		_, err := v.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, members{"nonce": nonce})))
		return verifier.AsUnauthorized(err)
	}
	wanted := outcome{code: CodeUseNonce, reason: ErrUseNonce, message: "DPoP proof needs the server's nonce"}

	first := use(v, nil)
	wanted.check(t, first)
	if !first.Retryable || first.Nonce == "" {
		t.Fatalf("got %+v", first)
	}
	text := string(must(json.Marshal(first)))
	if want := `{"message":"DPoP proof needs the server's nonce","code":"use_dpop_nonce","type":"UnauthorizedError","reason":"use_dpop_nonce","retryable":true,"nonce":` + string(must(json.Marshal(first.Nonce))) + `}`; text != want {
		t.Errorf("the client sees\n%s, want\n%s", text, want)
	}
	if err := use(v, first.Nonce); err != nil {
		t.Errorf("the nonce it gave: %v", err)
	}
	if err := use(other, first.Nonce); err != nil {
		t.Errorf("another server of the same secret: %v", err)
	}
	for _, nonce := range []any{"", "x", first.Nonce + "x", first.Nonce[1:], strings.ToUpper(first.Nonce)} {
		wanted.check(t, use(v, nonce))
	}
	made := serverOf(t, append(options, Nonces(nil, time.Minute))...)
	wanted.check(t, use(made, first.Nonce))

	// now is 20 seconds into its minute.
	at = now.Add(40*time.Second + time.Minute - 1)
	if err := use(v, first.Nonce); err != nil {
		t.Errorf("a nonce of the last period: %v", err)
	}
	second := use(v, nil)
	if second.Nonce == first.Nonce {
		t.Error("nonces do not change")
	}
	at = at.Add(1)
	wanted.check(t, use(v, first.Nonce))
	if err := use(v, second.Nonce); err != nil {
		t.Errorf("the nonce of now: %v", err)
	}

	// A proof that is wrong otherwise is told so, and gets no nonce.
	_, err := v.Authenticate(context.Background(), inPayload(a.token(), a.proof(a.token(), nil, members{"htm": "POST"})))
	badProof("htm", "", "").check(t, err)
}

func TestTrustForwarded(t *testing.T) {
	a := alice()
	v := serverOf(t, TrustForwarded(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")))
	headers := func(pairs ...string) http.Header {
		h := make(http.Header)
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	both := headers("X-Forwarded-Proto", "https", "X-Forwarded-Host", "chat.example.com")
	for _, row := range []struct {
		name   string
		remote string
		host   string
		header http.Header
		tls    bool
		want   outcome
	}{
		{"by the proxy", "10.1.2.3:4", "inside:8080", both, false, accepted},
		{"by the proxy, IPv4 in IPv6", "[::ffff:10.1.2.3]:4", "inside", both, false, accepted},
		{"by the proxy, IPv6", "[fd00::1%eth0]:4", "inside", both, false, accepted},
		{"by somebody else", "11.1.2.3:4", "chat.example.com", both, true, badProof("htu", "", "no trusted proxy")},
		{"by an address that cannot be read", "10.1.2.3", "chat.example.com", both, true, badProof("htu", "", "no trusted proxy")},
		{"the host kept by the proxy", "10.1.2.3:4", "chat.example.com", headers("X-Forwarded-Proto", "https"), false, accepted},
		{"the connection's own scheme", "10.1.2.3:4", "chat.example.com", nil, true, accepted},
		{"another scheme", "10.1.2.3:4", "chat.example.com", nil, false, badProof("htu", "", "http://chat")},
		{"two hosts", "10.1.2.3:4", "inside", headers("X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example, chat.example.com"), false, badProof("htu", "", "not one value")},
		{"two headers", "10.1.2.3:4", "inside", headers("X-Forwarded-Proto", "https", "X-Forwarded-Host", "chat.example.com", "X-Forwarded-Host", "evil.example"), false, badProof("htu", "", "not one value")},
		{"a path in the host", "10.1.2.3:4", "inside", headers("X-Forwarded-Proto", "https", "X-Forwarded-Host", "chat.example.com/x"), false, badProof("htu", "", "not one value")},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := inPayload(a.token(), a.proof(a.token(), nil, nil))
			h.URL = must(url.Parse("/socket.io/?EIO=4"))
			h.RemoteAddr, h.Host, h.Header = row.remote, row.host, row.header
			if row.tls {
				h.TLS = new(tls.ConnectionState)
			}
			_, err := v.Authenticate(context.Background(), h)
			row.want.check(t, err)
		})
	}

	// With a configured URL nothing that the client or a proxy says counts.
	h := inPayload(a.token(), a.proof(a.token(), nil, members{"htu": "https://evil.example/socket.io/"}))
	h.URL = must(url.Parse("https://evil.example/socket.io/"))
	h.Host, h.Header = "evil.example", headers("X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https")
	_, err := newServer(t).Authenticate(context.Background(), h)
	badProof("htu", "", "evil").check(t, err)
}

func TestNormalize(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.example":                  "https://a.example/",
		"https://a.example/":                 "https://a.example/",
		"https://a.example:443/x":            "https://a.example/x",
		"https://a.example:/x":               "https://a.example/x",
		"http://a.example:80/x":              "http://a.example/x",
		"http://a.example:443/x":             "http://a.example:443/x",
		"WSS://A.Example:443/x":              "https://a.example/x",
		"ws://a.example/x":                   "http://a.example/x",
		"https://[::1]:443/x":                "https://[::1]/x",
		"https://[::1]/x":                    "https://[::1]/x",
		"https://a.example/a/./b/../c/":      "https://a.example/a/c/",
		"https://a.example/../x":             "https://a.example/x",
		"https://a.example/%7Ex/%e4/%2f/%41": "https://a.example/~x/%E4/%2F/A",
		"https://a.example/x?q#f":            "https://a.example/x",
		"https://a.example/x//y":             "https://a.example/x//y",
		"https://a.example/ä":                "https://a.example/%C3%A4",
	} {
		got, err := normalize(text)
		if err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", text, got, err, want)
		}
		if again, err := normalize(got); err != nil || again != got {
			t.Errorf("%s is again %q (%v)", got, again, err)
		}
	}
	for _, text := range []string{"", "/x", "a.example/x", "ftp://a.example/", "https:///x", "https:a.example", "https://u@a.example/", "https://:443/", "https://a.example:x/", "https://a.example/%zz", "://", "http:"} {
		if got, err := normalize(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// TestMisconfigured: what makes no sense fails in the constructor, and says what
// to change.
func TestMisconfigured(t *testing.T) {
	ok := URL(endpoint)
	for word, options := range map[string][]Option{
		"give the option URL":  {},
		"not both":             {ok, TrustForwarded(netip.MustParsePrefix("10.0.0.0/8"))},
		"URL \"/socket.io/\"":  {URL("/socket.io/")},
		"give the option URL,": {URL()},
		"TrustForwarded":       {TrustForwarded()},
		"not valid":            {TrustForwarded(netip.Prefix{})},
		"cannot sign a proof":  {ok, Algorithms(verifier.HS256)},
		"Algorithms needs":     {ok, Algorithms()},
		"MaxAge":               {ok, MaxAge(0)},
		"ClockTolerance":       {ok, ClockTolerance(-1)},
		"WithClock":            {ok, WithClock(nil)},
		"Nonces: the secret":   {ok, Nonces([]byte("short"), time.Minute)},
		"Nonces: the period":   {ok, Nonces(nil, 0)},
		"WithCache":            {ok, WithCache(nil)},
		"CacheSize":            {ok, CacheSize(0)},
		"an option is nil":     {ok, nil},
	} {
		if _, err := New(options...); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error with %s", err, word)
		}
	}
}
