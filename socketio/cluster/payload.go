package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Payload is data of a Socket.IO packet in the form in which packets carry it: JSON
// text, in which {"_placeholder":true,"num":n} stands for the nth attachment. The
// payload of an event is an array that begins with the event's name; that of an
// acknowledgement between nodes is one value.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

// NewPayload makes the payload of an event from its name and arguments, encoded as
// encoding/json does, except that a []byte becomes an attachment. That holds for
// arguments and for elements of []any and map[string]any, but not for the fields of
// structs.
func NewPayload(event string, args ...any) (Payload, error) {
	return NewValue(append([]any{event}, args...))
}

// NewValue makes a payload of one value, as [NewPayload] does of each argument.
func NewValue(v any) (Payload, error) {
	var p Payload
	text, err := json.Marshal(p.detach(v))
	if err != nil {
		return Payload{}, fmt.Errorf("cluster: %w", err)
	}
	p.JSON = text
	return p, nil
}

// detach replaces the binary values in v and keeps them as attachments.
func (p *Payload) detach(v any) any {
	switch v := v.(type) {
	case []byte:
		if v == nil {
			return nil
		}
		p.Attachments = append(p.Attachments, v)
		return placeholder{true, len(p.Attachments) - 1}
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = p.detach(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = p.detach(e)
		}
		return m
	}
	return v
}

// placeholder stands for an attachment.
type placeholder struct {
	Placeholder bool `json:"_placeholder"`
	Num         int  `json:"num"`
}

// Value decodes the payload as encoding/json decodes into an any, with a []byte for
// each attachment.
func (p Payload) Value() (any, error) {
	var v any
	if err := json.Unmarshal(p.JSON, &v); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if len(p.Attachments) > 0 {
		v = p.attach(v)
	}
	return v, nil
}

func (p Payload) attach(v any) any {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			v[i] = p.attach(e)
		}
	case map[string]any:
		if n, ok := v["num"].(float64); ok && v["_placeholder"] == true && n >= 0 && n < float64(len(p.Attachments)) && n == float64(int(n)) {
			return p.Attachments[int(n)]
		}
		for k, e := range v {
			v[k] = p.attach(e)
		}
	}
	return v
}

// Event splits the payload of an event into its name and its arguments.
func (p Payload) Event() (name string, args []json.RawMessage, err error) {
	if err := json.Unmarshal(p.JSON, &args); err != nil {
		return "", nil, fmt.Errorf("cluster: an event is not an array: %w", err)
	}
	if len(args) == 0 || json.Unmarshal(args[0], &name) != nil {
		return "", nil, errors.New("cluster: an event does not begin with its name")
	}
	return name, args[1:], nil
}

// reserved are the names that no event may have: clients 4.x close the connection.
var reserved = map[string]bool{
	"connect": true, "connect_error": true, "disconnect": true, "disconnecting": true,
	"newListener": true, "removeListener": true,
}

// check reports whether the payload is an event that clients can be sent. It looks
// only at the beginning: the rest is checked where it is encoded.
func (p Payload) check() error {
	list := bytes.TrimLeft(p.JSON, " \t\r\n")
	if len(list) == 0 || list[0] != '[' {
		return errors.New("cluster: an event is not an array")
	}
	name := bytes.TrimLeft(list[1:], " \t\r\n")
	if len(name) > 0 && (name[0] == '-' || name[0] >= '0' && name[0] <= '9') {
		return nil // a number, which JavaScript allows
	}
	text, ok := leadingString(name)
	if !ok {
		return errors.New("cluster: an event does not begin with its name")
	}
	if reserved[text] {
		return fmt.Errorf("cluster: the event name %q is reserved", text)
	}
	return nil
}

// leadingString reads the JSON string at the start of a text.
func leadingString(list []byte) (text string, ok bool) {
	if len(list) == 0 || list[0] != '"' {
		return "", false
	}
	end := 1
	for ; end < len(list) && list[end] != '"'; end++ {
		if list[end] == '\\' {
			end++
		}
	}
	if end >= len(list) {
		return "", false
	}
	text = string(list[1:end])
	if strings.Contains(text, `\`) {
		err := json.Unmarshal(list[:end+1], &text)
		return text, err == nil
	}
	return text, true
}

// appendPlaceholder appends the JSON that stands for the nth attachment.
func appendPlaceholder(b []byte, n int) []byte {
	b = append(b, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(b, int64(n), 10), '}')
}
