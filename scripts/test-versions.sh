#!/usr/bin/env bash
# The PostgreSQL sink's tests against every version that it supports; `make test` runs them against one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly versions=(12 13 14 15 16 17 18)

# shellcheck source=toolchain.sh
source "$root/scripts/toolchain.sh"

main() {
  local version failed=()
  cd "$root"
  use_toolchain
  trap discard_all EXIT
  for version in "${versions[@]}"; do
    printf '\n==> PostgreSQL %s\n' "$version"
    test_version "$version" || failed+=("$version")
  done
  if ((${#failed[@]} > 0)); then
    printf '\nfailed against PostgreSQL %s\n' "${failed[*]}" >&2
    exit 1
  fi
  printf '\nevery test passed against PostgreSQL %s\n' "${versions[*]}"
}

# test_version VERSION: against a server of its own, which is gone afterwards.
test_version() {
  local name=postgres-$1@versions url code=0
  url=$(scripts/services.sh start "$name" | sed -n 's/^[A-Z0-9_]*=\(postgresql:.*\)/\1/p') || return 1
  ROWDOCK_TEST_POSTGRES=$url \
    cargo test -p rowdock-connectors --features failpoints --test main postgres:: || code=$?
  scripts/services.sh discard "$name"
  return "$code"
}

discard_all() {
  local version
  for version in "${versions[@]}"; do scripts/services.sh discard "postgres-$version@versions"; done
}

main "$@"
