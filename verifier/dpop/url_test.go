package dpop

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

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
	for c := range 256 { // what RFC 3986 §2.3 calls unreserved needs no encoding
		encoded := fmt.Sprintf("https://a.example/x%%%02X", c)
		want := encoded
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", byte(c)) >= 0 {
			want = "https://a.example/x" + string(rune(c))
		}
		for _, text := range []string{encoded, strings.ToLower(encoded)} {
			if got, err := normalize(text); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", text, got, err, want)
			}
		}
	}
	for _, text := range []string{"", "/x", "a.example/x", "ftp://a.example/", "https:///x", "https:a.example", "https://u@a.example/", "https://:443/", "https://a.example:x/", "https://a.example/%zz", "://", "http:"} {
		if got, err := normalize(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}
