# shellcheck shell=bash
# Kafka Connect with the Debezium JDBC sink: what the benchmark compares with. It works on the shared Kafka, is started
# only on demand, and always runs as a process, so that its CPU time and memory are measured like the worker's.

# The heap that its best figures need; with less it collects garbage instead of writing rows.
readonly CONNECT_HEAP=-Xmx2g

readonly CONNECT_PLUGIN=io.debezium:debezium-connector-jdbc:3.6.0.Final:tar.gz:plugin

readonly HEALTH_DEADLINE_SECONDS=5

connect_create() {
  local room=$1 port kafka plugins
  port=$(<"$room/port")
  kafka=$(sed -n 's/^ROWDOCK_TEST_KAFKA=//p' "$environment" 2>/dev/null) || true
  if [[ -z $kafka ]]; then
    printf 'no Kafka for Kafka Connect to work on: bring the services up first\n' >>"$room/log"
    return 1
  fi
  plugins=$(fetched "$CONNECT_PLUGIN") || return 1
  cat "$sources/connect/worker.properties" >"$room/worker.properties"
  # The port makes the names unique: a worker that is created anew must not find its forerunner's connectors.
  printf '%s\n' \
    "bootstrap.servers=$kafka" \
    "group.id=peer-$port" \
    "config.storage.topic=peer-$port-configs" \
    "offset.storage.topic=peer-$port-offsets" \
    "status.storage.topic=peer-$port-status" \
    "listeners=http://127.0.0.1:$port" \
    "plugin.path=$plugins" >>"$room/worker.properties"
}

connect_launch() {
  local room=$1 libraries
  libraries=$(jars "$sources/connect/pom.xml") || return 1
  rm -f "$room/ready-milliseconds"
  printf '%s\n' "$EPOCHREALTIME" >"$room/launched"
  launch "$room/process" "$room/log" java "$CONNECT_HEAP" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$libraries/*" org.apache.kafka.connect.cli.ConnectDistributed "$room/worker.properties"
}

# The worker's own word: healthy is one that has joined its group and read its topics.
connect_is_ready() {
  local status
  {
    exec 3<>"/dev/tcp/127.0.0.1/$(<"$1/port")" || return 1
    printf 'GET /health HTTP/1.0\r\n\r\n' >&3
    read -r -t "$HEALTH_DEADLINE_SECONDS" status <&3 || true
    exec 3>&-
  } 2>/dev/null
  [[ ${status:-} == *' 200 '* ]] || return 1
  if [[ ! -e $1/ready-milliseconds ]]; then milliseconds_since "$(<"$1/launched")" >"$1/ready-milliseconds"; fi
}

connect_settings() {
  printf 'ROWDOCK_BENCH_PEER=http://127.0.0.1:%s\n' "$(<"$1/port")"
  printf 'ROWDOCK_BENCH_PEER_PID=%s\n' "$(recorded_pid "$1/process")"
  printf 'ROWDOCK_BENCH_PEER_READY_MS=%s\n' "$(<"$1/ready-milliseconds")"
}

connect_stop_signal() { printf 'TERM\n'; }
connect_discard_signal() { printf 'KILL\n'; }
connect_survivors() { :; }

# The file by which `scripts/bench-peer.sh` tells the benchmark where the worker is.
connect_discard() { rm -f "$rooms/peer.env"; }
