package verifier

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

// ClaimsAs decodes all claims into a T, as [Token.Claims] does. If T or *T has a method
// Validate(context.Context) error, it calls that method and returns its error unchanged.
//
// If the claims do not fit T, the error is an [*UnauthorizedError] with the reason
// [ErrClaimInvalid].
func ClaimsAs[T any](ctx context.Context, t *Token) (T, error) {
	var claims, zero T
	if err := t.Claims(&claims); err != nil {
		return zero, err
	}
	if v, ok := any(&claims).(interface{ Validate(context.Context) error }); ok {
		if err := v.Validate(ctx); err != nil {
			return zero, err
		}
	}
	return claims, nil
}

// CustomClaims refuses tokens whose claims do not fit T, or whose T.Validate returns an error: see
// [ClaimsAs]. A later call of ClaimsAs for an accepted token therefore succeeds.
func CustomClaims[T any]() Option {
	return Validate(ClaimValidatorFunc(func(ctx context.Context, t *Token, _ *Handshake) error {
		_, err := ClaimsAs[T](ctx, t)
		return err
	}))
}

// decodeClaims is json.Unmarshal without its leniency: encoding/json would take
// the claim ADMIN for a field of the name admin, and the last of two members of
// one name.
func decodeClaims(text string, v any) error {
	start := strictjson.SkipSpace(text, 0)
	end, err := strictjson.SkipValue(text, start, 0)
	if err != nil {
		return err
	}
	if err := checkNames(text[start:end], reflect.TypeOf(v)); err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), v)
}

// checkNames refuses JSON text in which an object has two members of the same
// name, or a member that differs only in letter case from the field it would be
// decoded into. t is the type that the text will be decoded into, nil if that is
// not known. The text is a value that skipValue has been over.
func checkNames(text string, t reflect.Type) error {
	switch text[0] {
	case '{':
		s := shapeOf(t)
		o := strictjson.New(text)
		for o.Next() {
			elem, known := s.fields[o.Name]
			if !known {
				elem = s.elem
				if s.folded != nil {
					f, ok := s.folded[strictjson.Fold(o.Name)]
					if ok && f.tagged {
						return fmt.Errorf("the member %q differs from the field %q in letter case", o.Name, f.name)
					}
					if ok {
						elem = s.fields[f.name]
					}
				}
			}
			if err := checkNames(o.Value, elem); err != nil {
				return err
			}
		}
		return o.Err
	case '[':
		elem := shapeOf(t).elem
		for i := strictjson.SkipSpace(text, 1); text[i] != ']'; {
			end, err := strictjson.SkipValue(text, i, 1)
			if err != nil {
				return err
			}
			if err := checkNames(text[i:end], elem); err != nil {
				return err
			}
			if i = strictjson.SkipSpace(text, end); text[i] == ',' {
				i = strictjson.SkipSpace(text, i+1)
			}
		}
	}
	return nil
}

// shape is what encoding/json decodes into for a type.
type shape struct {
	fields map[string]reflect.Type // of a struct, by their names in JSON
	folded map[string]field        // the fields by the folded form of those names
	elem   reflect.Type            // of a map, slice or array; nil if unknown
}

// field is a field of a struct. One that a tag names has that very name; the
// name of any other is Go's, of which JSON can keep no more than the letters.
type field struct {
	name   string
	tagged bool
}

var shapes sync.Map // of reflect.Type to *shape

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shapeOf returns the shape of t. Of a type that decodes itself it is empty.
func shapeOf(t reflect.Type) *shape {
	if t == nil {
		return new(shape)
	}
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := new(shape)
	base := t
	for base.Kind() == reflect.Pointer {
		base = base.Elem()
	}
	if p := reflect.PointerTo(base); !p.Implements(unmarshaler) && !p.Implements(textUnmarshaler) {
		switch base.Kind() {
		case reflect.Struct:
			s.addFields(base)
		case reflect.Map, reflect.Slice, reflect.Array:
			s.elem = base.Elem()
		}
	}
	shapes.Store(t, s)
	return s
}

// addFields notes the names that encoding/json may decode into. Where embedded
// structs hide one another it takes only some of them; to know one too many does
// no harm.
func (s *shape) addFields(t reflect.Type) {
	s.fields, s.folded = make(map[string]reflect.Type), make(map[string]field)
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		if tag == "-" || name == "" && f.Anonymous || !f.IsExported() {
			continue
		}
		tagged := name != ""
		if !tagged {
			name = f.Name
		}
		s.fields[name] = f.Type
		s.folded[strictjson.Fold(name)] = field{name, tagged}
	}
}
