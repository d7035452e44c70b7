package googollee_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/googollee/go-socket.io/parser"

	"github.com/seed15b1dee8/socketio-jwt/socketio/googollee"
)

// TestVariadic: a handler whose last parameter is variadic takes the arguments that
// are left, also none, and so does the function of an acknowledgement.
func TestVariadic(t *testing.T) {
	s := serve(t, nil, func(s *server) {
		s.OnEvent("sum", func(_ *googollee.Conn, name string, numbers ...int) (string, int) {
			sum := 0
			for _, n := range numbers {
				sum += n
			}
			return name, sum
		})
		s.OnEvent("all", func(_ *googollee.Conn, args ...any) []any { return args })
		s.OnEvent("files", func(_ *googollee.Conn, files ...*parser.Buffer) int {
			n := 0
			for _, f := range files {
				n += len(f.Data)
			}
			return n
		})
		s.OnEvent("ask", func(c *googollee.Conn) {
			c.Emit("asked", func(first int, rest ...string) { s.note(fmt.Sprint(first, rest)) })
		})
	})
	ws := s.join("alice")
	for _, test := range [][2]string{
		{`421["sum","a",1,2,3]`, `431["a",6]`},
		{`422["sum","a"]`, `432["a",0]`},
		{`424["all"]`, `434[[]]`},
		{`425["all",null,"x",{"a":[1]}]`, `435[[null,"x",{"a":[1]}]]`},
		{`427["files"]`, `437[0]`},
	} {
		ws.write(test[0])
		ws.read(test[1])
	}
	ws.write(`452-8["files",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "b4AQID", "b4BAU=")
	ws.read(`438[5]`)
	ws.write(`42["sum","a",1,"two"]`) // does not fit
	ws.write(`42["ask"]`)
	ws.read(`421073741825["asked"]`)
	ws.write(`431073741825[1,"x","y"]`)
	s.want("1 [x y]")
}

// ownJSON reads its own JSON.
type ownJSON struct{ value any }

func (o *ownJSON) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &o.value) }

// TestAttachmentsWithoutBuffer: where an argument's type is any, at whatever depth, an
// attachment is a []byte. A type that reads its own JSON does so.
func TestAttachmentsWithoutBuffer(t *testing.T) {
	type inner struct{ Any any }
	type outer struct {
		inner
		Raw    json.RawMessage
		Map    map[string]inner
		List   []any
		Buffer *parser.Buffer
		Nil    *inner
		Time   time.Time
		Own    ownJSON
		_      any // like every field that is not exported
	}
	var any1 any
	var any2 map[string]any
	var typed outer
	s := serve(t, nil, func(s *server) {
		s.OnEvent("any", func(_ *googollee.Conn, a any, b map[string]any, c outer, rest ...any) {
			any1, any2, typed = a, b, c
			s.note(fmt.Sprint(rest))
		})
	})
	ws := s.join("alice")
	at := func(n int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, n) }
	ws.write(`453-["any",`+at(0)+`,{"x":`+at(1)+`,"list":[[`+at(2)+`]]},`+
		`{"Any":`+at(0)+`,"Raw":`+at(1)+`,"Map":{"k":{"Any":`+at(1)+`}},"List":[`+at(2)+`],"Buffer":`+at(2)+`,"Nil":null,"Own":`+at(0)+`,"hidden":1},`+at(0)+`]`,
		"b4AQ==", "b4Ag==", "b4Aw==")
	s.want("[[1]]")
	one, two, three := []byte{1}, []byte{2}, []byte{3}
	if !reflect.DeepEqual(any1, any(one)) {
		t.Errorf("got %v", any1)
	}
	want := map[string]any{"x": two, "list": []any{[]any{three}}}
	if !reflect.DeepEqual(any2, want) {
		t.Errorf("got %v, expected %v", any2, want)
	}
	if typed.Buffer == nil || !slices.Equal(typed.Buffer.Data, three) {
		t.Errorf("got %v", typed.Buffer)
	}
	typed.Buffer = nil
	wantTyped := outer{inner: inner{one}, Raw: json.RawMessage(at(1)), Map: map[string]inner{"k": {two}}, List: []any{three}}
	wantTyped.Own = ownJSON{map[string]any{"_placeholder": true, "num": 0.0}}
	if !reflect.DeepEqual(typed, wantTyped) {
		t.Errorf("got %+v, expected %+v", typed, wantTyped)
	}
}

// TestOnError: the application is told of events that failed, and a panic there ends
// nothing.
func TestOnError(t *testing.T) {
	var panics atomic.Int64
	logger := slog.New(slog.NewTextHandler(lines(func(line string) {
		if strings.Contains(line, "OnError panicked") {
			panics.Add(1)
		}
	}), nil))
	s := serve(t, &googollee.Options{Logger: logger}, func(s *server) {
		s.OnEvent("number", func(_ *googollee.Conn, n int) { s.note("handled") })
		s.OnEvent("panic", func(*googollee.Conn) { panic(errors.New("an accident")) })
		s.OnEvent("chan", func(*googollee.Conn) chan int { return nil })
		s.OnEvent("ask", func(c *googollee.Conn) { c.Emit("asked", func(int) {}) })
		s.OnError(func(c *googollee.Conn, err error) {
			text, _, _ := strings.Cut(err.Error(), ": json")
			s.note(subject(c) + ": " + text)
			panic("in OnError")
		})
	})
	ws := s.join("alice")
	ws.write(`42["number","x"]`)
	s.want(`alice: googollee: the arguments of "number" do not fit its handler`)
	ws.write(`42["panic"]`)
	s.want("alice: googollee: the handler of panic panicked: an accident")
	ws.write(`421["chan"]`)
	s.want(`alice: googollee: the results of the handler of "chan" cannot be encoded`)
	ws.write(`42["ask"]`)
	ws.read(`421073741825["asked"]`)
	ws.write(`431073741825["x"]`)
	s.want("alice: googollee: an acknowledgement does not fit its function")
	ws.write(`42["number",1]`)
	s.want("handled")
	s.eventually("the panics are not logged", func() bool { return panics.Load() == 4 })
}

// lines is a writer for each line of a log.
type lines func(line string)

func (l lines) Write(b []byte) (int, error) {
	l(string(b))
	return len(b), nil
}

// TestAttachmentOfAny: a handler that knows no parser.Buffer takes an attachment too.
func TestAttachmentOfAny(t *testing.T) {
	s := serve(t, nil, nil)
	ws := s.join("alice")
	ws.write(`451-1["echo",{"_placeholder":true,"num":0}]`, "b4AQID")
	ws.read(`431["AQID"]`)
}
