package verifier_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

// TestFaultsA8WithoutToken: no place of a handshake keeps the token, and
// everything else stays.
func TestFaultsA8WithoutToken(t *testing.T) {
	const raw, other = "eyJh.eyJz.c2ln", "eyJo.stale.c2ln"
	link := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	tests := []struct {
		name string
		h    verifier.Handshake
		want verifier.Handshake
	}{
		{"bearer header", verifier.Handshake{Header: http.Header{"Authorization": {"Bearer " + raw}, "User-Agent": {"x"}}},
			verifier.Handshake{Header: http.Header{"User-Agent": {"x"}}}},
		{"a header of another name", verifier.Handshake{Header: http.Header{"X-Session": {raw, "b"}}},
			verifier.Handshake{Header: http.Header{"X-Session": {"b"}}}},
		{"subprotocol", verifier.Handshake{Header: http.Header{"Sec-Websocket-Protocol": {"chat, " + raw}}},
			verifier.Handshake{Header: http.Header{}}},
		{"one cookie of three", verifier.Handshake{Header: http.Header{"Cookie": {"a=1; jwt=" + raw + "; b=2"}}},
			verifier.Handshake{Header: http.Header{"Cookie": {"a=1; b=2"}}}},
		{"the only cookie", verifier.Handshake{Header: http.Header{"Cookie": {"jwt=" + raw}}},
			verifier.Handshake{Header: http.Header{}}},
		{"proof of possession", verifier.Handshake{Header: http.Header{"Dpop": {"proof"}}}, verifier.Handshake{Header: http.Header{}}},
		{"query and URL", verifier.Handshake{Query: url.Values{"token": {raw}, "EIO": {"4"}}, URL: link("/socket.io/?EIO=4&token=" + raw)},
			verifier.Handshake{Query: url.Values{"EIO": {"4"}}, URL: link("/socket.io/?EIO=4")}},
		{"query of another name, escaped", verifier.Handshake{Query: url.Values{"t": {raw}}, URL: link("/?t=" + strings.ReplaceAll(raw, ".", "%2E") + "&a=b")},
			verifier.Handshake{Query: url.Values{}, URL: link("/?a=b")}},
		{"referer", verifier.Handshake{Header: http.Header{"Referer": {"https://e.example/?access_token=" + other}}}, verifier.Handshake{Header: http.Header{}}},
		{"referer without credentials", verifier.Handshake{Header: http.Header{"Referer": {"https://e.example/?b=1&a=2"}}},
			verifier.Handshake{Header: http.Header{"Referer": {"https://e.example/?b=1&a=2"}}}},
		{"referer that is not a URL", verifier.Handshake{Header: http.Header{"Referer": {"%zz"}}}, verifier.Handshake{Header: http.Header{}}},
		{"a query in its order", verifier.Handshake{URL: link("/?b=1&a=2&b=3")}, verifier.Handshake{URL: link("/?b=1&a=2&b=3")}},
		{"one of two values", verifier.Handshake{URL: link("/?t=" + raw + "&t=x")}, verifier.Handshake{URL: link("/?t=x")}},
		{"maps as deep as is looked", verifier.Handshake{Auth: nestedMaps(32, "x")}, verifier.Handshake{Auth: nestedMaps(32, "x")}},
		{"maps that are deeper", verifier.Handshake{Auth: nestedMaps(33, "x")}, verifier.Handshake{Auth: nestedMaps(33, nil)}},
		{"lists as deep as is looked", verifier.Handshake{Auth: nestedLists(32, "x")}, verifier.Handshake{Auth: nestedLists(32, "x")}},
		{"lists that are deeper", verifier.Handshake{Auth: nestedLists(33, "x")}, verifier.Handshake{Auth: nestedLists(33, nil)}},
		{"path and user", verifier.Handshake{URL: link("https://u:p@e.example/" + raw + "?a=b")}, verifier.Handshake{URL: &url.URL{Scheme: "https", Host: "e.example", RawQuery: "a=b"}}},
		{"auth payload", verifier.Handshake{Auth: map[string]any{"token": "Bearer " + raw, "device": "d", "n": 1.0}},
			verifier.Handshake{Auth: map[string]any{"device": "d", "n": 1.0}}},
		{"nested, by another name", verifier.Handshake{Auth: map[string]any{"a": map[string]any{"b": raw, "c": []any{raw, "x", nil}}}},
			verifier.Handshake{Auth: map[string]any{"a": map[string]any{"c": []any{"", "x", nil}}}}},
		{"a bare string", verifier.Handshake{Auth: raw}, verifier.Handshake{Auth: ""}},
		{"a token that was not used", verifier.Handshake{Query: url.Values{"token": {other}}, Auth: map[string]any{"Access_Token": other}},
			verifier.Handshake{Query: url.Values{}, Auth: map[string]any{}}},
		{"a type that is not JSON's", verifier.Handshake{Auth: map[string]any{"a": []byte(raw), "n": json.Number("1")}},
			verifier.Handshake{Auth: map[string]any{"a": nil, "n": json.Number("1")}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := func(h *verifier.Handshake) string {
				b, err := json.Marshal(struct {
					Header http.Header
					Query  url.Values
					Auth   any
					URL    string
				}{h.Header, h.Query, h.Auth, urlText(h.URL)})
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			before := text(&test.h)
			got := text(test.h.WithoutToken(raw))
			if got != text(&test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", got, text(&test.want))
			}
			if strings.Contains(got, raw) || strings.Contains(got, other) {
				t.Errorf("a token is left: %s", got)
			}
			if text(&test.h) != before {
				t.Error("the handshake itself was changed")
			}
		})
	}
	if h := (&verifier.Handshake{Auth: "text", Namespace: "/a", RemoteAddr: "b"}).WithoutToken(""); h.Auth != "text" || h.Namespace != "/a" || h.RemoteAddr != "b" {
		t.Errorf("without a token to drop: %+v", h)
	}
}

// nestedMaps returns a value in so many maps.
func nestedMaps(depth int, value any) any {
	for range depth {
		value = map[string]any{"a": value}
	}
	return value
}

// nestedLists returns a value in so many lists.
func nestedLists(depth int, value any) any {
	for range depth {
		value = []any{value}
	}
	return value
}

func urlText(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.String()
}
