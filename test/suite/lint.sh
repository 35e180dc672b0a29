#!/usr/bin/env bash
# gofmt, vet and staticcheck over the whole tree.
set -euo pipefail

unformatted=$(git ls-files '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
  echo "error: not in gofmt's form:"
  echo "$unformatted"
  exit 1
fi
go vet ./...
go vet -C test/peer/goproxy ./... # modules of their own
go vet -C test/clients/azidentity ./...
go tool staticcheck ./...
echo "lint: ok"
