# shellcheck shell=bash
# A schema registry: Apicurio's, which speaks Confluent's API as well as its own, in memory.

readonly REGISTRY_ARTIFACT=io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all
readonly REGISTRY_JAR=apicurio-registry-app-2.6.13.Final-runner.jar
readonly REGISTRY_IMAGE=apicurio/apicurio-registry-mem:2.6.13.Final
readonly REGISTRY_HEAP=-Xmx256m

# Where Confluent's API is, below the server's address.
readonly REGISTRY_PATH=/apis/ccompat/v7

registry_image() { printf '%s\n' "$REGISTRY_IMAGE"; }

registry_create() {
  fetched "$REGISTRY_ARTIFACT" >/dev/null
}

registry_launch() {
  local room=$1 files
  files=$(fetched "$REGISTRY_ARTIFACT") || return 1
  # Short-lived: compiled quickly rather than well.
  launch "$room/process" "$room/log" java "$REGISTRY_HEAP" -XX:TieredStopAtLevel=1 \
    -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$(<"$room/port")" -jar "$files/$REGISTRY_JAR"
}

# The options are those of the image, which these replace, and the heap.
registry_container_launch() {
  container_run "$1" --publish "127.0.0.1:$(<"$1/port"):8080" \
    --env "JAVA_OPTIONS=-Dquarkus.http.host=0.0.0.0 -Djava.util.logging.manager=org.jboss.logmanager.LogManager $REGISTRY_HEAP" \
    "$REGISTRY_IMAGE"
}

registry_is_ready() {
  curl --silent --fail --max-time 2 "http://127.0.0.1:$(<"$1/port")$REGISTRY_PATH/subjects" >/dev/null 2>&1
}

registry_settings() {
  printf 'ROWDOCK_TEST_REGISTRY=http://127.0.0.1:%s%s\n' "$(<"$1/port")" "$REGISTRY_PATH"
}

registry_stop_signal() { printf 'TERM\n'; }

# The schemas are in memory anyway.
registry_discard_signal() { printf 'KILL\n'; }

registry_survivors() { :; }

registry_discard() { :; }
