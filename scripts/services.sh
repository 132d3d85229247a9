#!/usr/bin/env bash
# Real Kafka and databases for tests and benchmarks, as processes or, where a container engine answers, as containers.
#
# The services of a checkout live in `target/services`, and `target/services.env` tells tests where they are. Whoever
# needs them registers as a user; when the last user goes, they are stopped and their data is deleted.
# `tests/services/README.md` explains the rest.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/services.sh VERB

  up [--for PID]      bring all services up, unless they are, and leave them up: for good, or as long as process PID
                      lives and until its `down --for PID`
  down [--for PID]    stop them and delete their data; with --for, only if no one else uses them
  run COMMAND...      bring them up, run COMMAND with the environment file's variables, and stop what was started
  status              what is up; fails unless all of them are
  mode                how `up` would start them, or has: as processes or as containers
  topic NAME COUNT    make a topic with so many partitions on the shared Kafka

One service (kafka, postgres-15, postgres-18, mysql, mariadb, registry, cassandra, and those that `up` does not start: connect, pgbouncer, cassandra-2,
broker-1 to broker-3, postgres-12, -13, -14, -16, -17), or a test's own server of that kind (such as postgres-15@fencing):
  start NAME          create it if need be, wait until it answers, and print its settings
  stop NAME           a clean stop        kill NAME       a crash; `start` brings it back, port and data unchanged
  discard NAME        stop it and delete its data
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly sources=$root/tests/services
readonly rooms=$root/target/services
readonly environment=$root/target/services.env
readonly chosen=$rooms/mode
readonly services=(kafka postgres-15 postgres-18 mysql mariadb registry cassandra)
readonly on_demand=(connect pgbouncer broker-1 broker-2 broker-3 postgres-12 postgres-13 postgres-14 postgres-16 postgres-17 cassandra-2)

# shellcheck source=services/process.sh
source "$root/scripts/services/process.sh"
# shellcheck source=services/time.sh
source "$root/scripts/services/time.sh"
# shellcheck source=services/download.sh
source "$root/scripts/services/download.sh"
# shellcheck source=services/lifecycle.sh
source "$root/scripts/services/lifecycle.sh"
# shellcheck source=services/container.sh
source "$root/scripts/services/container.sh"
# shellcheck source=services/kafka.sh
source "$root/scripts/services/kafka.sh"
# shellcheck source=services/broker.sh
source "$root/scripts/services/broker.sh"
# shellcheck source=services/postgres.sh
source "$root/scripts/services/postgres.sh"
# shellcheck source=services/packages.sh
source "$root/scripts/services/packages.sh"
# shellcheck source=services/mysql.sh
source "$root/scripts/services/mysql.sh"
# shellcheck source=services/mariadb.sh
source "$root/scripts/services/mariadb.sh"
# shellcheck source=services/pgbouncer.sh
source "$root/scripts/services/pgbouncer.sh"
# shellcheck source=services/registry.sh
source "$root/scripts/services/registry.sh"
# shellcheck source=services/cassandra.sh
source "$root/scripts/services/cassandra.sh"
# shellcheck source=services/connect.sh
source "$root/scripts/services/connect.sh"
# shellcheck source=services/users.sh
source "$root/scripts/services/users.sh"

main() {
  local verb=${1:-} user=
  shift || true
  case $verb in
    up | down)
      case ${1:-} in
        '') ;;
        --for)
          user=${2:-}
          [[ $user =~ ^[0-9]+$ ]] || misused
          ;;
        *) misused ;;
      esac
      "$verb" "$user"
      ;;
    run)
      (($# > 0)) || misused
      run "$@"
      ;;
    status) status ;;
    mode)
      choose_mode
      printf '%s\n' "$mode"
      ;;
    topic)
      [[ -n ${1:-} && ${2:-} =~ ^[0-9]+$ ]] || misused
      service_is_ready kafka || fail 'kafka is not up'
      kafka_topic "$rooms/kafka" "$1" "$2"
      ;;
    start | stop | kill | discard)
      service_name "${1:-}"
      "one_$verb" "$1"
      ;;
    help | --help | -h) usage ;;
    *) misused ;;
  esac
}

misused() {
  usage >&2
  exit 2
}

