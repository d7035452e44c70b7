#!/usr/bin/env bash
# Measures ten times, each benchmark once a round so that all of them meet the
# same disturbances, and prints what docs/benchmarks.md shows.
# usage: ./run.sh [benchmark regexp]
set -euo pipefail
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
go test -c -o "$out/test" .
for _ in $(seq 10); do
	"$out/test" -test.run '^$' -test.bench "${1:-Verify|Garbage}" -test.benchtime 200ms
done >"$out/results"
benchstat() { go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da "$@" "$out/results"; }
benchstat -filter '.name:Verify' -row /by -col /alg
benchstat -filter '.name:Garbage' -row /what
