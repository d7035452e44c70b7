package socketio_test

import (
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
)

func TestNewRefusesNonsense(t *testing.T) {
	good := socketio.AuthenticatorFunc(authenticate)
	tests := []struct {
		name   string
		auth   socketio.Authenticator
		option socketio.Option
		want   string
	}{
		{"no authenticator", nil, socketio.ByEvent(), "socketio: New: the authenticator is nil"},
		{"nil option", good, nil, "socketio: New: an option is nil"},
		{"timeout", good, socketio.Timeout(0), "socketio: Timeout is 0s: expected a positive duration"},
		{"attempts", good, socketio.MaxAttempts(-1), "socketio: MaxAttempts is -1: expected a positive number"},
		{"after", good, socketio.DisconnectAfter(0), "socketio: DisconnectAfter is 0s: expected a positive duration (DisconnectNow disconnects at once)"},
		{"user", good, socketio.User(nil), "socketio: User: the function is nil"},
		{"success", good, socketio.OnSuccess(nil), "socketio: OnSuccess: the function is nil"},
		{"failure", good, socketio.OnFailure(nil), "socketio: OnFailure: the function is nil"},
		{"logger", good, socketio.WithLogger(nil), "socketio: WithLogger: the logger is nil"},
		{"clock", good, socketio.WithClock(nil), "socketio: WithClock: the clock is nil"},
		{"renewed", good, socketio.OnRenewed(nil), "socketio: OnRenewed: the function is nil"},
		{"grace", good, socketio.ExpiryGrace(-1), "socketio: ExpiryGrace is -1ns: expected zero or more"},
		{"age", good, socketio.MaxSessionAge(0), "socketio: MaxSessionAge is 0s: expected a positive duration"},
		{"notice by another event", good, socketio.ExpiryNotice("unauthorized", time.Minute), "socketio: ExpiryNotice: the event \"unauthorized\" has another meaning"},
		{"notice too late", good, socketio.ExpiryNotice("soon", 0), "socketio: ExpiryNotice is 0s before the end: expected a positive duration"},
		{"identity", good, socketio.SameIdentity(nil), "socketio: SameIdentity: the function is nil"},
		{"keys", good, socketio.EndOnWithdrawnKey(nil, time.Minute), "socketio: EndOnWithdrawnKey: the key provider is nil"},
		{"registry", good, socketio.WithRegistry(nil), "socketio: WithRegistry: the registry is nil"},
		{"limit", good, socketio.SessionLimit(0, socketio.EvictOldest), "socketio: SessionLimit is 0: expected a positive number"},
		{"limit's policy", good, socketio.SessionLimit(1, 7), "socketio: SessionLimit: 7 is not a policy: expected RejectNewest or EvictOldest"},
		{"pending", good, socketio.MaxPending(0), "socketio: MaxPending is 0: expected a positive number"},
		{"failures", good, socketio.MaxFailures(-1, 0), "socketio: MaxFailures is -1 and 0: expected zero or more"},
		{"address", good, socketio.ClientAddress(nil), "socketio: ClientAddress: the function is nil"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := socketio.New(test.auth, test.option); err == nil || err.Error() != test.want {
				t.Errorf("New: %v, want %q", err, test.want)
			}
		})
	}
}
