# shellcheck shell=bash
# MySQL, from Debian's unstable suite, which is the only one that has it; and what it has in common with MariaDB. Lines in
# `ROWDOCK_SERVER_SETTINGS` are added to the settings of a server that is created.

readonly MYSQL_USER=rowdock
readonly MYSQL_PASSWORD=rowdock
readonly MYSQL_IMAGE=mysql:9.7
readonly MYSQL_SUITE=sid

# The longest path that a Unix socket can have, less the name of one in a folder.
readonly SOCKET_PATH_BYTES_MAX=95

mysql_image() { printf '%s\n' "$MYSQL_IMAGE"; }

mysql_files() {
  unpacked mysql "$MYSQL_SUITE" mysql-server-core
}

# mysql_server ROOM: sets `program` to the words that run the server on the room's data.
mysql_server() {
  local files
  files=$(mysql_files) || return 1
  packaged "$files" usr/sbin/mysqld
  program+=("--defaults-file=$1/my.cnf" "--user=$(id -un)" "--basedir=$files/usr" "--datadir=$1/data"
    "--lc-messages-dir=$files/usr/share/mysql" "--character-sets-dir=$files/usr/share/mysql/charsets"
    "--plugin-dir=$files/usr/lib/mysql/plugin")
}

mysql_create() {
  local room=$1
  mysql_prepare "$room"
  mysql_server "$room" || return 1
  # It makes its own certificates, too.
  "${program[@]}" --initialize-insecure >>"$room/log" 2>&1
}

# mysql_prepare ROOM: the settings of a server of either kind, and the statements it runs whenever it starts.
mysql_prepare() {
  local room=$1 kind socket
  kind=$(kind_of "$(basename "$room")")
  socket=$room/socket
  if ((${#socket} > SOCKET_PATH_BYTES_MAX)); then socket=/var/tmp/rowdock-$kind-$(<"$room/port"); fi
  printf '%s\n' "$socket" >"$room/socket-path"
  {
    cat "$sources/$kind/my.cnf"
    printf '%s\n' "${ROWDOCK_SERVER_SETTINGS:-}"
  } >"$room/my.cnf"
  printf '%s\n' "CREATE USER IF NOT EXISTS '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';" \
    "GRANT ALL ON *.* TO '$MYSQL_USER'@'%' WITH GRANT OPTION;" >"$room/start.sql"
}

mysql_launch() {
  mysql_server "$1" || return 1
  mysql_serve "$1"
}

# mysql_serve ROOM: launches `program` as the room's server.
mysql_serve() {
  local socket
  socket=$(<"$1/socket-path")
  rm -f "$socket" "$socket.lock" # of a crash
  (
    # As PostgreSQL does by itself: a file that may not grow is no reason to end the server.
    trap '' XFSZ
    launch "$1/process" "$1/log" "${program[@]}" "--port=$(<"$1/port")" "--socket=$socket" "--pid-file=$1/server-pid" \
      "--init-file=$1/start.sql"
  )
}

mysql_container_launch() {
  mysql_container_run "$1" --env MYSQL_ALLOW_EMPTY_PASSWORD=yes "$MYSQL_IMAGE" mysqld
}

# mysql_container_run ROOM OPTION... IMAGE PROGRAM: the socket is in a folder of the machine's.
mysql_container_run() {
  local room=$1 folder
  shift
  mysql_prepare "$room"
  mkdir -p "$room/given"
  mv "$room/my.cnf" "$room/start.sql" "$room/given"
  folder=$(<"$room/socket-path")
  mkdir -p "$folder"
  chmod 777 "$folder" # the image makes it its server's own; whoever started this must still be able to empty it
  printf '%s\n' "$folder/mysqld.sock" >"$room/socket-path"
  container_run "$room" --publish "127.0.0.1:$(<"$room/port"):3306" --volume "$folder:/run/mysqld" "$@" \
    "--defaults-extra-file=$GIVEN/my.cnf" --bind-address=0.0.0.0 --socket=/run/mysqld/mysqld.sock \
    "--init-file=$GIVEN/start.sql"
}

# The server says so of each listener once its statements at the start are done. A container's image first starts one
# without a network port to set itself up.
mysql_is_ready() {
  grep -q "ready for connections.*port: *$(mysql_inner_port "$1")\b" < <(service_log "$1" | tr '\n' ' ') &&
    port_answers "$(<"$1/port")"
}

mysql_inner_port() {
  if [[ -e $1/container ]]; then printf '3306\n'; else cat "$1/port"; fi
}

mysql_settings() {
  local authority=$1/data/ca.pem
  if [[ -e $1/container ]]; then
    authority=$1/ca.pem
    [[ -e $authority ]] || engine cp --quiet "$(<"$1/container"):/var/lib/mysql/ca.pem" "$authority" >/dev/null || return 1
  fi
  server_settings "$1" ROWDOCK_TEST_MYSQL
  printf 'ROWDOCK_TEST_MYSQL_AUTHORITY=%s\n' "$authority"
}

# server_settings ROOM KEY
server_settings() {
  local room=$1 key=$2
  printf '%s=mysql://%s:%s@127.0.0.1:%s/\n' "$key" "$MYSQL_USER" "$MYSQL_PASSWORD" "$(<"$room/port")"
  printf '%s_SOCKET=%s\n' "$key" "$(<"$room/socket-path")"
  if [[ -e $room/container ]]; then
    printf '%s_CONTAINER=%s\n' "$key" "$(<"$room/container")"
    return
  fi
  printf '%s_PID=%s\n' "$key" "$(recorded_pid "$room/process")"
  printf '%s_DATA=%s/data\n' "$key" "$room"
}

mysql_stop_signal() { printf 'TERM\n'; }
mysql_discard_signal() { printf 'KILL\n'; }

# One process with threads: nothing of it outlives it.
mysql_survivors() { :; }

mysql_discard() {
  local socket
  [[ -e $1/socket-path ]] || return 0
  socket=$(<"$1/socket-path")
  if [[ -e $1/as-container ]]; then rm -rf "${socket%/*}"; else rm -f "$socket" "$socket.lock"; fi
}
