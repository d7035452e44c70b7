package googollee

import (
	"encoding/json"
	"reflect"
)

// go-socket.io puts an attachment where the type is parser.Buffer. Where the type is an
// empty interface it leaves the attachment's placeholder, a map: attach replaces that by
// the attachment, as a []byte.

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// attach replaces the placeholders in v. The engine bounds the depth of the JSON.
func attach(v reflect.Value, attachments [][]byte) {
	if reflect.PointerTo(v.Type()).Implements(unmarshalerType) {
		return // its UnmarshalJSON has read the JSON
	}
	switch v.Kind() {
	case reflect.Interface:
		if b, ok := attachment(v.Interface(), attachments); ok && v.CanSet() && v.Type().NumMethod() == 0 {
			v.Set(reflect.ValueOf(b))
			return
		}
		if !v.IsNil() {
			attach(v.Elem(), attachments)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			attach(v.Elem(), attachments)
		}
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		attachWithin(v, attachments)
	}
}

// attachWithin replaces the placeholders in the elements or fields of v.
func attachWithin(v reflect.Value, attachments [][]byte) {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := 0; i < v.Len() && v.Type().Elem().Kind() != reflect.Uint8; i++ {
			attach(v.Index(i), attachments)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			element := reflect.New(v.Type().Elem()).Elem()
			element.Set(v.MapIndex(key))
			attach(element, attachments)
			v.SetMapIndex(key, element)
		}
	case reflect.Struct:
		for _, field := range reflect.VisibleFields(v.Type()) {
			if f, err := v.FieldByIndexErr(field.Index); err == nil && field.IsExported() {
				attach(f, attachments)
			}
		}
	}
}

// attachment returns the attachment that v is the placeholder of.
func attachment(v any, attachments [][]byte) ([]byte, bool) {
	m, _ := v.(map[string]any)
	n, ok := m["num"].(float64)
	if !ok || m["_placeholder"] != true || n < 0 || n >= float64(len(attachments)) || n != float64(int(n)) {
		return nil, false
	}
	return attachments[int(n)], true
}
