// Package leaktest looks for goroutines that tests with Redis have left behind.
package leaktest

import (
	"time"

	"go.uber.org/goleak"
)

// Find returns an error that names the goroutines that are left. A Redis client that could
// not connect tries once a second, and only then sees that it was closed: Find waits for it.
func Find() (err error) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}
