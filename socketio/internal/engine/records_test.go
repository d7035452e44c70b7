package engine

import (
	"testing"
)

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
