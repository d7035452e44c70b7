package dpop

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
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
	downgrade = badToken(ErrSchemeMismatch, "a DPoP-bound token needs the scheme DPoP")
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
		{"alg none", unsigned("none"), badProof("signature", verifier.ErrSignatureInvalid, "")},
		{"alg none, with a signature", a.proof(good, members{"alg": "none"}, nil), badProof("alg", verifier.ErrAlgorithmNotAllowed, "")},
		{"symmetric alg", a.proof(good, members{"alg": "HS256"}, nil), badProof("alg", verifier.ErrAlgorithmNotAllowed, "")},
		{"symmetric alg and key", a.proof(good, members{"alg": "HS256", "jwk": members{"kty": "oct", "k": encode(secret)}}, nil), badProof("alg", verifier.ErrAlgorithmNotAllowed, "")},
		{"alg in another case", a.proof(good, members{"alg": "es256"}, nil), badProof("alg", verifier.ErrAlgorithmNotAllowed, "")},
		{"no alg", a.proof(good, members{"alg": nil}, nil), badProof("malformed", verifier.ErrTokenMalformed, "alg")},
		{"alg of another key", a.proof(good, members{"alg": "RS256"}, nil), badProof("jwk", "", "does not fit the key")},
		{"alg of another curve", a.proof(good, members{"alg": "ES384"}, nil), badProof("jwk", "", "does not fit the key")},

		// 6: the signature
		{"another signature", flip(a.proof(good, nil, nil)), badProof("signature", verifier.ErrSignatureInvalid, "")},
		{"no signature", unsigned("ES256"), badProof("signature", verifier.ErrSignatureInvalid, "")},
		{"signed by another key", bob().proof(good, members{"jwk": a.jwk}, nil), badProof("signature", verifier.ErrSignatureInvalid, "")},
		{"other claims than signed", swapClaims(a.proof(good, nil, nil), a.proof(good, nil, nil)), badProof("signature", verifier.ErrSignatureInvalid, "")},

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
		{"expired itself", a.proof(good, nil, members{"exp": now.Unix() - 5}), badProof("exp", verifier.ErrTokenExpired, "")},
		{"not active itself", a.proof(good, nil, members{"nbf": now.Unix() + 6}), badProof("nbf", verifier.ErrTokenNotActive, "")},

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
	badProof("alg", verifier.ErrAlgorithmNotAllowed, "").check(t, err)
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
	badProof("signature", verifier.ErrSignatureInvalid, "").check(t, err)
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

// TestMisconfigured: an invalid option fails in the constructor, and says what
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

		// FaultsF3
		"Algorithms is given twice":     {ok, Algorithms(verifier.ES256), Algorithms(verifier.EdDSA)},
		"MaxAge is given twice":         {ok, MaxAge(1), MaxAge(2)},
		"ClockTolerance is given twice": {ok, ClockTolerance(1), ClockTolerance(2)},
		"TrustForwarded is given twice": {TrustForwarded(netip.MustParsePrefix("10.0.0.0/8")), TrustForwarded(netip.MustParsePrefix("10.0.0.0/8"))},
		"which WithCache replaces":      {ok, CacheSize(1), WithCache(CacheFunc(func(context.Context, string, time.Time) (bool, error) { return true, nil }))},
		"the cache is nil":              {ok, WithCache(CacheFunc(nil))},
		"WithCache: the cache is nil":   {ok, WithCache((*memory)(nil))},
	} {
		if _, err := New(options...); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("got %v, want an error with %s", err, word)
		}
	}
	// The least that each option takes.
	if _, err := New(ok, ClockTolerance(0), MaxAge(1), Nonces(nil, time.Second), CacheSize(1)); err != nil {
		t.Error(err)
	}
}
