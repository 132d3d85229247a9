# shellcheck shell=bash
# Cassandra: one small node, from the jars that `tests/services/cassandra/pom.xml` names. Nodes of a test's own cluster
# are services named `cassandra@OWN`, `cassandra-2@OWN`, ..., of which the first is the seed: always processes, since they
# must reach each other. The file that `ROWDOCK_CASSANDRA_SETTINGS` names is added to a node's settings.

readonly CASSANDRA_IMAGE=cassandra:5.0

# A heap this small is enough for the tests' tables.
readonly CASSANDRA_HEAP=(-Xms768m -Xmx768m -Xmn256m -Xss256k)

# The node's own words for "clients are welcome".
readonly CASSANDRA_READY_LINE='Starting listening for CQL clients'

readonly CASSANDRA_JOIN_MILLISECONDS=4000

# Java's module flags as the project's own `jvm17-server.options` has them, without those of tools that are not run here.
readonly CASSANDRA_EXPORTS=(
  java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/java.lang.ref java.base/sun.nio.ch java.sql/java.sql
  java.management.rmi/com.sun.jmx.remote.internal.rmi java.rmi/sun.rmi.registry java.rmi/sun.rmi.server
  java.rmi/sun.rmi.transport.tcp jdk.unsupported/sun.misc jdk.compiler/com.sun.tools.javac.file
  jdk.attach/sun.tools.attach
)
readonly CASSANDRA_OPENS=(
  java.base/java.lang java.base/java.lang.module java.base/java.lang.reflect java.base/java.util java.base/java.io
  java.base/java.nio java.base/java.net java.base/java.util.concurrent java.base/java.util.concurrent.atomic
  java.base/sun.nio.ch java.base/jdk.internal.loader java.base/jdk.internal.ref java.base/jdk.internal.reflect
  java.base/jdk.internal.math java.base/jdk.internal.module java.base/jdk.internal.util.jar java.rmi/sun.rmi.transport.tcp
  jdk.management/com.sun.management.internal jdk.compiler/com.sun.tools.javac
)

cassandra_image() { printf '%s\n' "$CASSANDRA_IMAGE"; }

cassandra_jars() {
  jars "$sources/cassandra/pom.xml"
}

# cassandra_address ROOM: node N listens on 127.0.0.N, since the nodes of a cluster share the storage port.
cassandra_address() {
  local name version
  name=$(basename "$1")
  version=$(version_of "$name")
  if [[ $version =~ ^[0-9]+$ ]]; then printf '127.0.0.%s\n' "$version"; else printf '127.0.0.1\n'; fi
}

# cassandra_seed ROOM: the room of the node that the cluster is joined by.
cassandra_seed() {
  local name
  name=$(basename "$1")
  if [[ $name == *@* ]]; then printf '%s/cassandra@%s\n' "$rooms" "${name#*@}"; else printf '%s\n' "$1"; fi
}

cassandra_create() {
  local room=$1 address seed
  cassandra_jars >/dev/null || return 1
  address=$(cassandra_address "$room")
  seed=$(cassandra_seed "$room")
  # Drivers take it that all nodes of a cluster listen at one port.
  if [[ $seed == "$room" ]]; then free_port >"$room/storage-port"; else cp "$seed/storage-port" "$seed/port" "$room/"; fi
  {
    cat "$sources/cassandra/cassandra.yaml"
    printf '%s\n' \
      "listen_address: $address" \
      "rpc_address: $address" \
      "native_transport_port: $(<"$room/port")" \
      "storage_port: $(<"$room/storage-port")" \
      'seed_provider:' \
      '  - class_name: org.apache.cassandra.locator.SimpleSeedProvider' \
      '    parameters:' \
      "      - seeds: \"127.0.0.1:$(<"$room/storage-port")\""
    # What a test asks of a node of its own, such as logins.
    if [[ -n ${ROWDOCK_CASSANDRA_SETTINGS:-} ]]; then cat "$ROWDOCK_CASSANDRA_SETTINGS"; fi
  } >"$room/cassandra.yaml"
}

