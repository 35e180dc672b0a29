#!/usr/bin/env bash
# The whole suite in one pass with the race detector. Lists what was skipped; where CI=true, a skipped test fails.
set -uo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test -race -count=1 -timeout 20m -v ./... >"$log" 2>&1
status=$?

if [ $status -ne 0 ]; then
  # The failing packages whole, the passing ones by their last line.
  grep -vE '^(=== (RUN|PAUSE|CONT|NAME)|--- PASS|    --- PASS|PASS$)' "$log" | grep -vE '^ +--- PASS' | tail -n 400
else
  grep -E '^(ok|FAIL|\?)' "$log" | grep -v 'no test files'
fi

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
