# shellcheck shell=bash
# MariaDB 10.11, from the packages of Debian 12, whichever Debian this is. What it shares with MySQL is in mysql.sh.

readonly MARIADB_IMAGE=mariadb:10.11
readonly MARIADB_SUITE=bookworm

# What the server's own install script feeds it, in this order.
readonly MARIADB_SYSTEM_TABLES=(mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql
  maria_add_gis_sp_bootstrap.sql)

mariadb_image() { printf '%s\n' "$MARIADB_IMAGE"; }

mariadb_files() {
  unpacked mariadb "$MARIADB_SUITE" mariadb-server-core
}

mariadb_server() {
  local files
  files=$(mariadb_files) || return 1
  packaged "$files" usr/sbin/mariadbd
  program+=("--defaults-file=$1/my.cnf" "--user=$(id -un)" "--basedir=$files/usr" "--datadir=$1/data"
    "--lc-messages-dir=$files/usr/share/mysql" "--character-sets-dir=$files/usr/share/mysql/charsets"
    "--plugin-dir=$files/usr/lib/mysql/plugin")
}

mariadb_create() {
  local room=$1 files
  mysql_prepare "$room"
  mkdir -p "$room/data"
  files=$(mariadb_files) || return 1
  mariadb_server "$room" || return 1
  {
    # The script asks for these; without them the first account would log in by Unix socket only.
    printf '%s\n' 'CREATE DATABASE mysql;' 'USE mysql;' 'SET @auth_root_socket = NULL;' 'SET @skip_auth_anonymous = 1;'
    (cd "$files/usr/share/mysql" && cat "${MARIADB_SYSTEM_TABLES[@]}")
  } | "${program[@]}" --bootstrap >>"$room/log" 2>&1
}

mariadb_launch() {
  mariadb_server "$1" || return 1
  mysql_serve "$1"
}

mariadb_container_launch() {
  mysql_container_run "$1" --env MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=yes "$MARIADB_IMAGE" mariadbd
}

mariadb_is_ready() { mysql_is_ready "$1"; }
mariadb_settings() { server_settings "$1" ROWDOCK_TEST_MARIADB; }
mariadb_stop_signal() { mysql_stop_signal; }
mariadb_discard_signal() { mysql_discard_signal; }
mariadb_survivors() { :; }
mariadb_discard() { mysql_discard "$1"; }
