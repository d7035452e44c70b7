package engine

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/googollee/go-socket.io/engineio/session"
	"github.com/googollee/go-socket.io/parser"
)

func TestParsePacket(t *testing.T) {
	tests := []struct {
		in      string
		want    string // for the library; "" if malformed
		event   string
		nsp     string
		problem string
	}{
		{in: `0`, want: `0`, nsp: "/"},
		{in: `0/admin`, want: `0/admin`, nsp: "/admin"},
		{in: `0/admin,`, want: `0/admin`, nsp: "/admin"},
		{in: `0/admin?token=a.b.c`, want: `0/admin`, nsp: "/admin"},
		{in: `0/admin?token=a.b.c,`, want: `0/admin`, nsp: "/admin"},
		{in: `1`, want: `1`, nsp: "/"},
		{in: `1/admin`, want: `1/admin`, nsp: "/admin"},
		{in: `1/admin,`, want: `1/admin`, nsp: "/admin"},
		{in: `2["a"]`, want: `2["a"]`, event: "a", nsp: "/"},
		{in: ` 2["a"]`, problem: "unknown packet type"},
		{in: `2 [ "a" , 1 ] `, want: `2["a",1]`, event: "a", nsp: "/"},
		{in: `2/,["a"]`, want: `2["a"]`, event: "a", nsp: "/"},
		{in: `2/admin,12["a",{"b":[null,true,-1.5e+3]}]`, want: `2/admin,12["a",{"b":[null,true,-1.5e+3]}]`, event: "a", nsp: "/admin"},
		{in: `20["a"]`, want: `20["a"]`, event: "a", nsp: "/"},
		{in: `2["a,b]c",1]`, want: `2["a\u002cb\u005dc",1]`, event: "a,b]c", nsp: "/"},
		{in: `2["a,b"]`, want: `2["a\u002cb"]`, event: "a,b", nsp: "/"},
		{in: `2["a]b"]`, want: `2["a\u005db"]`, event: "a]b", nsp: "/"},
		{in: `2["a","\u09af","\u09AF"]`, want: `2["a","\u09af","\u09AF"]`, event: "a", nsp: "/"},
		{in: `2["\u0061",1]`, want: `2["\u0061",1]`, event: "a", nsp: "/"},
		{in: `2["größe",1]`, want: `2["größe",1]`, event: "größe", nsp: "/"},
		{in: `31[]`, want: `31[]`, nsp: "/"},
		{in: `3/admin,7["x"]`, want: `3/admin,7["x"]`, nsp: "/admin"},
		{in: `51-["a",{"_placeholder":true,"num":0}]`, want: `51-["a",{"_placeholder":true,"num":0}]`, event: "a", nsp: "/"},
		{in: `51-/admin,3["a",{"num":0,"_placeholder":true}]`, want: `51-/admin,3["a",{"num":0,"_placeholder":true}]`, event: "a", nsp: "/admin"},
		{in: `50-["a"]`, want: `2["a"]`, event: "a", nsp: "/"},
		{in: `61-4[{"_placeholder":true,"num":0}]`, want: `61-4[{"_placeholder":true,"num":0}]`, nsp: "/"},

		{in: `0/!~`, want: `0/!~`, nsp: "/!~"},
		{in: `0/` + strings.Repeat("x", 127), want: `0/` + strings.Repeat("x", 127), nsp: "/" + strings.Repeat("x", 127)},
		{in: `29007199254740991["a"]`, want: `29007199254740991["a"]`, event: "a", nsp: "/"},
		{in: `564-["a"]`, want: `564-["a"]`, event: "a", nsp: "/"},
		{in: `2[0]`, want: `2["0"]`, event: "0", nsp: "/"},
		{in: `2[9]`, want: `2["9"]`, event: "9", nsp: "/"},
		{in: `2["a",0,9,109,90.09e-90,false]`, want: `2["a",0,9,109,90.09e-90,false]`, event: "a", nsp: "/"},
		{in: `2["a b~","\u09aF","�"]`, want: `2["a b~","\u09aF","�"]`, event: "a b~", nsp: "/"},
		{in: `2["a",` + nested("[", "]", 64) + `]`, want: `2["a",` + nested("[", "]", 64) + `]`, event: "a", nsp: "/"},
		{in: `2["a",` + nested(`{"b":`, "}", 63) + `]`, want: `2["a",` + nested(`{"b":`, "}", 63) + `]`, event: "a", nsp: "/"},

		{in: ``, problem: "empty"},
		{in: `/["a"]`, problem: "unknown packet type"},
		{in: `2/` + strings.Repeat("x", 128) + `,["a"]`, problem: "longer"},
		{in: "2/\x7f,[\"a\"]", problem: "printable"},
		{in: `51`, problem: "expected a number of attachments"},
		{in: `565-["a"]`, problem: "more than"},
		{in: `59999-["a"]`, problem: "more than"},
		{in: `500001-["a"]`, problem: "expected a number of attachments"},
		{in: `200000000000000001["a"]`, problem: "16 digits"},
		{in: "2[\"\x1f\"]", problem: "control character"},
		{in: "2[\"\x80\"]", problem: "UTF-8"},
		{in: `2["a\`, problem: "too early"},
		{in: `2["\u00`, problem: "too early"},
		{in: `2["a",nul`, problem: "null"},
		{in: `2["a",null`, problem: "comma"},
		{in: `2["a",` + nested("[", "]", 65) + `]`, problem: "nested"},
		{in: `2["a",` + nested(`{"b":`, "}", 64) + `]`, problem: "nested"},
		{in: `52-["a",{"_placeholder":true,"x":0}]`, problem: "placeholder"},
		{in: `7["a"]`, problem: "unknown packet type"},
		{in: `2`, problem: "not a JSON array"},
		{in: `2{}`, problem: "not a JSON array"},
		{in: `2[]`, problem: "begin with its name"},
		{in: `2[1]`, want: `2["1"]`, event: "1", nsp: "/"},
		{in: `2[-1.5,"x"]`, want: `2["-1.5","x"]`, event: "-1.5", nsp: "/"},
		{in: `2[null]`, problem: "begin with its name"},
		{in: `2["a"]x`, problem: "after the end"},
		{in: `2["a",]`, problem: "JSON value"},
		{in: `2["a"`, problem: "comma"},
		{in: `2["a`, problem: "too early"},
		{in: `2["\x01"]`, problem: "escape"},
		{in: `2["a","\u000/"]`, problem: "hexadecimal"},
		{in: `2["a","\u000:"]`, problem: "hexadecimal"},
		{in: `2["a","\u000@"]`, problem: "hexadecimal"},
		{in: `2["a","\u000G"]`, problem: "hexadecimal"},
		{in: "2[\"a\",\"\\u000`\"]", problem: "hexadecimal"},
		{in: `2["a","\u000g"]`, problem: "hexadecimal"},
		{in: `2["a",1`, problem: "comma"},
		{in: `2["a",-`, problem: "number"},
		{in: `2["a",1.`, problem: "number"},
		{in: `2["a",1e`, problem: "number"},
		{in: `2["a",1e+`, problem: "number"},
		{in: "2[\"\x01\"]", problem: "control character"},
		{in: "2[\"\xff\"]", problem: "UTF-8"},
		{in: `2["a",01]`, problem: "comma"},
		{in: `2["a",nul]`, problem: "null"},
		{in: `2["a",{"b"}]`, problem: "colon"},
		{in: `2["a",{b:1}]`, problem: "name"},
		{in: `2["a",` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `]`, problem: "nested"},
		{in: `3[]`, problem: "no id"},
		{in: `31`, problem: "not a JSON array"},
		{in: `4"x"`, problem: "ERROR"},
		{in: `01`, problem: "has data"},
		{in: `0{}`, problem: "has data"},
		{in: `1["x"]`, problem: "has data"},
		{in: `1/admin,["x"]`, problem: "has data"},
		{in: `41-`, problem: "ERROR"},
		{in: `5["a"]`, problem: "attachments"},
		{in: `5-["a"]`, problem: "attachments"},
		{in: `599999999999999999999-["x"]`, problem: "attachments"},
		{in: `5100-["x"]`, problem: "more than"},
		{in: `2/ad min,["a"]`, problem: "printable"},
		{in: "2/\u00e9,[\"a\"]", problem: "printable"},
		{in: `2/` + strings.Repeat("x", 200) + `,["a"]`, problem: "longer"},
		{in: `2/admin?q,["a"]`, problem: "query"},
		{in: `29007199254740993["a"]`, problem: "2^53"},
		{in: `299999999999999999999["a"]`, problem: "16 digits"},

		// Fault 10: a reference to an attachment that is not there, in every
		// spelling that encoding/json would take for one.
		{in: `2["a",{"_placeholder":true,"num":0}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"num":1}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"num":-1}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"num":1e9}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"num":99999}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"num":0,"Num":9}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"Num":9}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"num":0,"num":9}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholder":true,"_placeholder":true}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeHolder":true,"num":9}]`, problem: "placeholder"},
		{in: `51-["a",{"_placeholde\u0072":true,"num":9}]`, problem: "placeholder"},
		{in: `51-["a",[[{"b":{"_placeholder":true,"num":9}}]]]`, problem: "placeholder"},
		{in: `2["a",{"_placeholder":false,"num":9}]`, problem: "placeholder"},
		{in: `2["a",{"num":9}]`, want: `2["a",{"num":9}]`, event: "a", nsp: "/"},
	}
	for _, test := range tests {
		p, err := parsePacket([]byte(test.in), 64, dialects["3"])
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%q: got the error %v, expected one with %q", test.in, err, test.problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.in, err)
			continue
		}
		if got := string(p.forLibrary()); got != test.want || p.name != test.event || p.nsp != test.nsp {
			t.Errorf("%q: got %q, event %q, namespace %q", test.in, got, p.name, p.nsp)
		}
		checkLibrary(t, &p)
	}
}

// nested is n arrays or objects, each within the one before.
func nested(open, end string, n int) string {
	value := ""
	if open != "[" {
		value = "1"
	}
	return strings.Repeat(open, n) + value + strings.Repeat(end, n)
}

// TestCheckNamespace: a name is a slash and printable ASCII without a comma or a question
// mark.
func TestCheckNamespace(t *testing.T) {
	for name, problem := range map[string]string{
		"/": "", "/a": "", "/!~": "", "/" + strings.Repeat("x", 127): "",
		"": "slash", "a": "slash", "/" + strings.Repeat("x", 128): "longer",
		"/a,b": "','", "/a?b": "'?'", "/a b": "printable", "/\x7f": "printable", "/\u00e4": "printable",
	} {
		if err := CheckNamespace(name); problem == "" && err != nil || problem != "" && (err == nil || !strings.Contains(err.Error(), problem)) {
			t.Errorf("%q: got %v, expected %q", name, err, problem)
		}
	}
}

// TestConnectData: only CONNECT has a payload, and only that of protocol 5.
func TestConnectData(t *testing.T) {
	for in, want := range map[string]string{
		`0`: ``, `0{}`: `{}`, `0/admin,{ "a" : 1 }`: `{"a":1}`, `1`: ``, `1/admin,`: ``,
		`1{}`: "has data", `1/admin,{"a":1}`: "has data", `01`: "has data", `01{}`: "has data", `11`: "has data", `0[]`: "object",
	} {
		p, err := parsePacket([]byte(in), 0, dialects["4"])
		if got := string(p.data); err == nil && got != want || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %q, %v, want %q", in, got, err, want)
		}
	}
}

