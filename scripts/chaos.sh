#!/usr/bin/env bash
# Three brokers in place of the one that the services have, for tests that kill brokers: everything else is the services'
# own. `target/services/chaos.env` tells tests where they are while they run.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/chaos.sh VERB

  up               start the brokers and leave them up
  down             stop them and delete their data
  run COMMAND...   start them, run COMMAND with ROWDOCK_TEST_ENV naming their environment file, and stop them
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly environment=$root/target/services/chaos.env
readonly brokers=(broker-1 broker-2 broker-3)

# shellcheck source=services/alongside.sh
source "$root/scripts/services/alongside.sh"

# All at once: a controller waits for the others.
up() {
  local name jobs=() failed=
  down
  for name in "${brokers[@]}"; do
    "$root/scripts/services.sh" start "$name" >"$environment.$name" &
    jobs+=("$!")
  done
  for name in "${jobs[@]}"; do wait "$name" || failed=yes; done
  if [[ -n $failed ]]; then
    down
    return 1
  fi
  {
    grep -v '^ROWDOCK_TEST_KAFKA\(_PID\)\?=' "$root/target/services.env"
    printf 'ROWDOCK_TEST_KAFKA=%s\n' "$(addresses)"
    cat "$environment".broker-*
  } >"$environment.new"
  mv "$environment.new" "$environment"
  rm -f "$environment".broker-*
}

# addresses: those of all brokers, as a client's bootstrap servers.
addresses() {
  sed -n 's/^ROWDOCK_TEST_BROKER_[0-9]=//p' "$environment".broker-* | paste -s -d ,
}

down() {
  local name
  mkdir -p "${environment%/*}"
  rm -f "$environment"
  for name in "${brokers[@]}"; do "$root/scripts/services.sh" discard "$name" & done
  wait
}

enter() {
  export ROWDOCK_TEST_ENV=$environment
}

alongside "$@"
