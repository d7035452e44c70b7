package verifier

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/verifier/internal/strictjson"
)

type profile struct {
	Admin  bool     `json:"admin"`
	Groups []string `json:"groups,omitempty"`
	Org    struct {
		ID string `json:"id"`
	} `json:"org"`
	Roles map[string]role `json:"roles"`
	List  []*role         `json:"list"`
	Rest  any             `json:"rest"`
	When  time.Time       `json:"when"`
	Plain role
	Skip  string `json:"-"`
	embedded
}

type embedded struct {
	Inner string `json:"inner"`
}

type role struct {
	Level int `json:"level"`
}

var errNoGroup = errors.New("no group")

// Validate is on the pointer.
func (p *profile) Validate(ctx context.Context) error {
	if len(p.Groups) == 0 {
		return errNoGroup
	}
	return ctx.Err()
}

// tagged has Validate on the value.
type tagged struct {
	Tag string `json:"tag"`
}

func (t tagged) Validate(context.Context) error {
	if t.Tag != "x" {
		return &UnauthorizedError{Code: "tag", Message: "tag", Reason: "tag"}
	}
	return nil
}

func TestClaimsAs(t *testing.T) {
	v := newVerifier(t, keyFor(t, HS256))
	decode := func(claims string) (profile, error) {
		token, err := v.Verify(context.Background(), mint(HS256, claims))
		if err != nil {
			t.Fatal(err)
		}
		return ClaimsAs[profile](context.Background(), token)
	}

	got, err := decode(`{"admin":true,"groups":["g"],"org":{"id":"o"},"roles":{"A":{"level":1},"b":{"level":2}},
		"list":[{"level":3}, null ,{"level":4}],"rest":{"X":[{"y":1}]},"when":"2026-01-01T00:00:00Z","plain":{"level":5},"inner":"i","more":{"Admin":1}}`)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Admin || got.Org.ID != "o" || got.Roles["b"].Level != 2 || got.List[2].Level != 4 || got.Plain.Level != 5 || got.Inner != "i" || got.When.IsZero() {
		t.Errorf("got %+v", got)
	}

	for _, row := range []struct{ name, claims, cause string }{
		{"letter case", `{"groups":["g"],"ADMIN":true}`, `"ADMIN" differs from the field "admin"`},
		{"letter case, nested in a field without a tag", `{"groups":["g"],"plain":{"Level":1}}`, `"Level" differs from the field "level"`},
		{"letter case beyond ASCII", `{"groups":["g"],"rest":1,"li\u017ft":[]}`, `differs from the field "list"`},
		{"letter case, embedded", `{"groups":["g"],"INNER":"x"}`, `"INNER" differs from the field "inner"`},
		{"letter case, nested", `{"groups":["g"],"org":{"ID":"x"}}`, `"ID" differs from the field "id"`},
		{"letter case, nested in a map", `{"groups":["g"],"roles":{"a":{"Level":9}}}`, `"Level" differs from the field "level"`},
		{"letter case, nested in a list", `{"groups":["g"],"list":[{"level":1},{"LEVEL":9}]}`, `"LEVEL" differs from the field "level"`},
		{"twice, nested", `{"groups":["g"],"org":{"id":"a","id":"b"}}`, strictjson.ErrDuplicate.Error()},
		{"twice, nested in what no field names", `{"groups":["g"],"other":[{"x":[{"a":1,"A":2}]}]}`, strictjson.ErrDuplicate.Error()},
		{"twice, nested in an any", `{"groups":["g"],"rest":{"a":1,"a":2}}`, strictjson.ErrDuplicate.Error()},
		{"another type", `{"groups":["g"],"admin":"yes"}`, "cannot unmarshal string"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := decode(row.claims)
			wantRefusal(t, err, ErrClaimInvalid, "invalid claims")
			if !strings.Contains(err.Error(), row.cause) {
				t.Errorf("got %v, want %s", err, row.cause)
			}
			if !reflect.DeepEqual(got, profile{}) {
				t.Errorf("a refused token left %+v", got)
			}
		})
	}

	if _, err := decode(`{}`); !errors.Is(err, errNoGroup) {
		t.Errorf("Validate: got %v", err)
	}
}

