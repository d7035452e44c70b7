package metric

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestReasons(t *testing.T) {
	var r Reasons
	refusal := func(reason verifier.Reason) error { return &verifier.UnauthorizedError{Reason: reason} }
	for _, row := range []struct {
		cause error
		want  string
	}{
		{nil, ""},
		{(*verifier.UnauthorizedError)(nil), ""},
		{socketio.ErrDisconnected, "disconnected"},
		{refusal(verifier.ErrTokenExpired), "token_expired"},
		{refusal(""), "rejected"},
		{fmt.Errorf("within: %w", refusal(socketio.ErrTokenRevoked)), "token_revoked"},
		{errors.New("something"), "disconnected"},
	} {
		if got := r.Of(row.cause); got != row.want {
			t.Errorf("%v: %q, want %q", row.cause, got, row.want)
		}
	}
	labels := make(map[string]bool)
	for i := range 10_000 {
		labels[r.Of(refusal(verifier.Reason(fmt.Sprint("user ", i))))] = true
	}
	if len(labels) != maxReasons+1 || !labels[Other] {
		t.Errorf("10,000 reasons have %d labels, want %d and %q", len(labels), maxReasons, Other)
	}
	for _, reason := range known {
		if got := r.Of(refusal(reason)); got != string(reason) {
			t.Errorf("%s has the label %q when there are many others", reason, got)
		}
	}
	if got := r.Of(refusal("user 0")); got != "user 0" {
		t.Errorf("the first has the label %q", got)
	}
}

// TestKnownIsComplete: every reason that verifier and socketio give has a label
// that nothing crowds out.
func TestKnownIsComplete(t *testing.T) {
	found := make(map[string]bool)
	for _, pattern := range []string{"../../../verifier/*.go", "../../*.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			f, err := parser.ParseFile(token.NewFileSet(), p, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != 1 {
					return true
				}
				name := ""
				switch typ := spec.Type.(type) {
				case *ast.Ident:
					name = typ.Name
				case *ast.SelectorExpr:
					name = typ.Sel.Name
				}
				if literal, ok := spec.Values[0].(*ast.BasicLit); ok && name == "Reason" {
					word, _ := strconv.Unquote(literal.Value)
					found[word] = true
					if !slices.Contains(known, verifier.Reason(word)) {
						t.Errorf("%s (%s) is not among known", spec.Names[0], word)
					}
				}
				return true
			})
		}
	}
	if len(found) != len(known)-1 { // Disconnected is not a refusal
		t.Errorf("the sources have %d reasons, and known has %d", len(found), len(known)-1)
	}
}

func TestByAndOutcome(t *testing.T) {
	token, refusal := &verifier.Token{}, &verifier.UnauthorizedError{}
	handshake, event := &verifier.Handshake{}, &verifier.Handshake{InBand: true}
	for _, row := range []struct{ got, want string }{
		{By(handshake, nil), "handshake"}, {By(event, nil), "event"}, {By(event, token), "renewal"},
		{Outcome(token, nil), "accepted"}, {Outcome(nil, refusal), "refused"}, {Outcome(nil, nil), "guest"},
	} {
		if row.got != row.want {
			t.Errorf("got %s, want %s", row.got, row.want)
		}
	}
}
