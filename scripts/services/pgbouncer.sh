# shellcheck shell=bash
# PgBouncer in transaction mode before the shared PostgreSQL 15: what the sink must notice. On demand, and always a
# process, from the packages of Debian 12.

readonly PGBOUNCER_SUITE=bookworm

pgbouncer_create() {
  local room=$1 server address
  server=$(sed -n 's/^ROWDOCK_TEST_POSTGRES=//p' "$environment" 2>/dev/null) || true
  if [[ -z $server ]]; then
    printf 'no PostgreSQL for PgBouncer to pool: bring the services up first\n' >>"$room/log"
    return 1
  fi
  unpacked pgbouncer "$PGBOUNCER_SUITE" pgbouncer >/dev/null || return 1
  # postgresql://user:password@host:port/database
  address=${server##*@}
  address=${address%%/*}
  printf '%s\n' "$server" >"$room/server"
  {
    printf '[databases]\n* = host=%s port=%s\n[pgbouncer]\n' "${address%%:*}" "${address##*:}"
    cat "$sources/pgbouncer/pgbouncer.ini"
    printf 'listen_port = %s\nauth_file = %s\n' "$(<"$room/port")" "$room/users.txt"
    # It does not run as root.
    if ((EUID == 0)); then printf 'user = nobody\n'; fi
  } >"$room/pgbouncer.ini"
  local login=${server#*://}
  login=${login%%@*}
  printf '"%s" "%s"\n' "${login%%:*}" "${login#*:}" >"$room/users.txt"
  chmod a+r "$room/users.txt"
}

pgbouncer_launch() {
  local files
  files=$(unpacked pgbouncer "$PGBOUNCER_SUITE" pgbouncer) || return 1
  packaged "$files" usr/sbin/pgbouncer
  launch "$1/process" "$1/log" "${program[@]}" "$1/pgbouncer.ini"
}

pgbouncer_is_ready() { port_answers "$(<"$1/port")"; }

pgbouncer_settings() {
  local server port
  server=$(<"$1/server")
  port=$(<"$1/port")
  printf 'ROWDOCK_TEST_PGBOUNCER=%s@127.0.0.1:%s/%s\n' "${server%%@*}" "$port" "${server##*/}"
}

pgbouncer_stop_signal() { printf 'TERM\n'; }
pgbouncer_discard_signal() { printf 'KILL\n'; }
pgbouncer_survivors() { :; }
pgbouncer_discard() { :; }
