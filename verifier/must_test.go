package verifier_test

import (
	"errors"
	"testing"

	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

func TestMust(t *testing.T) {
	if got := verifier.Must("value", nil); got != "value" {
		t.Errorf("Must returned %q", got)
	}
	wrong := errors.New("wrong configuration")
	defer func() {
		if r := recover(); r != wrong {
			t.Errorf("Must panicked with %v, expected the error itself", r)
		}
	}()
	verifier.Must(0, wrong)
	t.Error("Must returned despite the error")
}
