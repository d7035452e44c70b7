// Package once finds options that a constructor was given twice: the second would
// silently replace the first.
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
