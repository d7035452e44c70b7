package main

import (
	"fmt"
	"time"
)

// words says how long something is, as one would say it: in its two largest units.
func words(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	if d < time.Second {
		return "less than a second"
	}
	units := []struct {
		name string
		d    time.Duration
	}{{"year", 365 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}}
	for i, u := range units {
		if d < u.d {
			continue
		}
		text := count(int64(d/u.d), u.name)
		if i+1 < len(units) {
			if rest := int64(d % u.d / units[i+1].d); rest > 0 {
				text += " " + count(rest, units[i+1].name)
			}
		}
		return text
	}
	return ""
}

func count(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// ago says when a time was or will be.
func ago(t, now time.Time) string {
	switch d := now.Sub(t).Round(time.Second); {
	case d == 0:
		return "now"
	case d > 0:
		return words(d) + " ago"
	default:
		return "in " + words(d)
	}
}
