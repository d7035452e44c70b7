package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// nonces makes and recognizes nonces without keeping any: each is a keyed hash of
// the period it was made in. It is good in that period and in the next.
type nonces struct {
	secret []byte
	period time.Duration
}

// current returns the nonce of the period of a time.
func (n *nonces) current(at time.Time) string {
	return n.of(at.UnixNano() / int64(n.period))
}

func (n *nonces) of(period int64) string {
	mac := hmac.New(sha256.New, n.secret)
	mac.Write([]byte("DPoP nonce\x00"))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(period)))
	return b64.EncodeToString(mac.Sum(nil)[:16])
}

// good reports whether the nonce was made lately.
func (n *nonces) good(nonce string, at time.Time) bool {
	period := at.UnixNano() / int64(n.period)
	return hmac.Equal([]byte(nonce), []byte(n.of(period))) || hmac.Equal([]byte(nonce), []byte(n.of(period-1)))
}