func TestCustomClaims(t *testing.T) {
	verify := func(o Option, claims string) error {
		_, err := newVerifier(t, keyFor(t, HS256), o).Verify(context.Background(), mint(HS256, claims))
		return err
	}
	wantRefusal(t, verify(CustomClaims[tagged](), `{"tag":"x"}`), "", "")
	wantRefusal(t, verify(CustomClaims[*tagged](), `{"tag":"x"}`), "", "")
	wantRefusal(t, verify(CustomClaims[map[string]any](), `{"tag":{"a":1}}`), "", "")
	wantRefusal(t, verify(CustomClaims[tagged](), `{"tag":"y"}`), "tag", "tag")
	wantRefusal(t, verify(CustomClaims[tagged](), `{"Tag":"x"}`), ErrClaimInvalid, "invalid claims")
	wantRefusal(t, verify(CustomClaims[profile](), `{}`), ErrRejected, "rejected by the server")
	wantRefusal(t, verify(CustomClaims[profile](), `{"groups":["g"]}`), "", "")
}

// FuzzClaims: whatever text is decoded without an error has no member that a
// strict reader would have read otherwise.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `null`, `"x"`, ``, `[`, `{"a":[1,{"level":1}`, `{"admin":true,"ADMIN":false}`, ` {"org" : {"id":"x"} } `,
		`{"list":[{"level":1},{"Level":2}]}`, `{"roles":{"x":{"level":1}}}`, `{"rest":[[],[[]],{"a":{"A":1}}]}`, `{"\u0061dmin":true}`,
		`{"list":[ ]}`, `{"when":{}}`, `{"list":{"level":1}}`, `{"org":[{"ID":1}]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got profile
		if decodeClaims(text, &got) != nil {
			return
		}
		// A map is decoded by exact name: what it holds must be all that the
		// struct was filled from.
		var exact map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &exact); err != nil {
			t.Fatalf("%q fits the struct and not a map: %v", text, err)
		}
		if _, ok := exact["admin"]; got.Admin && !ok {
			t.Fatalf("%q filled the field admin", text)
		}
		if _, ok := exact["org"]; got.Org.ID != "" && !ok {
			t.Fatalf("%q filled the field org", text)
		}
		var org map[string]json.RawMessage
		if json.Unmarshal(exact["org"], &org) == nil && got.Org.ID != "" && org["id"] == nil {
			t.Fatalf("%q filled the field org.id", text)
		}
	})
}

// TestFaultsHEmbedded: the fields of an embedded struct are matched by the names
// that encoding/json gives them, whether a tag names the struct or not.
func TestFaultsHEmbedded(t *testing.T) {
	type Inner struct {
		Role string `json:"role"`
	}
	type promoted struct{ Inner }
	type named struct {
		Inner `json:"inner"`
	}
	type ignored struct {
		Inner `json:"-"`
	}
	type pointed struct {
		*Inner `json:"inner"`
	}
	for name, row := range map[string]struct {
		into   any
		claims string
		good   bool
		role   func(any) string
	}{
		"promoted":                        {new(promoted), `{"role":"x"}`, true, func(v any) string { return v.(*promoted).Role }},
		"promoted, in another case":       {new(promoted), `{"ROLE":"x"}`, false, nil},
		"named":                           {new(named), `{"inner":{"role":"x"}}`, true, func(v any) string { return v.(*named).Role }},
		"named, the name in another case": {new(named), `{"INNER":{"role":"x"}}`, false, nil},
		"named, within in another case":   {new(named), `{"inner":{"ROLE":"x"}}`, false, nil},
		"named, twice within":             {new(named), `{"inner":{"role":"x","role":"y"}}`, false, nil},
		"pointed to, in another case":     {new(pointed), `{"Inner":{"role":"x"}}`, false, nil},
		"pointed to":                      {new(pointed), `{"inner":{"role":"x"}}`, true, func(v any) string { return v.(*pointed).Role }},
		"ignored, by its tag":             {new(ignored), `{"-":{"ROLE":"x"}}`, true, func(v any) string { return "x" + v.(*ignored).Role }},
		"ignored":                         {new(ignored), `{"inner":{"role":"x"}}`, true, func(v any) string { return "x" + v.(*ignored).Role }},
	} {
		err := verified(t, row.claims).Claims(row.into)
		if (err == nil) != row.good {
			t.Errorf("%s: got %v", name, err)
		} else if row.good && row.role(row.into) != "x" {
			t.Errorf("%s: got %+v", name, row.into)
		}
	}
}
