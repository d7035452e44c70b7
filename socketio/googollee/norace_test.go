//go:build !race

package googollee_test

const raceEnabled = false
