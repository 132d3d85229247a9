# shellcheck shell=bash
# Who uses the shared services. A user is a process, remembered by id and start time, or "everybody" for services that
# were brought up to stay. A user that was killed is no user any more; the next one takes its services over.

readonly users=$rooms/users

# lock_users: held until this shell ends. Starting and stopping the whole set excludes each other.
lock_users() {
  mkdir -p "$rooms"
  exec 7>"$rooms/users.lock"
  flock --wait "$LOCK_DEADLINE_SECONDS" 7 || fail "the services are being started or stopped by another process for too long"
}

add_user() {
  if [[ -z $1 ]]; then
    printf 'everybody\n' >>"$users"
  else
    printf '%s %s\n' "$1" "$(process_start "$1")" >>"$users"
  fi
}

remove_user() {
  [[ -e $users ]] || return 0
  sed -i "/^$1 /d" "$users"
}

in_use() {
  local pid start
  [[ -e $users ]] || return 1
  while read -r pid start; do
    [[ $pid == everybody || $(process_start "$pid") == "$start" ]] && return
  done <"$users"
  return 1
}

forget_users() {
  rm -f "$users"
}