# up USER: USER is a process id, or empty for "until told otherwise".
up() {
  local began=$EPOCHREALTIME
  if [[ -n $1 ]] && ! process_start "$1" >/dev/null; then fail "there is no process $1 to bring services up for"; fi
  lock_users
  if all_ready; then
    add_user "$1"
    write_environment
    printf 'services are already up; environment: %s\n' "$environment"
    return
  fi
  discard_all
  rm -rf "${rooms:?}"/*/ # the logs of the last time
  trap 'stop_starting 130' INT
  trap 'stop_starting 143' TERM HUP
  choose_mode
  start_all || start_processes_instead || stop_starting 1
  add_user "$1"
  write_environment
  trap - INT TERM HUP
  printf 'services are up after %s s; environment: %s\n' "$(seconds_since "$began")" "$environment"
}

starting=()

start_all() {
  local name failed=
  printf '%s\n' "$mode" >"$chosen"
  for name in "${services[@]}"; do
    # Each in a process group of its own, so that a download can be ended, and its servers with it, from here.
    set -m
    start_and_report "$name" &
    starting+=("$!")
    set +m
  done
  for job in "${starting[@]}"; do wait "$job" || failed=yes; done
  starting=()
  [[ -z $failed ]]
}

# Where nobody has asked for containers, an engine that cannot run them (its network, its rights, a machine that is not
# this one) is no reason to have no services.
start_processes_instead() {
  [[ $mode == containers && -z ${ROWDOCK_SERVICES:-} ]] || return 1
  printf 'services: they do not run as containers here; starting processes instead\n' >&2
  discard_all
  mode=processes
  ROWDOCK_SERVICES=processes "$root/scripts/prerequisites.sh" services || return 1
  start_all
}

start_and_report() {
  local began=$EPOCHREALTIME
  trap 'interrupted=yes' INT TERM HUP
  start_service "$1"
  printf '%-12s 127.0.0.1:%s  ready after %s s\n' "$1" "$(<"$rooms/$1/port")" "$(seconds_since "$began")"
}

# stop_starting EXIT_CODE: when a start fails or is interrupted, nothing of it stays.
stop_starting() {
  local job
  trap '' INT TERM HUP
  for job in "${starting[@]}"; do kill -s TERM -- "-$job" 2>/dev/null || true; done
  for job in "${starting[@]}"; do wait "$job" 2>/dev/null || true; done
  discard_all
  printf 'services: stopped what had been started\n' >&2
  exit "$1"
}

# choose_mode: sets `mode` for services created from now on. As long as services are up, others are like them.
choose_mode() {
  local wanted
  mode=${ROWDOCK_SERVICES:-}
  if [[ -z $mode && -e $chosen ]]; then mode=$(<"$chosen"); fi
  case $mode in
    processes) ;;
    containers) container_engine_answers || fail 'they are to be containers, and no container engine answers' ;;
    '')
      mode=processes
      if container_engine_answers; then
        mapfile -t wanted < <(images)
        if container_images "${wanted[@]}"; then
          mode=containers
        else
          printf 'services: the container engine has no way to the images; starting processes instead\n' >&2
        fi
      fi
      ;;
    *) fail "ROWDOCK_SERVICES is '$mode'; it may be 'processes' or 'containers'" ;;
  esac
}

# images: prints the image of each service, one a line.
images() {
  local name
  for name in "${services[@]}"; do "$(kind_of "$name")_image" "$name"; done
}

# down USER: for everybody when USER is empty.
down() {
  lock_users
  if [[ -n $1 ]]; then
    remove_user "$1"
    if in_use; then return; fi
  fi
  discard_all
  printf 'services are stopped\n'
}

# Stops and deletes every service of this checkout, the tests' own servers too.
discard_all() {
  local room
  rm -f "$environment" "$chosen"
  forget_users
  for room in "$rooms"/*/; do
    [[ -d $room ]] || continue
    (discard_service "$(basename "$room")") &
  done
  wait
}

run() {
  local code=0
  trap 'run_ends 130' INT
  trap 'run_ends 143' TERM HUP
  supervise "$0" up --for $$ || run_ends $?
  while IFS= read -r line; do export "${line?}"; done <"$environment"
  supervise "$@" || code=$?
  run_ends "$code"
}

run_ends() {
  trap '' INT TERM HUP
  end_supervised
  "$0" down --for $$
  exit "$1"
}

status() {
  local room name
  for room in "$rooms"/*/; do
    [[ -d $room ]] || continue
    name=$(basename "$room")
    if service_is_ready "$name"; then
      printf '%-24s up, 127.0.0.1:%s\n' "$name" "$(<"$room/port")"
    elif [[ -e $room/created ]]; then
      printf '%-24s down\n' "$name"
    fi
  done
  if all_ready; then
    printf 'environment: %s\n' "$environment"
  else
    printf 'not all services are up\n'
    return 1
  fi
}

all_ready() {
  local name
  [[ -e $environment ]] || return 1
  for name in "${services[@]}"; do
    service_is_ready "$name" || return 1
  done
}

# Several services may be started at a time: each writes a file of its own, and the last one counts.
write_environment() {
  local name new=$environment.$BASHPID
  for name in "${services[@]}"; do service_settings "$name"; done >"$new"
  mv "$new" "$environment"
}

service_name() {
  local name known
  for known in "${services[@]}" "${on_demand[@]}"; do
    [[ ${1%%@*} == "$known" && $1 =~ ^[a-z0-9-]+(@[a-z0-9_-]+)?$ ]] && return
  done
  fail "no service is called '$1'; there are ${services[*]} ${on_demand[*]}, each also as NAME@OWN with lower-case letters, digits, - and _"
}

one_start() {
  choose_mode
  trap 'interrupted=yes' INT TERM HUP
  start_service "$1"
  service_settings "$1"
  refresh_environment "$1"
}

one_stop() { stop_service "$1"; }

one_kill() { kill_service "$1"; }

one_discard() { discard_service "$1"; }

# A shared server that was started again has another process id. Those that are started on demand are not in the file.
refresh_environment() {
  [[ " ${services[*]} " == *" $1 "* && -e $environment ]] || return 0
  if all_ready; then write_environment; fi
}

main "$@"
