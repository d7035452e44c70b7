//go:build !linux

package benchmarks

func cpuTime() int64 { return 0 }
