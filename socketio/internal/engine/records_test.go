package engine

import (
	"reflect"
	"testing"
)

// TestDecodeRecords: the body of a POST in Engine.IO 4 is text.
func TestDecodeRecords(t *testing.T) {
	for _, test := range []struct {
		body   string
		binary bool
		want   []frame // nil if malformed
	}{
		{"2", false, []frame{{typePing, false, []byte{}}}},
		{"4a\x1ebAQ==\x1e6", false, []frame{{typeMessage, false, []byte("a")}, {typeMessage, true, []byte{1}}, {typeNoop, false, []byte{}}}},
		{"b", false, []frame{{typeMessage, true, []byte{}}}},
		{"2", true, nil}, {"", false, nil}, {"\x1e", false, nil}, {"4a\x1e", false, nil},
		{"4\xff", false, nil}, {"7", false, nil}, {"/", false, nil}, {"b!", false, nil},
	} {
		got, err := decodeRecords([]byte(test.body), test.binary, nil)
		if test.want == nil && err == nil || test.want != nil && (err != nil || !reflect.DeepEqual(got, test.want)) {
			t.Errorf("%q, binary %v: got %v, %v", test.body, test.binary, got, err)
		}
	}
}

func FuzzRecords(f *testing.F) {
	for _, s := range []string{"2", "40{}\x1e42[\"a\"]", "bAQID", "4\x1e", "\x1e", "b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		frames, err := decodeRecords(body, false, nil)
		if err != nil {
			return
		}
		var batch []message
		for _, f := range frames {
			if f.binary {
				batch = append(batch, message{text: base64Record(f.data)})
			} else {
				batch = append(batch, message{text: append([]byte{f.kind}, f.data...)})
			}
		}
		again, _ := appendRecords(nil, batch, false)
		frames2, err := decodeRecords(again, false, nil)
		if err != nil || len(frames2) != len(frames) {
			t.Fatalf("%q was written as %q: %v", body, again, err)
		}
	})
}
