# shellcheck shell=bash
# Kafka: one broker that is its own controller (KRaft), from the jars that `tests/services/kafka/pom.xml` names.

readonly KAFKA_IMAGE=apache/kafka:4.1.1

# Room for the page-sized buffers of a benchmark's fetches; the tests alone are content with half.
readonly KAFKA_HEAP=-Xmx1g

# The broker's own words for "I take requests"; the only line of its log at level info that is let through.
readonly KAFKA_READY_LINE='Kafka Server started'
readonly KAFKA_LOGGING=(
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
  -Dorg.slf4j.simpleLogger.showDateTime=true
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS'
  -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info
)

kafka_image() { printf '%s\n' "$KAFKA_IMAGE"; }

kafka_jars() {
  jars "$sources/kafka/pom.xml"
}

kafka_create() {
  local room=$1 libraries
  libraries=$(kafka_jars) || return 1
  free_port >"$room/controller-port"
  free_port >"$room/tokens-port"
  kafka_properties "$room" 127.0.0.1 "$room/data" >"$room/server.properties"
  java -cp "$libraries/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    kafka.tools.StorageTool format --cluster-id "$(kafka_cluster_id)" --config "$room/server.properties" \
    >>"$room/log" 2>&1
}

# kafka_properties ROOM BIND_ADDRESS DATA
kafka_properties() {
  local port controller tokens
  port=$(<"$1/port")
  controller=$(<"$1/controller-port")
  tokens=$(<"$1/tokens-port")
  cat "$sources/kafka/server.properties"
  printf '%s\n' \
    "listeners=PLAINTEXT://$2:$port,CONTROLLER://127.0.0.1:$controller,TOKENS://$2:$tokens" \
    "advertised.listeners=PLAINTEXT://127.0.0.1:$port,TOKENS://127.0.0.1:$tokens" \
    "controller.quorum.voters=1@127.0.0.1:$controller" \
    "log.dirs=$3"
}

# kafka_cluster_id: 16 random bytes in URL-safe base64, as Kafka writes them. Each broker has its own, since clients
# may tell clusters apart by it. A leading dash would read as an option.
kafka_cluster_id() {
  head -c 16 /dev/urandom | base64 | tr '+/' '-_' | sed 's/^-/A/; s/=*$//'
}

kafka_launch() {
  local room=$1 libraries
  libraries=$(kafka_jars) || return 1
  launch "$room/process" "$room/log" java "$KAFKA_HEAP" "${KAFKA_LOGGING[@]}" \
    -cp "$libraries/*" kafka.Kafka "$room/server.properties"
}

kafka_container_launch() {
  local room=$1 port
  port=$(<"$room/port")
  mkdir -p "$room/given"
  printf '9093\n' >"$room/controller-port"
  free_port >"$room/tokens-port"
  kafka_properties "$room" 0.0.0.0 /var/lib/kafka/data >"$room/given/server.properties"
  container_run "$room" --publish "127.0.0.1:$port:$port" \
    --publish "127.0.0.1:$(<"$room/tokens-port"):$(<"$room/tokens-port")" --volume "$room/given:/mnt/shared/config:ro" \
    --env "CLUSTER_ID=$(kafka_cluster_id)" --env "KAFKA_HEAP_OPTS=$KAFKA_HEAP" "$KAFKA_IMAGE"
}

kafka_is_ready() {
  grep -q "$KAFKA_READY_LINE" < <(service_log "$1") && port_answers "$(<"$1/port")"
}

kafka_settings() {
  local room=$1 libraries
  printf 'ROWDOCK_TEST_KAFKA=127.0.0.1:%s\n' "$(<"$room/port")"
  printf 'ROWDOCK_TEST_KAFKA_TOKENS=127.0.0.1:%s\n' "$(<"$room/tokens-port")"
  if [[ -e $room/container ]]; then
    printf 'ROWDOCK_TEST_KAFKA_CONTAINER=%s\n' "$(<"$room/container")"
    return
  fi
  libraries=$(kafka_jars)
  printf 'ROWDOCK_TEST_KAFKA_PID=%s\n' "$(recorded_pid "$room/process")"
  printf 'ROWDOCK_TEST_KAFKA_LIBS=%s\n' "$libraries"
}

# kafka_topic ROOM NAME PARTITIONS: makes a topic, by Kafka's own tool.
kafka_topic() {
  local room=$1 libraries
  local words=(--bootstrap-server "127.0.0.1:$(<"$room/port")" --create --topic "$2" --partitions "$3")
  if [[ -e $room/container ]]; then
    container_exec "$room" /opt/kafka/bin/kafka-topics.sh "${words[@]}"
    return
  fi
  libraries=$(kafka_jars) || return 1
  java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$libraries/*" org.apache.kafka.tools.TopicCommand "${words[@]}"
}

kafka_stop_signal() { printf 'TERM\n'; }

# The data is thrown away: no need for the broker to hand anything over.
kafka_discard_signal() { printf 'KILL\n'; }

kafka_survivors() { :; }

kafka_discard() { :; }
