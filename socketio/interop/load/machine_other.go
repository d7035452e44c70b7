//go:build !unix

package main

import "math"

// processorTime is not known here: the columns of processor time are 0.
func processorTime() int64 { return 0 }

// mostFiles is not known here.
func mostFiles() uint64 { return math.MaxUint64 }
