//go:build !unix

package outage

import (
	"errors"
	"os"
)

// Pause returns an error: this system has no signal that pauses a process.
func Pause(*os.Process) error { return errors.ErrUnsupported }

// Resume returns an error, as [Pause] does.
func Resume(*os.Process) error { return errors.ErrUnsupported }
