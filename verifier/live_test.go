package verifier

import (
	"context"
	"testing"
	"time"
)

// TestValidUntil: a token is good for as long as the verifier that returned it
// would accept it.
func TestValidUntil(t *testing.T) {
	exp := now.Add(time.Minute)
	tests := []struct {
		name    string
		options []Option
		payload string
		want    time.Time
	}{
		{"exp", nil, `{"exp":1700000060}`, exp},
		{"exp and tolerance", []Option{ClockTolerance(time.Second)}, `{"exp":1700000060}`, exp.Add(time.Second)},
		{"exp ignored", []Option{IgnoreExpiration()}, `{"exp":1}`, time.Time{}},
		{"no exp", nil, `{}`, time.Time{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			token, err := newVerifier(t, keyFor(t, HS256), test.options...).Verify(context.Background(), mint(HS256, test.payload))
			if err != nil {
				t.Fatal(err)
			}
			if got := token.ValidUntil(); !got.Equal(test.want) {
				t.Errorf("valid until %v, want %v", got, test.want)
			}
		})
	}
	if got := (&Token{ExpiresAt: exp}).ValidUntil(); !got.Equal(exp) {
		t.Errorf("a token that no verifier made is valid until %v, want its exp, %v", got, exp)
	}
}

// TestUnverified: a provider can be asked again about a token.
func TestUnverified(t *testing.T) {
	token, err := newVerifier(t, keyFor(t, HS256)).Verify(context.Background(), mint(HS256, `{"iss":"issuer","sid":"session-1","jti":7}`))
	if err != nil {
		t.Fatal(err)
	}
	if token.SessionID != "session-1" || token.ID != "7" {
		t.Errorf("sid %q, jti %q", token.SessionID, token.ID)
	}
	u := token.Unverified(nil)
	if u.Issuer() != "issuer" || u.Header.Algorithm != HS256 || u.Handshake == nil {
		t.Errorf("the provider is shown %q, %v, %v", u.Issuer(), u.Header, u.Handshake)
	}
	if h := new(Handshake); token.Unverified(h).Handshake != h {
		t.Error("the handshake is another")
	}
}
