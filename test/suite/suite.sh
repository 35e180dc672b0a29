#!/usr/bin/env bash
# The whole suite in one pass with the race detector. Lists what was skipped; where CI=true, a skipped test fails.
set -uo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -race -count=1 -timeout 20m -v ./... >"$log" 2>&1
status=$?

if [ $status -ne 0 ]; then
  # Each failed test with what it printed; then every package by its last line.
  awk '/^=== (RUN|PAUSE|CONT|NAME)/ { next }
       /^ *--- FAIL/ { failing = 1 }
       /^ *--- (PASS|SKIP)/ { failing = 0 }
       /^(ok|FAIL|panic:|WARNING: DATA RACE)/ { failing = ($0 ~ /^(panic|WARNING)/) }
       failing' "$log" | head -n 600
  grep -E '^ +[a-z_]+_test\.go:[0-9]+:' "$log" | head -n 100
fi
grep -E '^(ok|FAIL)' "$log" | grep -v 'no test files'

skipped=$(grep -E '^ *--- SKIP' "$log" || true)
if [ -n "$skipped" ]; then
  echo "skipped tests (each says what turns it on):"
  grep -E -A2 '^ *--- SKIP' "$log" | grep -vE '^--$'
  if [ "${CI:-}" = true ]; then
    echo "error: the list of skipped tests must be empty here"
    exit 1
  fi
fi
passed=$(grep -cE '^ *--- PASS' "$log")
failed=$(grep -cE '^ *--- FAIL' "$log")
mkdir -p bin && echo "$passed passed, $failed failed" >bin/suite.count
echo "suite: $passed passed, $failed failed, $(printf '%s' "$skipped" | grep -c . || true) skipped"
exit $status
