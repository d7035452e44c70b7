package engine

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"testing"
	"unicode/utf16"
)

func TestDecodePayload(t *testing.T) {
	msg := func(s string) frame { return frame{typeMessage, false, []byte(s)} }
	tests := []struct {
		name   string
		body   string
		binary bool
		want   []frame // nil if malformed
	}{
		{"one", `6:42["a"`, false, []frame{msg(`2["a"`)}},
		{"two", `1:27:4hello ` + ``, false, []frame{{typePing, false, []byte{}}, msg("hello ")}},
		{"client 2.x counts UTF-16 units", "6:4ä漢😀x", false, []frame{msg("ä漢😀x")}},
		{"client 2.x, the first and the last of two units", "6:4\U00010000\uffff\U0010ffff", false, []frame{msg("\U00010000\uffff\U0010ffff")}},
		{"client 1.x encodes twice", "4:4\u00c3\u00a4x", false, []frame{msg("äx")}},
		{"client 1.x, four bytes", "5:4\u00f0\u009f\u0098\u0080", false, []frame{msg("😀")}},
		{"base64", "6:b4AQID", false, []frame{{typeMessage, true, []byte{1, 2, 3}}}},
		{"noop", "1:6", false, []frame{{typeNoop, false, []byte{}}}},
		{"base64, empty", "2:b4", false, []frame{{typeMessage, true, []byte{}}}},
		{"nine digits", "000000001:3", false, []frame{{typePong, false, []byte{}}}},
		{"ten digits", "0000000001:3", false, nil},
		{"binary: nine digits", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff3", true, []frame{{typePong, false, []byte{}}}},
		{"binary: the digit 9", "\x00\x09\xff412345678", true, []frame{msg("12345678")}},
		{"binary: ten digits", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xff3", true, nil},
		{"binary payload, lengths in UTF-16 units", "\x00\x02\xff4ä\x01\x03\xff\x04\x01\x02", true, nil}, // no client does
		{"binary payload, lengths in bytes", "\x00\x03\xff4ä\x01\x03\xff\x04\x01\x02", true, []frame{msg("ä"), {typeMessage, true, []byte{1, 2}}}},
		{"close", "1:1", false, []frame{{typeClose, false, []byte{}}}},
		{"empty", "", false, nil},
		{"empty packet", "0:", false, nil},
		{"no colon", "12", false, nil},
		{"no length", ":4", false, nil},
		{"too long", "9:4", false, nil},
		{"huge length", "99999999999:4", false, nil},
		{"splits a character", "2:4😀", false, nil},
		{"splits a character before a payload", "5:43:4😀", false, nil},
		{"not UTF-8", "2:4\xff", false, nil},
		{"unknown type", "1:9", false, nil},
		{"bad base64", "4:b4=!", false, nil},
		{"base64 of another type", "6:b2AQID", false, nil},
		{"binary: no end of length", "\x00\x01\x02\x03", true, nil},
		{"binary: not a digit", "\x00\x0a\xff4", true, nil},
		{"binary: no length", "\x00\xff4", true, nil},
		{"binary: too long", "\x00\x09\xff4", true, nil},
		{"binary: unknown kind", "\x02\x01\xff4", true, nil},
		{"binary: a binary ping", "\x01\x01\xff\x02", true, nil},
	}
	for _, test := range tests {
		got, err := decodePayload([]byte(test.body), test.binary, new(textEncoding))
		if test.want == nil {
			if err == nil {
				t.Errorf("%s: got %v, expected an error", test.name, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, %v", test.name, got, err)
		}
	}
}

// TestFaultsE5TextEncoding: text comes out as the application sent it. Text that a
// client 1.x cannot have written proves a client 2.x for the rest of the session.
// TestAttachmentsApart: an application may append to an attachment, and does not change what
// the client sent behind it.
func TestAttachmentsApart(t *testing.T) {
	frames, err := decodePayload([]byte("\x01\x02\xff\x04a\x01\x02\xff\x04b"), true, new(textEncoding))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(frames[0].data, "more and more"...)
	if got := string(frames[1].data); got != "b" {
		t.Errorf("the second attachment is %q", got)
	}
}

func TestFaultsE5TextEncoding(t *testing.T) {
	// twice is how a client 1.x in a browser writes text.
	twice := func(s string) string {
		var b []rune
		for _, c := range []byte(s) {
			b = append(b, rune(c))
		}
		return string(b)
	}
	browser, node := "Mozilla/5.0", "node-XMLHttpRequest"
	for name, test := range map[string]struct {
		agent  string
		base64 bool
		wire   []string
		want   []string
	}{
		"2.x in Node, what reads as doubly encoded": {node, false, []string{"5 \u00c2\u00b0"}, []string{"5 \u00c2\u00b0"}},
		"2.x in a browser, after a plane above":     {browser, false, []string{"\u6f22", "5 \u00c2\u00b0"}, []string{"\u6f22", "5 \u00c2\u00b0"}},
		"2.x in a browser, after an accent":         {browser, false, []string{"caf\u00e9", "5 \u00c2\u00b0"}, []string{"caf\u00e9", "5 \u00c2\u00b0"}},
		"2.x, every plane":                          {browser, false, []string{"\u00e4\u6f22\U0001f600\U0010fffd"}, []string{"\u00e4\u6f22\U0001f600\U0010fffd"}},
		"1.x in a browser": {browser, false,
			[]string{twice("5 \u00b0"), twice("\u00e4\u6f22\U0001f600\U0010fffd"), "ascii", twice("5 \u00c2\u00b0")},
			[]string{"5 \u00b0", "\u00e4\u6f22\U0001f600\U0010fffd", "ascii", "5 \u00c2\u00b0"}},
		"1.x in Node, asking for base64": {node, true, []string{twice("\u6f22")}, []string{"\u6f22"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("User-Agent", test.agent)
		var e textEncoding
		e.begin(r, test.base64)
		for i, text := range test.wire {
			body := strconv.Itoa(len(utf16.Encode([]rune("4"+text)))) + ":4" + text
			frames, err := decodePayload([]byte(body), false, &e)
			if err != nil || len(frames) != 1 || string(frames[0].data) != test.want[i] {
				t.Errorf("%s: %q arrives as %v, %v", name, text, frames, err)
			}
		}
	}
}

// payloadOf encodes messages, and reads them back as frames.
func payloadOf(t testing.TB, batch []message, b64 bool) []frame {
	t.Helper()
	body, binary := appendPayload(nil, batch, b64)
	frames, err := decodePayload(body, binary, new(textEncoding))
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return frames
}

func FuzzPayload(f *testing.F) {
	for _, s := range []string{"6:42[\"a\"", "4:4\u00c3\u00a4x", "6:b4AQID", "\x00\x03\xff4\xc3\xa4\x01\x03\xff\x04\x01\x02"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, binary bool) {
		frames, err := decodePayload(body, binary, new(textEncoding))
		if err != nil {
			return
		}
		total := 0
		var batch []message
		for _, fr := range frames {
			total += len(fr.data)
			if fr.binary {
				batch = append(batch, message{text: []byte("4"), attachments: [][]byte{fr.data}})
			} else if isASCII(fr.data) {
				batch = append(batch, message{text: append([]byte{fr.kind}, fr.data...)})
			}
		}
		if total > len(body) {
			t.Fatalf("%d bytes came of %d", total, len(body))
		}
		if len(batch) == 0 {
			return
		}
		if a, b := payloadOf(t, batch, true), payloadOf(t, batch, false); !reflect.DeepEqual(a, b) {
			t.Fatalf("%v and %v differ", a, b)
		}
	})
}

func TestUnescapeForm(t *testing.T) {
	for in, want := range map[string]string{
		`a\nb`: "a\nb", `a\\nb`: `a\nb`, `a\\\nb`: `a\\nb`, `\`: `\`, `\\`: `\\`, ``: ``,
	} {
		if got := unescapeForm(in); !bytes.Equal(got, []byte(want)) {
			t.Errorf("%q became %q, expected %q", in, got, want)
		}
	}
}
