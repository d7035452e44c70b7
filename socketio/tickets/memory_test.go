package tickets

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMemory: a used ticket is remembered until it is over. Memory that is full of
// tickets which are not over takes no others, and takes others again a minute later.
func TestMemory(t *testing.T) {
	start := time.Now()
	now := start
	m := &memory{now: func() time.Time { return now }, used: make(map[string]time.Time)}
	add := func(id string, until time.Time, want bool, failure string) {
		t.Helper()
		added, err := m.Add(t.Context(), id, until)
		if added != want || (err != nil) != (failure != "") || err != nil && !strings.Contains(err.Error(), failure) {
			t.Errorf("%s, %v later: got %v, %v", id, now.Sub(start), added, err)
		}
	}
	add("a", start.Add(maxSkew), true, "")
	add("b", start.Add(maxSkew+1), true, "")
	add("a", start.Add(maxSkew), false, "")
	for i := range maxUsed - 2 {
		add(fmt.Sprint(i), start.Add(time.Hour), true, "")
	}
	add("one too many", start.Add(time.Hour), false, "too many")
	now = start.Add(maxSkew - 1)
	add("a", start.Add(time.Hour), false, "")
	add("one too many", start.Add(time.Hour), false, "too many")
	now = start.Add(maxSkew) // "a" is over, and "b" is not
	add("b", start.Add(time.Hour), false, "")
	add("a", start.Add(time.Hour), true, "")
	add("one too many", start.Add(time.Hour), false, "too many")
}

// TestOpen: why a text is not a ticket.
func TestOpen(t *testing.T) {
	x := &Tickets{o: Options{Secrets: [][]byte{make([]byte, MinSecret)}}}
	for text, want := range map[string]string{
		strings.Repeat("A", maxTicket):   "these secrets",
		strings.Repeat("A", maxTicket+1): "too long",
		strings.Repeat("A", 22):          "cannot be read", // only the salt
		strings.Repeat("A", 24):          "these secrets",
		strings.Repeat("A", 40) + "!":    "cannot be read",
	} {
		if _, _, err := x.open(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d characters: got %v, want %s", len(text), err, want)
		}
	}
	sealed := x.seal(content{Token: "t"})
	if c, id, err := x.open(sealed); err != nil || c.Token != "t" || len(id) != 2*saltSize {
		t.Errorf("a ticket: got %+v, %q, %v", c, id, err)
	}
}