// TestPlaceholderNumbers: the number of an attachment is a plain decimal of at most four
// digits.
func TestPlaceholderNumbers(t *testing.T) {
	for num, good := range map[string]bool{
		"0": true, "9": true, "1000": true, "9998": true, "9999": false, "10000": false, "1e1": false, "1.0": false, "-1": false, `"1"`: false,
	} {
		_, _, err := compactArray(nil, []byte(`[{"_placeholder":true,"num":`+num+`}]`), 9999)
		if good != (err == nil) || err != nil && !strings.Contains(err.Error(), "placeholder") {
			t.Errorf("%s: %v", num, err)
		}
	}
}

// TestMessageSize: bytes, and a constant for the message and for each attachment.
func TestMessageSize(t *testing.T) {
	m := message{text: []byte("0123456789"), attachments: [][]byte{nil, []byte("01234")}}
	if got := m.size(); got != 10+64+64+5+64 {
		t.Errorf("the size is %d", got)
	}
}

// framesOf feeds packets to the library's parser.
type framesOf struct {
	text        []byte
	attachments int
}

func (f *framesOf) NextReader() (session.FrameType, io.ReadCloser, error) {
	if f.text != nil {
		r := bytes.NewReader(f.text)
		f.text = nil
		return session.TEXT, io.NopCloser(r), nil
	}
	if f.attachments == 0 {
		return 0, nil, io.EOF
	}
	f.attachments--
	return session.BINARY, io.NopCloser(strings.NewReader("attachment")), nil
}

