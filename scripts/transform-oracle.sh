#!/usr/bin/env bash
# Prints the class path of the real transforms, which tests compare ours with: jars from Maven Central, fetched once, and the
# driver of tests/oracle, compiled for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

for tool in java javac mvn; do
  command -v "$tool" >/dev/null ||
    fail "$tool is missing; scripts/prerequisites.sh oracle installs what the comparison with the real transforms needs"
done

# shellcheck source=scripts/services/download.sh
source scripts/services/download.sh

readonly driver=tests/oracle/TransformOracle.java

compile_driver() {
  javac -nowarn -cp "$2/*" -d "$1" "$driver"
}

libraries=$(jars tests/oracle/pom.xml)
# Compiled anew when the driver or the jars change.
version=$(cat "$driver" tests/oracle/pom.xml | cksum)
classes=$(cached "oracle-classes-${version%% *}" compile_driver "$libraries")
# Has a transform that later versions lack.
older=$(fetched io.debezium:debezium-connector-jdbc:3.1.0.Final)
printf '%s/*:%s:%s\n' "$libraries" "$classes" "$older"