# `unsafesystem`: changes of the schema, of which tests make many, are not each flushed to disk. A node that is killed
# and started again must know its tables.
cassandra_launch() {
  local room=$1 libraries agent delay=0 unsafe=true flags=()
  libraries=$(cassandra_jars) || return 1
  agent=$(printf '%s\n' "$libraries"/jamm-*.jar)
  # A node that joins others waits so long for their answers.
  if [[ $(cassandra_seed "$room") != "$room" ]]; then delay=$CASSANDRA_JOIN_MILLISECONDS; fi
  if [[ $(basename "$room") == *@* ]]; then unsafe=false; fi
  for flag in "${CASSANDRA_EXPORTS[@]}"; do flags+=(--add-exports "$flag=ALL-UNNAMED"); done
  for flag in "${CASSANDRA_OPENS[@]}"; do flags+=(--add-opens "$flag=ALL-UNNAMED"); done
  launch "$room/process" "$room/log" java "${CASSANDRA_HEAP[@]}" -XX:+UseG1GC "${flags[@]}" \
    -Djdk.attach.allowAttachSelf=true "-javaagent:$agent" -Dio.netty.tryReflectionSetAccessible=true \
    "-Dcassandra.config=file://$room/cassandra.yaml" "-Dcassandra.storagedir=$room/data" \
    "-Dcassandra.logdir=$room/log-files" -Dcassandra-foreground=yes \
    "-Dlogback.configurationFile=$sources/cassandra/logback.xml" \
    "-Dcassandra.ring_delay_ms=$delay" -Dcassandra.skip_wait_for_gossip_to_settle=0 "-Dcassandra.unsafesystem=$unsafe" \
    -cp "$libraries/*" org.apache.cassandra.service.CassandraDaemon
}

cassandra_container_launch() {
  local room=$1 port
  port=$(<"$room/port")
  mkdir -p "$room/given"
  {
    cat "$sources/cassandra/cassandra.yaml"
    printf '%s\n' \
      'listen_address: 127.0.0.1' \
      'rpc_address: 0.0.0.0' \
      'broadcast_rpc_address: 127.0.0.1' \
      "native_transport_port: $port" \
      'seed_provider:' \
      '  - class_name: org.apache.cassandra.locator.SimpleSeedProvider' \
      '    parameters:' \
      '      - seeds: "127.0.0.1"'
  } >"$room/given/cassandra.yaml"
  container_run "$room" --publish "127.0.0.1:$port:$port" --env MAX_HEAP_SIZE=768m --env HEAP_NEWSIZE=256m \
    --env "JVM_EXTRA_OPTS=-Dcassandra.config=file://$GIVEN/cassandra.yaml -Dcassandra.ring_delay_ms=0 \
-Dcassandra.skip_wait_for_gossip_to_settle=0 -Dcassandra.unsafesystem=true" "$CASSANDRA_IMAGE"
}

cassandra_needs_process() { [[ $1 != cassandra ]]; }

cassandra_is_ready() {
  grep -q "$CASSANDRA_READY_LINE" < <(service_log "$1") &&
    (exec 3<>"/dev/tcp/$(cassandra_address "$1")/$(<"$1/port")") 2>/dev/null
}

cassandra_settings() {
  local room=$1
  printf 'ROWDOCK_TEST_CASSANDRA=%s:%s\n' "$(cassandra_address "$room")" "$(<"$room/port")"
  if [[ -e $room/container ]]; then
    printf 'ROWDOCK_TEST_CASSANDRA_CONTAINER=%s\n' "$(<"$room/container")"
    return
  fi
  printf 'ROWDOCK_TEST_CASSANDRA_PID=%s\n' "$(recorded_pid "$room/process")"
}

cassandra_stop_signal() { printf 'TERM\n'; }
cassandra_discard_signal() { printf 'KILL\n'; }
cassandra_survivors() { :; }
cassandra_discard() { :; }
