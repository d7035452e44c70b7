package cluster

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"
)

// captured is what Node.js publishes for io.emit("hi", "x", 1).
const captured = "93a674 4a4d396936 83a474797065 02 a464617461 93a26869a17801 a36e7370 a12f 83a5726f6f6d73 90 a6657863657074 90 a5666c616773 80"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBroadcastBytes: a broadcast has the very bytes that Node.js would send.
func TestBroadcastBytes(t *testing.T) {
	want := unhex(t, captured)
	if len(want) != 56 {
		t.Fatalf("%d bytes", len(want))
	}
	event, err := NewPayload("hi", "x", 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := appendBroadcast(nil, &broadcast{uid: "tJM9i6", nsp: "/", event: event})
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\ngot  %x\nwant %x", err, got, want)
	}
	m, err := decodeBroadcast(want)
	if err != nil || m.uid != "tJM9i6" || m.nsp != "/" || string(m.event.JSON) != `["hi","x",1]` || len(m.to.Rooms)+len(m.to.Except) > 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestTranscode: JSON and MessagePack of the same values.
func TestTranscode(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		json   string
		binary []string // base64 of attachments
		hex    string
	}{
		{json: `null`, hex: "c0"},
		{json: `[true,false]`, hex: "92c3c2"},
		{json: `[0,127,128,255,256,65535,65536,4294967295,4294967296]`, hex: "99 00 7f cc80 ccff cd0100 cdffff ce00010000 ceffffffff cf0000000100000000"},
		{json: `[-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]`, hex: "99 ff e0 d0df d080 d1ff7f d18000 d2ffff7fff d280000000 d3ffffffff7fffffff"},
		{json: `[9223372036854775807,18446744073709551615,-9223372036854775808]`, hex: "93 cf7fffffffffffffff cfffffffffffffffff d38000000000000000"},
		{json: `[1.5,1e+300,-0]`, hex: "93 cb3ff8000000000000 cb7e37e43c8800759c cb8000000000000000"},
		{json: `""`, hex: "a0"},
		{json: `"ä\"\\\n\r\t\u0001日😀"`, hex: "af c3a4 22 5c 0a 0d 09 01 e697a5 f09f9880"},
		{json: `"` + long + `"`, hex: "da012c" + hex.EncodeToString([]byte(long))},
		{json: `{}`, hex: "80"},
		{json: `{"a":[{"b":{}}]}`, hex: "81a161 91 81a162 80"},
		{json: `["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, binary: []string{"AAH/", ""}, hex: "93 a178 c4030001ff c400"},
	}
	for _, tt := range tests {
		p := Payload{JSON: []byte(tt.json)}
		for _, b := range tt.binary {
			data, err := base64.StdEncoding.DecodeString(b)
			if err != nil {
				t.Fatal(err)
			}
			p.Attachments = append(p.Attachments, data)
		}
		packed, err := appendPayload(nil, p)
		if want := unhex(t, tt.hex); err != nil || !bytes.Equal(packed, want) {
			t.Errorf("%.60s: got %x, %v, want %x", tt.json, packed, err, want)
			continue
		}
		r := &reader{data: packed}
		back, err := r.decodePayload()
		if err != nil || string(back.JSON) != tt.json || len(back.Attachments) != len(p.Attachments) || r.left() > 0 {
			t.Errorf("%.60s: back comes %.60s with %d attachments, %v", tt.json, back.JSON, len(back.Attachments), err)
		}
		for i := range back.Attachments {
			if !bytes.Equal(back.Attachments[i], p.Attachments[i]) {
				t.Errorf("%.60s: attachment %d is %x", tt.json, i, back.Attachments[i])
			}
		}
	}
}

// TestTranscodeSizes: arrays and maps at the bounds of their encodings come back.
func TestTranscodeSizes(t *testing.T) {
	var list []any
	object := make(map[string]any)
	for i := range 70_000 {
		list = append(list, i)
		if i < 17 {
			object[strings.Repeat("k", i)] = nil
		}
	}
	for _, v := range []any{list[:15], list[:16], list[:65535], list, object} {
		p, err := NewValue(v)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := appendPayload([]byte("before"), p)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{data: packed[len("before"):]}
		if back, err := r.decodePayload(); err != nil || !bytes.Equal(back.JSON, p.JSON) || r.left() > 0 {
			t.Errorf("a value of %d bytes does not come back: %v", len(p.JSON), err)
		}
	}
}

// TestDecodeOnly: forms that others send and this package does not.
func TestDecodeOnly(t *testing.T) {
	for packed, want := range map[string]string{
		"ca3fc00000":                     `1.5`,
		"cb7ff8000000000000":             `null`, // NaN
		"cb7ff0000000000000":             `null`, // Infinity
		"d20000002a":                     `42`,
		"d30000000000000001":             `1`,
		"dc000101":                       `[1]`,
		"de0001a16101":                   `{"a":1}`,
		"d6ff00000001":                   `"1970-01-01T00:00:01.000Z"`,
		"d7ff7735940000000001":           `"1970-01-01T00:00:01.500Z"`,
		"c70cff00000000ffffffffffffffff": `"1969-12-31T23:59:59.000Z"`,
		"c7020001ff":                     `{"_placeholder":true,"num":0}`, // an ArrayBuffer of old nodes
		"a2c328":                         `"` + "\ufffd" + `("`,
	} {
		r := &reader{data: unhex(t, packed)}
		p, err := r.decodePayload()
		if err != nil || string(p.JSON) != want || r.left() > 0 {
			t.Errorf("%s: got %s, %v, want %s", packed, p.JSON, err, want)
		}
	}
}

// TestBounds: lengths that are not true, depth, and what is cut off.
func TestBounds(t *testing.T) {
	bad := map[string]string{
		"nothing": "", "cut off": "92 01", "a string longer than the message": "dbffffffff", "binary longer than the message": "c6ffffffff00",
		"an array longer than the message": "ddffffffff", "a map longer than the message": "dfffffffff", "a map with half of its values": "82 a161 01",
		"the code that is never used": "c1", "an unknown extension": "c70105ff", "an extension that is cut off": "d8ff00",
		"a time out of range": "c70cff3b9aca00 0000000000000000", "a year of five digits": "c70cff00000000 7fffffffffffffff", "a key that is not a string": "81 01 01",
		"arrays in each other": strings.Repeat("91", maxDepth+2) + "c0", "maps in each other": strings.Repeat("81a0", maxDepth+2) + "c0",
	}
	for what, packed := range bad {
		r := &reader{data: unhex(t, packed)}
		if p, err := r.decodePayload(); err == nil {
			t.Errorf("%s: %s", what, p.JSON)
		}
		r = &reader{data: unhex(t, packed)}
		if err := r.skip(0); err == nil && what != "a time out of range" && what != "a year of five digits" && what != "a key that is not a string" {
			t.Errorf("%s is skipped", what)
		}
	}
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	if _, err := appendPayload(nil, Payload{JSON: []byte(deep)}); err == nil {
		t.Error("JSON that is too deep is encoded")
	}
	for _, text := range []string{"", "[", "nul", "[1,]", `{"a"}`, "[1] 2", "\"\x01\""} {
		if _, err := appendPayload(nil, Payload{JSON: []byte(text)}); err == nil {
			t.Errorf("%q is encoded", text)
		}
	}
	// A small message that claims much allocates little.
	claims := unhex(t, "ddffffffff")
	if n := testing.AllocsPerRun(10, func() { _, _ = (&reader{data: claims}).decodePayload() }); n > 10 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode: whatever arrives is decoded as another implementation does, or refused,
// and never ends the process.
func FuzzDecode(f *testing.F) {
	f.Add(unhex(f, captured))
	f.Add(unhex(f, "93 a178 c4030001ff c400"))
	f.Add(unhex(f, "d7ff7735940000000001"))
	f.Add(unhex(f, "ddffffffff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodeBroadcast(data)
		_, _ = decodeMessage(data)
		r := &reader{data: data}
		p, err := r.decodePayload()
		if err != nil {
			return
		}
		if !json.Valid(p.JSON) {
			t.Fatalf("%x is decoded to %q", data, p.JSON)
		}
		if len(p.JSON) > 7*len(data)+64+40*len(p.Attachments) {
			t.Errorf("%d bytes are decoded to %d", len(data), len(p.JSON))
		}
		checkDecoded(t, data, r.pos, p)
		// Once it is JSON it does not change any more.
		packed, err := appendPayload(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := (&reader{data: packed}).decodePayload()
		if err != nil || !bytes.Equal(again.JSON, p.JSON) && len(p.Attachments) == 0 {
			t.Errorf("%s comes back as %s, %v", p.JSON, again.JSON, err)
		}
	})
}

// checkDecoded compares with msgpack/v5, of values that both can represent.
func checkDecoded(t *testing.T, data []byte, n int, p Payload) {
	d := msgpack.NewDecoder(bytes.NewReader(data[:n]))
	theirs, err := d.DecodeInterface()
	if err != nil || !comparable(theirs) {
		return
	}
	want, err := json.Marshal(theirs)
	if err != nil {
		return
	}
	var a, b any
	if json.Unmarshal(want, &a) != nil || json.Unmarshal(p.JSON, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%x: got %s, msgpack/v5 says %s", data[:n], p.JSON, want)
	}
}

// comparable reports whether a value has none of the things that are another in JSON.
func comparable(v any) bool {
	switch v := v.(type) {
	case nil, bool, string, int8, int16, int32, int64, uint8, uint16, uint32, uint64:
		return true
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case []any:
		for _, e := range v {
			if !comparable(e) {
				return false
			}
		}
		return true
	case map[string]any:
		for _, e := range v {
			if !comparable(e) {
				return false
			}
		}
		return true
	}
	return false
}

// FuzzEncode: JSON becomes the MessagePack of the same value.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{`["hi","x",1]`, `{"a":[1.5,-1,null,true],"":{}}`, `"\ud83d\ude00\ud800\u0000"`, ` [ 1 , 2 ] `, `1e400`, `{"_placeholder":true,"num":0}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		packed, err := appendPayload(nil, Payload{JSON: text})
		if err != nil {
			if json.Valid(text) && err != errTooDeep {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		var want, got any
		if json.Unmarshal(text, &want) != nil {
			return // a number out of range
		}
		r := &reader{data: packed}
		back, err := r.decodePayload()
		if err != nil || r.left() > 0 {
			t.Fatalf("%q becomes %x: %v", text, packed, err)
		}
		if err := json.Unmarshal(back.JSON, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q comes back as %s, %v", text, back.JSON, err)
		}
	})
}
