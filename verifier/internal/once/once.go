// Package once keeps account of the options that a constructor takes once: of two,
// the first would count no more, without a word.
package once

import "fmt"

// Options are the names of the options that were given.
type Options map[string]bool

// Take notes that the option was given, and fails the second time.
func (o *Options) Take(option string) error {
	if (*o)[option] {
		return fmt.Errorf("%s is given twice", option)
	}
	if *o == nil {
		*o = make(Options)
	}
	(*o)[option] = true
	return nil
}
