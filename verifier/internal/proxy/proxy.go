// Package proxy tells whether a request came through a proxy that is trusted,
// and whose headers therefore may be believed.
package proxy

import (
	"errors"
	"net/netip"
)

// Trusted is the networks of trusted proxies.
type Trusted []netip.Prefix

// New checks that there is at least one network and that each is valid.
func New(networks []netip.Prefix) (Trusted, error) {
	if len(networks) == 0 {
		return nil, errors.New("the networks of the trusted proxies are missing, such as 10.0.0.0/8")
	}
	for _, n := range networks {
		if !n.IsValid() {
			return nil, errors.New("a network of trusted proxies is not valid: make it with netip.ParsePrefix")
		}
	}
	return append(Trusted(nil), networks...), nil
}

// Sent reports whether the peer at the remote address, as in http.Request, is
// one of the proxies. An address that cannot be read is not.
func (t Trusted) Sent(remoteAddr string) bool {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap().WithZone("")
	for _, n := range t {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
