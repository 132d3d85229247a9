#!/usr/bin/env bash
# Everything that must hold before a change goes in, in the order that reports the cheapest mistakes first. The services
# start while the linter compiles. All stages that compile use the same features, so that nothing is built twice.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
readonly logs=$root/target/test-logs

# Test builds carry the fault tests' failpoints; release builds never do.
readonly FEATURES=failpoints

# Tests that run at a time: most of what they do is to wait for processes and servers.
: "${RUST_TEST_THREADS:=$((2 * $(nproc)))}"
export RUST_TEST_THREADS

# Enough that the worker is killed with half of the records still to come.
readonly DEMO_RECORDS=20000

# shellcheck source=toolchain.sh
source "$root/scripts/toolchain.sh"
# A test program that was built in another folder must still find this checkout's services.
export ROWDOCK_TEST_ENV=$root/target/services.env

# shellcheck source=services/process.sh
source "$root/scripts/services/process.sh"
# shellcheck source=services/time.sh
source "$root/scripts/services/time.sh"

began=$EPOCHREALTIME
summary=()
bringing_up=

main() {
  cd "$root"
  mkdir -p "$logs"
  trap 'end 130' INT
  trap 'end 143' TERM HUP
  trap 'end $?' EXIT

  stage prerequisites scripts/prerequisites.sh build services shellcheck oracle
  use_toolchain
  stage format cargo fmt --all --check
  stage scripts shellcheck --check-sourced .ci/run scripts/*.sh
  bring_services_up
  stage lints cargo clippy --workspace --all-targets --features "$FEATURES" -- -D warnings
  # With private items: a program's documentation is for those who work on it, and its module maps link to them.
  stage documentation env RUSTDOCFLAGS='-D warnings' \
    cargo doc --workspace --no-deps --document-private-items --features "$FEATURES"
  stage services await_services
  stage tests counted cargo test --workspace --features "$FEATURES" --no-fail-fast
  # The program that the tests ran; `cargo run` would compile half of it again, without the tests' dependencies.
  stage demo "${CARGO_TARGET_DIR:-target}/debug/rowdock" demo --exit --records "$DEMO_RECORDS" --dir "$logs/demo"
}

# stage NAME COMMAND...: runs it, and ends everything when it fails.
stage() {
  local name=$1 stage_began=$EPOCHREALTIME code=0 line
  shift
  printf '\n==> %s\n' "$name"
  if [[ $(type -t "$1") == function ]]; then "$@" || code=$?; else supervise "$@" || code=$?; fi
  line=$(printf '%-14s %7s s  %s' "$name" "$(seconds_since "$stage_began")" "$( ((code == 0)) && echo passed || echo FAILED)")
  printf '<== %s\n' "$line"
  summary+=("$line")
  ((code == 0)) || end "$code"
}

bring_services_up() {
  set -m
  scripts/services.sh up --for $$ >"$logs/services.log" 2>&1 </dev/null &
  bringing_up=$!
  set +m
}

await_services() {
  local code=0
  wait "$bringing_up" || code=$?
  bringing_up=
  cat "$logs/services.log"
  return "$code"
}

# counted COMMAND...: shows what the tests print and keeps it, to sum up the results of all test programs.
counted() {
  local code=0
  # shellcheck disable=SC2016  # expanded by the inner shell
  supervise bash -c 'set -o pipefail; "$@" 2>&1 | tee "$0"' "$logs/tests.log" "$@" || code=$?
  count_tests
  if ((code == 0 && (passed == 0 || failed > 0))); then
    printf 'no test ran, or one failed unnoticed\n' >&2
    code=1
  fi
  return "$code"
}

passed=0
failed=0

count_tests() {
  local words
  while read -ra words; do
    ((passed += words[3], failed += words[5])) || true
  done < <(grep '^test result: ' "$logs/tests.log")
}

# end EXIT_CODE: stops what runs, then the services unless somebody else uses them, and closes with the summary.
end() {
  local code=$1
  trap '' INT TERM HUP
  trap - EXIT
  end_supervised
  if [[ -n $bringing_up ]]; then
    kill -s TERM -- "-$bringing_up" 2>/dev/null || true
    wait "$bringing_up" 2>/dev/null || true
  fi
  scripts/services.sh down --for $$ || true
  printf '\n'
  ((${#summary[@]} == 0)) || printf '    %s\n' "${summary[@]}"
  printf '    %-14s %7s s  %s\n' total "$(seconds_since "$began")" \
    "$( ((code == 0)) && echo 'everything passed' || echo "stopped with exit code $code")"
  ((code == 0)) || printf '    logs: %s and %s\n' "$logs" "$root/target/services/*/log"
  printf 'tests: %d passed, %d failed\n' "$passed" "$failed"
  exit "$code"
}

main "$@"
