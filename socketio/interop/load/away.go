package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// away has Redis fail in every way, and the network to it and to the clients, while many
// clients 4.8.4 lose their connections and come back by themselves. Somebody is revoked
// in the middle of each failure. It fails if a client is lost for good, if the one that
// was revoked is still there, or if another is told to stop.
func away(args []string, out io.Writer) error {
	f := flags("away")
	n := f.Int("n", 1000, "clients, half of them at each of two servers")
	each := f.Duration("each", 10*time.Second, "how long a failure lasts")
	shake := f.Int("shake", 10, "of a hundred clients, how many lose their connection each second meanwhile")
	bound := f.Duration("bound", 30*time.Second, "within which everybody must be back after the end")
	only := list(f, "faults", "", "names of the failures, all by default")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, name := range only() {
		if !slices.ContainsFunc(absences(), func(a absence) bool { return a.name == name }) {
			return fmt.Errorf("away: no failure is called %q", name)
		}
	}
	table := tabwriter.NewWriter(out, 10, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "failure\tlasted\tthere at least\tback after its end\trevoked out after it\ttold meanwhile")
	for _, kind := range []string{"one", "sentinel", "cluster"} {
		var these []absence
		for _, a := range absences() {
			if a.redis == kind && wanted(only(), a.name) {
				these = append(these, a)
			}
		}
		if err := awayWith(table, kind, these, *n, *shake, *each, *bound); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// awayWith lives through failures with the same servers and clients.
func awayWith(table *tabwriter.Writer, kind string, these []absence, n, shake int, each, bound time.Duration) error {
	if len(these) == 0 {
		return nil
	}
	s, err := newStage(kind, n)
	defer s.close()
	if err != nil {
		return err
	}
	if _, _, err := s.back(4 * patience); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	for _, a := range these {
		if err := s.without(table, a, shake, each, bound); err != nil {
			return fmt.Errorf("%s: %w\n%s", a.name, err, s.logs())
		}
		_ = table.Flush() // what there is so far
	}
	return nil
}

// without lives through a failure.
func (s *stage) without(out io.Writer, a absence, shake int, each, bound time.Duration) error {
	began := time.Now()
	if err := a.begin(s); err != nil {
		return err
	}
	least, told := s.n, make(map[string]int)
	revoked := false
	for time.Since(began) < each {
		if a.every != nil {
			if err := a.every(s); err != nil {
				return err
			}
		}
		if _, err := s.clients.ask(fmt.Sprint("shake ", shake)); err != nil {
			return err
		}
		if !revoked && time.Since(began) > each/2 {
			revoked = true
			s.revoked++
			r, err := s.nodes[0].ask(fmt.Sprintf("revoke user %d 1h", s.revoked-1))
			if err != nil {
				return err
			}
			if r.Trouble != "" {
				told["(not stored at once)"]++
			}
		}
		time.Sleep(time.Second)
		st, err := s.clients.ask("state")
		if err != nil {
			return err
		}
		least = min(least, st.Connected)
		st.addTo(told)
	}
	lasted := time.Since(began)
	if err := a.end(s); err != nil {
		return err
	}
	ended := time.Now()
	st, out2, err := s.back(bound)
	if err != nil {
		return err
	}
	st.addTo(told)
	fmt.Fprintf(out, "%s\t%v\t%d\t%v\t%v\t%s\n", a.name, lasted.Round(100*time.Millisecond), least,
		time.Since(ended).Round(100*time.Millisecond), max(0, out2.Sub(ended)).Round(100*time.Millisecond), listed(told))
	return nil
}

// back waits until all are connected but those that were revoked, who have stopped. It
// returns when it first saw that the last of these was out.
func (s *stage) back(most time.Duration) (st clientState, revokedOut time.Time, err error) {
	told := make(map[string]int)
	for end := time.Now().Add(most); ; time.Sleep(100 * time.Millisecond) {
		if st, err = s.clients.ask("state"); err != nil {
			return st, revokedOut, err
		}
		st.addTo(told)
		for i, reason := range st.Stopped {
			if reason != "token_revoked" || i >= s.revoked {
				return st, revokedOut, fmt.Errorf("client %d stopped: %s", i, reason)
			}
		}
		if revokedOut.IsZero() && len(st.Stopped) == s.revoked {
			revokedOut = time.Now()
		}
		if st.Connected == s.n-s.revoked && len(st.Stopped) == s.revoked {
			st.Told = told
			return st, revokedOut, nil
		}
		if time.Now().After(end) {
			return st, revokedOut, fmt.Errorf("%d of %d are connected after %v, %d were revoked and %d of these are out; told %s",
				st.Connected, s.n, most, s.revoked, len(st.Stopped), listed(told))
		}
	}
}

// listed shows how often clients were told what.
func listed(told map[string]int) string {
	var all []string
	for reason, n := range told {
		all = append(all, fmt.Sprint(reason, " ", n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
