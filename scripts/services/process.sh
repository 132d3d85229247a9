# shellcheck shell=bash
# Processes, ports and waiting: what every service needs, whatever it is.
#
# A process is remembered as "PID START", where START is the kernel's start time of that process: a number that was
# reused for another program after a reboot or a crash never matches, so nothing foreign is ever signalled.

# Below Linux's default range for outgoing connections (32768 and up): a server that was killed finds its port free
# when it starts again, since no client socket can have been given it meanwhile.
readonly FIRST_PORT=20000
readonly PORT_COUNT=10000

# Tries before giving up on a free port: with fewer than a few thousand listeners, one is nearly always enough.
readonly PORT_ATTEMPTS=200

readonly POLL_SECONDS=0.1

# A process that ignores SIGTERM this long is killed.
readonly STOP_DEADLINE_SECONDS=20

# Set by the TERM trap of a service's start; every wait ends on it.
interrupted=

fail() {
  printf 'services: %s\n' "$*" >&2
  exit 1
}

# free_port: prints a loopback port nobody listens on. Two callers may be given the same one at the same moment;
# the later server then fails to bind, and its start is tried again with another.
free_port() {
  local attempt port
  for ((attempt = 0; attempt < PORT_ATTEMPTS; attempt++)); do
    port=$((FIRST_PORT + (RANDOM * 32768 + RANDOM) % PORT_COUNT))
    if ! port_answers "$port"; then
      printf '%s\n' "$port"
      return
    fi
  done
  fail "no free port on 127.0.0.1 between $FIRST_PORT and $((FIRST_PORT + PORT_COUNT - 1))"
}

port_answers() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# process_start PID: prints its start time, or fails when there is no such process or only its remains (a zombie).
process_start() {
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The second field is the program's name in brackets and may hold spaces; count from the last bracket.
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} != Z ]] || return 1
  printf '%s\n' "${fields[19]}"
}

# record_process FILE PID: writes "PID START", at once or not at all.
record_process() {
  local start
  start=$(process_start "$2") || return 1
  printf '%s %s\n' "$2" "$start" >"$1.new"
  mv "$1.new" "$1"
}

# recorded_pid FILE: prints the PID of the recorded process while it is alive, else fails.
recorded_pid() {
  local pid start
  { read -r pid start <"$1"; } 2>/dev/null || return 1
  [[ -n $pid && $(process_start "$pid") == "$start" ]] || return 1
  printf '%s\n' "$pid"
}

# launch RECORD LOG COMMAND...: starts a server in a session of its own, so that a Ctrl-C meant for the caller does
# not reach it, and returns once its process is recorded. It must not inherit our locks (descriptors 7 to 9), which would
# stay taken as long as it lives.
launch() {
  local record=$1 log=$2 written=$1.pid pid
  shift 2
  rm -f "$record" "$written"
  # shellcheck disable=SC2016  # expanded by the inner shell
  setsid bash -c 'printf "%s\n" $$ >"$0.new" && mv "$0.new" "$0" && exec "$@"' "$written" "$@" \
    </dev/null >>"$log" 2>&1 7>&- 8>&- 9>&- &
  until [[ -s $written ]]; do sleep "$POLL_SECONDS"; done
  read -r pid <"$written"
  rm -f "$written"
  record_process "$record" "$pid"
}

# wait_until SECONDS COMMAND...: polls until COMMAND succeeds. Fails at the deadline or when interrupted.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ -z $interrupted ]] && ((SECONDS < deadline)) || return 1
    sleep "$POLL_SECONDS"
  done
}

# stop_recorded RECORD SIGNAL: ends the recorded process and waits until it is gone; killed after the deadline.
stop_recorded() {
  local pid deadline=$((SECONDS + STOP_DEADLINE_SECONDS))
  if pid=$(recorded_pid "$1"); then
    kill -s "$2" "$pid" 2>/dev/null || true
    while recorded_pid "$1" >/dev/null && ((SECONDS < deadline)); do sleep "$POLL_SECONDS"; done
    if recorded_pid "$1" >/dev/null; then kill_all "$pid"; fi
  fi
  rm -f "$1"
}

# kill_all PID...: returns when they are gone.
kill_all() {
  local pid
  (($# > 0)) || return 0
  kill -s KILL "$@" 2>/dev/null || true
  for pid in "$@"; do
    while process_start "$pid" >/dev/null; do sleep "$POLL_SECONDS"; done
  done
}

# supervise COMMAND...: runs it in a process group of its own, without input, and returns its exit code. The shell
# stays free to run its traps meanwhile, which end the command by `end_supervised`.
supervise() {
  local code=0
  set -m
  "$@" </dev/null &
  supervised=$!
  set +m
  wait "$supervised" || code=$?
  supervised=
  return "$code"
}
supervised=

# end_supervised: stops the supervised command and everything it started in its group.
end_supervised() {
  [[ -n $supervised ]] || return 0
  local group=$supervised deadline=$((SECONDS + STOP_DEADLINE_SECONDS))
  kill -s TERM -- "-$group" 2>/dev/null || return 0
  while kill -0 -- "-$group" 2>/dev/null && ((SECONDS < deadline)); do sleep "$POLL_SECONDS"; done
  kill -s KILL -- "-$group" 2>/dev/null || true
}
