#!/usr/bin/env bash
# The worker that the benchmark compares with: Kafka Connect and the Debezium JDBC sink, on the services that are up.
# Its REST address and process id are in `target/services/peer.env` while it runs.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/bench-peer.sh VERB

  up               start the worker and leave it up
  down             stop it and forget its connectors
  run COMMAND...   start it, run COMMAND with the variables of its environment file, and stop it
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly environment=$root/target/services/peer.env

# shellcheck source=services/alongside.sh
source "$root/scripts/services/alongside.sh"

up() {
  mkdir -p "${environment%/*}"
  rm -f "$environment"
  "$root/scripts/services.sh" start connect >"$environment.new"
  mv "$environment.new" "$environment"
}

down() {
  "$root/scripts/services.sh" discard connect
}

enter() {
  local line
  while IFS= read -r line; do export "${line?}"; done <"$environment"
}

alongside "$@"
