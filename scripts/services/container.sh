# shellcheck shell=bash
# Services as containers, on a machine whose container engine answers. The record of a service is its container's id.

# What the engine may take to answer before it counts as absent: a socket without a daemon behind it can hang.
readonly ENGINE_ANSWER_SECONDS=10

# What it may take for one command, on a machine busy with a build; and for the download of one image.
readonly ENGINE_DEADLINE_SECONDS=60
readonly IMAGE_DEADLINE_SECONDS=600

# Where a container finds the files that its service is given.
readonly GIVEN=/mnt/rowdock

# What `timeout` returns for a command that it has ended.
readonly TIMED_OUT=124

container_engine_answers() {
  local code=0
  command -v docker >/dev/null || return 1
  timeout "$ENGINE_ANSWER_SECONDS" docker info >/dev/null 2>&1 || code=$?
  if ((code == TIMED_OUT)); then
    printf 'services: the container engine has not answered within %s s\n' "$ENGINE_ANSWER_SECONDS" >&2
  fi
  return "$code"
}

# engine WORD...: one command of the engine. In the foreground, so that who interrupts us interrupts it. It must not
# inherit our locks, as `launch` says.
engine() {
  local code=0
  timeout --foreground "$ENGINE_DEADLINE_SECONDS" docker "$@" 7>&- 8>&- 9>&- || code=$?
  if ((code == TIMED_OUT)); then
    printf 'services: the container engine has not finished "docker %s" within %s s\n' "$1" "$ENGINE_DEADLINE_SECONDS" >&2
  fi
  return "$code"
}

# container_images IMAGE...: fetches those that are absent. Fails when the engine cannot get one.
container_images() {
  local image
  for image in "$@"; do
    engine image inspect "$image" >/dev/null 2>&1 ||
      timeout --foreground "$IMAGE_DEADLINE_SECONDS" docker pull --quiet "$image" >&2 || return 1
  done
}

# runs_as_container NAME: whether a new service of that name will be a container.
runs_as_container() {
  local kind
  kind=$(kind_of "$1")
  [[ $mode == containers ]] && declare -F "${kind}_container_launch" >/dev/null || return 1
  ! declare -F "${kind}_needs_process" >/dev/null || ! "${kind}_needs_process" "$1"
}

# container_start ROOM KIND: the first time a new container, later the same one again (same port, same data).
container_start() {
  if [[ -e $1/container ]]; then
    engine start "$(<"$1/container")" >/dev/null 2>>"$1/log"
  else
    "$2_container_launch" "$1"
  fi
}

# container_run ROOM OPTION... IMAGE COMMAND...: with the files of ROOM/given. Without labels, by which some systems
# keep containers from reading files of the machine.
container_run() {
  local room=$1
  shift
  mkdir -p "$room/given"
  chmod -R a+rX "$room/given" # servers run as users of their own
  engine run --detach --cidfile "$room/container" --security-opt label=disable --volume "$room/given:$GIVEN:ro" "$@" \
    >/dev/null 2>>"$room/log"
}

container_is_running() {
  [[ $(engine inspect --format '{{.State.Running}}' "$(<"$1/container")" 2>/dev/null) == true ]]
}

container_exec() {
  local room=$1
  shift
  engine exec "$(<"$room/container")" "$@"
}

# container_log ROOM: what the container has written since its last start.
container_log() {
  local id since
  id=$(<"$1/container")
  since=$(engine inspect --format '{{.State.StartedAt}}' "$id")
  engine logs --since "$since" "$id" 2>&1
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
  engine kill --signal "$2" "$id" >/dev/null 2>&1 || true
  timeout "$STOP_DEADLINE_SECONDS" docker wait "$id" >/dev/null 2>&1 || engine kill "$id" >/dev/null 2>&1 || true
}

# container_remove ROOM: with its data.
container_remove() {
  local id error
  id=$(<"$1/container")
  container_log "$1" >>"$1/log" 2>&1 || true
  error=$(engine rm --force --volumes "$id" 2>&1 >/dev/null) ||
    printf 'services: container %s of %s could not be removed: %s\n' "${id:0:12}" "$(basename "$1")" \
      "${error:-no answer from the engine}" >&2
}
