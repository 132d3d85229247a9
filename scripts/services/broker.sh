# shellcheck shell=bash
# Three brokers that are one Kafka cluster (KRaft), for tests that kill brokers. Each is a service of its own, broker-1 to
# broker-3, so that one can be killed, frozen and brought back; what they must agree on lies in one file beside their
# rooms. Started on demand, always as processes.

readonly BROKERS=3

# Three of them share a machine with everything else, and live for a minute or two: the time that the second compiler
# and several threads for garbage would take is worth more elsewhere.
readonly BROKER_JVM=(-Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)

# broker_agreement ROOM: the file with what the brokers agree on. Brokers of a test's own (broker-1@NAME) have their own.
broker_agreement() {
  local name own=
  name=$(basename "$1")
  [[ $name != *@* ]] || own=@${name#*@}
  printf '%s/brokers%s.agreement\n' "$rooms" "$own"
}

# Written by whichever of them comes first.
broker_agree() {
  local agreement=$1 id
  (
    flock --wait "$LOCK_DEADLINE_SECONDS" 6
    [[ -s $agreement ]] && exit
    {
      kafka_cluster_id
      for ((id = 1; id <= BROKERS; id++)); do free_port; done
    } >"$agreement.new"
    mv "$agreement.new" "$agreement"
  ) 6>"$agreement.lock"
}

broker_create() {
  local room=$1 agreement libraries
  libraries=$(kafka_jars) || return 1
  agreement=$(broker_agreement "$room")
  broker_agree "$agreement"
  broker_properties "$room" "$agreement" >"$room/server.properties"
  java "${BROKER_JVM[@]}" -cp "$libraries/*" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    kafka.tools.StorageTool format --cluster-id "$(head -n 1 "$agreement")" --config "$room/server.properties" \
    >>"$room/log" 2>&1
}

# broker_properties ROOM AGREEMENT: later lines replace earlier ones of the same key.
broker_properties() {
  local room=$1 id port controllers voters=
  id=$(version_of "$(basename "$room")")
  port=$(<"$room/port")
  mapfile -t controllers < <(tail -n "$BROKERS" "$2")
  for ((other = 1; other <= BROKERS; other++)); do
    voters+=${voters:+,}$other@127.0.0.1:${controllers[other - 1]}
  done
  cat "$sources/kafka/server.properties" "$sources/broker/server.properties"
  printf '%s\n' \
    "node.id=$id" \
    "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:${controllers[id - 1]}" \
    "advertised.listeners=PLAINTEXT://127.0.0.1:$port" \
    "controller.quorum.voters=$voters" \
    "log.dirs=$room/data"
}

broker_launch() {
  local room=$1 libraries
  libraries=$(kafka_jars) || return 1
  launch "$room/process" "$room/log" java "${BROKER_JVM[@]}" "${KAFKA_LOGGING[@]}" \
    -cp "$libraries/*" kafka.Kafka "$room/server.properties"
}

broker_is_ready() { kafka_is_ready "$1"; }

broker_settings() {
  local id
  id=$(version_of "$(basename "$1")")
  printf 'ROWDOCK_TEST_BROKER_%s=127.0.0.1:%s\n' "$id" "$(<"$1/port")"
  printf 'ROWDOCK_TEST_BROKER_%s_PID=%s\n' "$id" "$(recorded_pid "$1/process")"
}

broker_stop_signal() { printf 'TERM\n'; }
broker_discard_signal() { printf 'KILL\n'; }
broker_survivors() { :; }
broker_discard() { rm -f "$(broker_agreement "$1")"; }
