#!/usr/bin/env bash
# The README's five minutes with real Kafka and PostgreSQL, as they are written there: the blocks between its walk marks, in
# one shell that stops at the first command that fails. Then what the README says of the rows is checked.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly log=$root/target/walk.log
# Rows, different ids, the first and the last.
readonly PROMISED='100000|100000|1|100000'
# The header that tells why the malformed payment was not stored.
readonly REASON=__connect.errors.exception.message

main() {
  cd "$root"
  if [[ -e target/services.env ]]; then
    printf 'services are up, perhaps with what an earlier walk left there; stop them first: make services-stop\n' >&2
    exit 1
  fi
  trap 'end' EXIT
  mkdir -p target
  bash -euo pipefail -c "$(blocks)" 2>&1 | tee "$log"
  promised "$PROMISED"
  promised "$REASON"
  printf '\nthe walk ends as the README says\n'
}

# shellcheck disable=SC2016  # what is expanded is the walk's own
blocks() {
  # A worker that is left over would keep its port.
  printf 'trap '\''kill -KILL "${WORKER:-}" 2>/dev/null || true'\'' EXIT\n'
  sed -n '/<!-- walk: begin -->/,/<!-- walk: end -->/p' README.md | sed -n '/^```sh$/,/^```$/ { /^```/!p }'
}

promised() {
  grep -qF -- "$1" "$log" || {
    printf '\nthe walk did not show %s\n' "$1" >&2
    exit 1
  }
}

end() {
  scripts/services.sh down
}

main