// checkLibrary checks that the library understands p as we do, and survives it.
func checkLibrary(t *testing.T, p *packet) {
	t.Helper()
	d := parser.NewDecoder(&framesOf{p.forLibrary(), p.attachments})
	var h parser.Header
	var event string
	if err := d.DecodeHeader(&h, &event); err != nil {
		t.Errorf("%q: the library cannot read %q: %v", p.data, p.forLibrary(), err)
		return
	}
	nsp := h.Namespace
	if nsp == "" {
		nsp = root
	}
	kind := p.kind
	if kind >= kindBinaryEvent {
		kind -= 3
	}
	if h.Type != parser.Type(kind-'0') || nsp != p.nsp || h.NeedAck != p.hasID || h.ID != p.id || event != p.name {
		t.Errorf("the library reads %q as %+v, event %q; we read %+v", p.forLibrary(), h, event, p)
	}
	// The handlers that made it panic: one that takes a Buffer, at any place.
	types := []reflect.Type{reflect.TypeFor[parser.Buffer](), reflect.TypeFor[[]parser.Buffer](), reflect.TypeFor[map[string][]parser.Buffer]()}
	_, _ = d.DecodeArgs(types)
}

func FuzzPacket(f *testing.F) {
	seeds := []string{
		`0/admin?q,`, `1`, `2["a",{"b":[1,2]}]`, `2/x,12["a,]\u005d"]`, `31[]`,
		`52-/a,1["e",{"_placeholder":true,"num":0},[{"num":1,"_placeholder":true}]]`,
		`61-4[{"_placeholder":true,"num":0}]`, `45100000000-[`, `2["größe😀"]`,
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePacket(b, 64, dialects["3"])
		if err != nil {
			return
		}
		encoded := p.forLibrary()
		again, err := parsePacket(encoded, 64, dialects["3"])
		if err != nil {
			t.Fatalf("%q was encoded as %q, which is malformed: %v", b, encoded, err)
		}
		if !bytes.Equal(again.forLibrary(), encoded) || again.name != p.name || again.nsp != p.nsp || again.id != p.id {
			t.Fatalf("%q was encoded as %q and then as %q", b, encoded, again.forLibrary())
		}
		checkLibrary(t, &p)
	})
}

