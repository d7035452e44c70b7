package socketio_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// mint makes an HS256 token without the code that the tests are about.
func mint(secret, payload string) string { return mintTyped(secret, "JWT", payload) }

func mintTyped(secret, typ, payload string) string {
	e := base64.RawURLEncoding
	input := e.EncodeToString([]byte(`{"alg":"HS256","typ":"`+typ+`"}`)) + "." + e.EncodeToString([]byte(payload))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + e.EncodeToString(mac.Sum(nil))
}
