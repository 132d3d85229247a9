# shellcheck shell=bash
# Servers that stand beside the services for as long as one command needs them: up before it, down after it, however it
# ends. Whoever sources this defines
#
#   environment   the file that says where they are while they are up
#   usage         prints what the script takes
#   up, down      start them and write that file; stop them and forget their data
#   enter         tells a command where they are, through its environment
#
# and then calls `alongside "$@"`.

# shellcheck source=services/process.sh
source "$root/scripts/services/process.sh"

alongside() {
  case ${1:-} in
    up)
      up
      printf 'up; environment: %s\n' "$environment"
      ;;
    down) down ;;
    run)
      shift
      (($# > 0)) || misused
      run_alongside "$@"
      ;;
    *) misused ;;
  esac
}

misused() {
  usage >&2
  exit 2
}

run_alongside() {
  local code=0
  trap 'run_ends 130' INT
  trap 'run_ends 143' TERM HUP
  supervise "$0" up || run_ends $?
  enter
  supervise "$@" || code=$?
  run_ends "$code"
}

run_ends() {
  trap '' INT TERM HUP
  end_supervised
  down
  exit "$1"
}
