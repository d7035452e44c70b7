package flood

import (
	"testing"
	"time"
)

func TestBurst(t *testing.T) {
	var b Burst
	now := time.Now()
	for i, step := range []struct {
		after time.Duration
		want  int
	}{{0, 2}, {time.Second - 1, 4}, {time.Second - 1, 6}, {time.Second, 2}, {0, 4}} {
		now = now.Add(step.after)
		if got := b.Add(2, now); got != step.want {
			t.Errorf("step %d: %d by now, expected %d", i, got, step.want)
		}
	}
}