// FuzzCompact holds the JSON reader against encoding/json.
func FuzzCompact(f *testing.F) {
	for _, s := range []string{`[]`, ` [ 1 , "a" ] `, `[{"a":[]}]`, `["\ud800"]`, `[1e5,-0.1,0]`, `[00]`, `[1,]`, "[\"\xff\"]", "[" + strings.Repeat("6", 400) + "]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, _, err := compactArray(nil, src, 0)
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, src); err != nil {
			t.Fatalf("%q was taken for JSON: %v", src, err)
		}
		if want.String() != string(out) {
			t.Fatalf("%q became %q, expected %q", src, out, want.String())
		}
		ascii := appendASCII(nil, out)
		a, err := decode(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", src, out, err)
		}
		b, err := decode(ascii)
		if err != nil || !isASCII(ascii) || !reflect.DeepEqual(a, b) {
			t.Fatalf("%q became %q: %v", src, ascii, err)
		}
	})
}

// decode decodes JSON. Numbers stay as they are written: some are beyond float64.
func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func TestCompactTakesWhatJSONTakes(t *testing.T) {
	for _, v := range []any{
		[]any{}, []any{"a", 1, -2.5, 1e300, nil, true, false, map[string]any{"k": []any{map[string]any{}}}},
		[]any{"\u0000\u001f\"\\/\u2028😀\ud7ff"},
	} {
		b, err := json.MarshalIndent(v, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := compactArray(nil, b, 0)
		if err != nil {
			t.Errorf("%s: %v", b, err)
		}
		var want bytes.Buffer
		_ = json.Compact(&want, b)
		if want.String() != string(out) {
			t.Errorf("%s became %s", b, out)
		}
	}
}
