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

# shellcheck source=services/process.sh
source "$root/scripts/services/process.sh"

main() {
  case ${1:-} in
    up)
      up
      printf 'the peer is up; environment: %s\n' "$environment"
      ;;
    down) down ;;
    run)
      shift
      (($# > 0)) || misused
      run "$@"
      ;;
    *) misused ;;
  esac
}

misused() {
  usage >&2
  exit 2
}

up() {
  mkdir -p "${environment%/*}"
  rm -f "$environment"
  "$root/scripts/services.sh" start connect >"$environment.new"
  mv "$environment.new" "$environment"
}

down() {
  "$root/scripts/services.sh" discard connect
}

run() {
  local code=0
  trap 'run_ends 130' INT
  trap 'run_ends 143' TERM HUP
  supervise "$0" up || run_ends $?
  while IFS= read -r line; do export "${line?}"; done <"$environment"
  supervise "$@" || code=$?
  run_ends "$code"
}

run_ends() {
  trap '' INT TERM HUP
  end_supervised
  down
  exit "$1"
}

main "$@"
