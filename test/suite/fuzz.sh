#!/usr/bin/env bash
# Runs every fuzz target by count (FUZZTIME, default 3000x). A crasher becomes a corpus file in the package's testdata.
set -euo pipefail

count=${FUZZTIME:-3000x}
ran=0
for package in $(go list ./...); do
  dir=$(go list -f '{{.Dir}}' "$package")
  targets=$(grep -hoE '^func (Fuzz[A-Za-z0-9_]+)' "$dir"/*_test.go 2>/dev/null | awk '{print $2}' | sort -u || true)
  for target in $targets; do
    output=$(go test -run '^$' -fuzz "^$target\$" -fuzztime "$count" "$package" 2>&1) || {
      echo "$output"
      echo "error: $package $target"
      exit 1
    }
    ran=$((ran + 1))
    echo "fuzz: $package $target ok"
  done
done
if [ $ran -eq 0 ]; then
  echo "error: no fuzz target was found"
  exit 1
fi
echo "fuzz: $ran targets ok"
