# shellcheck shell=bash
# One service's life: a room (a folder) with its port, its record, its log and its data, whatever the service is.
#
# A service is named KIND, KIND-VERSION, or either with @OWN for a server of one test's own. A kind supplies
#   KIND_create ROOM    KIND_launch ROOM    KIND_is_ready ROOM    KIND_settings ROOM    KIND_stop_signal
#   KIND_discard_signal    KIND_survivors ROOM    KIND_discard ROOM
# and KIND_container_launch ROOM and KIND_image NAME if it also runs as a container, and KIND_needs_process NAME if not
# every service of it can.

# Kafka needs about 5 s and PostgreSQL 2 s on two idle cores; the rest is for a machine busy with a build.
readonly READY_DEADLINE_SECONDS=120
readonly LOCK_DEADLINE_SECONDS=300

# A port can be taken by another program between our choice and the server's bind.
readonly START_ATTEMPTS=3
readonly PORT_TAKEN='address already in use|is in use by another process|port is already allocated'

readonly LOG_LINES_ON_FAILURE=30

kind_of() {
  local kind=${1%%@*}
  printf '%s\n' "${kind%%-*}"
}

# version_of NAME: what follows the dash of KIND-VERSION.
version_of() {
  local version=${1%%@*}
  printf '%s\n' "${version#*-}"
}

service_is_alive() {
  local room=$rooms/$1
  if [[ -e $room/container ]]; then
    container_is_running "$room"
  else
    recorded_pid "$room/process" >/dev/null
  fi
}

service_is_ready() {
  service_is_alive "$1" && "$(kind_of "$1")_is_ready" "$rooms/$1"
}

service_settings() {
  "$(kind_of "$1")_settings" "$rooms/$1"
}

# start_service NAME: creates it if need be and returns when it answers. Again on the same port with the same data
# if it ran before.
start_service() {
  local name=$1 attempt
  lock_room "$name"
  if service_is_ready "$name"; then return; fi
  if [[ -e $rooms/$name/created ]]; then
    launch_and_wait "$name" || give_up_on "$name"
    return
  fi
  for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
    create_service "$name" || give_up_on "$name"
    if launch_and_wait "$name"; then return; fi
    if ! grep -qiE "$PORT_TAKEN" < <(service_log "$rooms/$name"); then break; fi
  done
  give_up_on "$name"
}

create_service() {
  local room=$rooms/$1 kind
  kind=$(kind_of "$1")
  discard_unlocked "$1"
  mkdir -p "$room"
  free_port >"$room/port"
  : >"$room/log"
  if runs_as_container "$1"; then
    touch "$room/as-container"
  else
    "${kind}_create" "$room" || return 1
  fi
  touch "$room/created"
}

launch_and_wait() {
  local room=$rooms/$1 kind
  kind=$(kind_of "$1")
  if [[ -e $room/log ]]; then mv "$room/log" "$room/log.before"; fi
  if [[ -e $room/as-container ]]; then
    container_start "$room" "$kind" || return 1
  else
    kill_survivors "$room"
    "${kind}_launch" "$room" || return 1
  fi
  wait_until "$READY_DEADLINE_SECONDS" ready_or_dead "$1" && service_is_ready "$1"
}

ready_or_dead() {
  service_is_ready "$1" || ! service_is_alive "$1"
}

give_up_on() {
  if [[ -z $interrupted ]]; then
    printf 'services: %s did not start; the end of its log:\n' "$1" >&2
    # While it was created, or while it ran.
    { cat "$rooms/$1/log.before" 2>/dev/null || true; service_log "$rooms/$1"; } | tail -n "$LOG_LINES_ON_FAILURE" >&2 ||
      true
    if [[ -e $rooms/$1/as-container ]] && ! container_engine_answers; then
      printf 'services: the container engine does not answer\n' >&2
    fi
  fi
  exit 1
}

# stop_service NAME: a clean stop. kill_service NAME: SIGKILL, as a crash would end it. Data stays with both.
stop_service() {
  lock_room "$1"
  end_service "$1" "$("$(kind_of "$1")_stop_signal")"
}

kill_service() {
  lock_room "$1"
  end_service "$1" KILL
}

end_service() {
  local room=$rooms/$1
  if [[ -e $room/container ]]; then
    container_end "$room" "$2"
  else
    stop_recorded "$room/process" "$2"
    kill_survivors "$room"
  fi
}

# kill_survivors ROOM: what a server's crash left running.
kill_survivors() {
  local survivors
  mapfile -t survivors < <("$(kind_of "$(basename "$1")")_survivors" "$1")
  kill_all "${survivors[@]}"
}

# discard_service NAME: ends it at once and deletes its data. The last logs stay for whoever looks into a failure.
discard_service() {
  lock_room "$1"
  discard_unlocked "$1"
}

discard_unlocked() {
  local room=$rooms/$1
  [[ -d $room ]] || return 0
  if [[ -e $room/container ]]; then
    container_remove "$room"
  else
    stop_recorded "$room/process" "$("$(kind_of "$1")_discard_signal")"
    kill_survivors "$room"
  fi
  "$(kind_of "$1")_discard" "$room"
  find "$room" -mindepth 1 -maxdepth 1 ! -name 'log*' -exec rm -rf {} +
}

# lock_room NAME: held until this shell ends, so that two callers never start, stop or delete the same service at once.
lock_room() {
  mkdir -p "$rooms"
  exec 9>"$rooms/$1.lock"
  flock --wait "$LOCK_DEADLINE_SECONDS" 9 || fail "$1 is being started or stopped by another process for too long"
}
