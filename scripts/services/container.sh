# shellcheck shell=bash
# Services as containers, on a machine whose container engine answers. The record of a service is its container's id.

# What the engine may take to answer before it counts as absent: a socket without a daemon behind it can hang.
readonly ENGINE_DEADLINE_SECONDS=10

container_engine_answers() {
  command -v docker >/dev/null && timeout "$ENGINE_DEADLINE_SECONDS" docker info >/dev/null 2>&1
}

# container_images IMAGE...: fetches those that are absent. Fails when the engine cannot get one.
container_images() {
  local image
  for image in "$@"; do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >&2 || return 1
  done
}

# container_start ROOM KIND: the first time a new container, later the same one again (same port, same data).
container_start() {
  if [[ -e $1/container ]]; then
    docker start "$(<"$1/container")" >/dev/null 2>>"$1/log"
  else
    "$2_container_launch" "$1"
  fi
}

# container_run ROOM OPTION... IMAGE COMMAND...
container_run() {
  local room=$1
  shift
  docker run --detach --cidfile "$room/container" "$@" >/dev/null 2>>"$room/log"
}

container_is_running() {
  [[ $(docker inspect --format '{{.State.Running}}' "$(<"$1/container")" 2>/dev/null) == true ]]
}

container_exec() {
  local room=$1
  shift
  docker exec "$(<"$room/container")" "$@" >/dev/null 2>&1
}

# container_log ROOM: what the container has written since its last start.
container_log() {
  local id since
  id=$(<"$1/container")
  since=$(docker inspect --format '{{.State.StartedAt}}' "$id")
  docker logs --since "$since" "$id" 2>&1
}

# service_log ROOM: the log since the last start, of a process or a container. Not for a pipe into `grep -q`, which ends
# as soon as it has found its line: the writer would then fail, and with it, under pipefail, the search.
service_log() {
  cat "$1/log" 2>/dev/null || true
  if [[ -e $1/container ]]; then container_log "$1"; fi
}

# container_end ROOM SIGNAL
container_end() {
  local id
  id=$(<"$1/container")
  docker kill --signal "$2" "$id" >/dev/null 2>&1 || true
  timeout "$STOP_DEADLINE_SECONDS" docker wait "$id" >/dev/null 2>&1 || docker kill "$id" >/dev/null 2>&1 || true
}

container_remove() {
  local id
  id=$(<"$1/container")
  container_log "$1" >>"$1/log" 2>&1 || true
  docker rm --force --volumes "$id" >/dev/null 2>&1 || true
}
