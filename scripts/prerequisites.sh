#!/usr/bin/env bash
# Makes sure that this machine has what Rowdock is built and tested with. What is missing is installed from Debian's
# packages when we are root or may use sudo; otherwise it is named, and nothing else happens.
#
# Each need is tested by what the build does with it (a header that compiles, a program that runs), not by asking the
# package manager: a machine with another one, or with hand-made installations, passes as well.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/prerequisites.sh PART...

  build      a C and C++ compiler, make, pkg-config, the headers of zlib and OpenSSL, and the Rust toolchain
  services   what real Kafka and PostgreSQL run with: a container engine, or Java, Maven and a few system tools
  java       Java and Maven alone (the reference Kafka Connect worker of the benchmark)
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

# Kafka 4's brokers and tools need it.
readonly JAVA_MAJOR_VERSION=17

# Another package manager may be at work, such as a new machine's own first update.
readonly APT_LOCK_DEADLINE_SECONDS=300

# shellcheck source=services/container.sh
source "$root/scripts/services/container.sh"

missing=()

main() {
  (($# > 0)) || { usage >&2 && exit 2; }
  local part
  for part in "$@"; do
    case $part in
      build) need_for_build ;;
      services) need_for_services ;;
      java) need_java ;;
      *) usage >&2 && exit 2 ;;
    esac
  done
  install_missing
  for part in "$@"; do
    if [[ $part == build ]]; then need_rust; fi
  done
}

need_for_build() {
  need make command -v make
  need gcc command -v cc
  need libc6-dev has_header stdlib.h
  # librdkafka's configure step stops without a C++ compiler although nothing of it is built.
  need g++ command -v c++
  need pkg-config command -v pkg-config
  need zlib1g-dev has_header zlib.h
  need libssl-dev has_header openssl/ssl.h
}

need_for_services() {
  need util-linux command -v flock
  need util-linux command -v setsid
  if [[ ${ROWDOCK_SERVICES:-} != processes ]] && container_engine_answers; then return; fi
  need_java
  need util-linux command -v setpriv
  need xz-utils command -v xz
}

need_java() {
  need default-jre-headless has_java
  need maven command -v mvn
}

# need PACKAGE TEST...: notes the package unless the test succeeds.
need() {
  local package=$1 noted
  shift
  if "$@" >/dev/null 2>&1; then return; fi
  for noted in "${missing[@]}"; do
    if [[ $noted == "$package" ]]; then return; fi
  done
  missing+=("$package")
}

has_header() {
  printf '#include <%s>\n' "$1" | cc -E -x c - -o /dev/null
}

has_java() {
  local version
  version=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
  [[ -n $version ]] && ((version >= JAVA_MAJOR_VERSION))
}

install_missing() {
  ((${#missing[@]} > 0)) || return 0
  local as_root=()
  if [[ $EUID != 0 ]]; then
    # Without a terminal sudo cannot ask for a password.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
      as_root=(sudo)
    else
      stop "these Debian packages are missing, and there is no right to install them: ${missing[*]}" \
        "Install them as root: apt-get install ${missing[*]}"
    fi
  fi
  if ! command -v apt-get >/dev/null; then
    stop "something is missing that Debian's packages ${missing[*]} would bring, and there is no apt-get here." \
      "Install the same by this system's package manager."
  fi
  printf 'prerequisites: installing %s\n' "${missing[*]}"
  "${as_root[@]}" apt-get --quiet --quiet update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes --no-install-recommends \
    -o "DPkg::Lock::Timeout=$APT_LOCK_DEADLINE_SECONDS" install "${missing[@]}" >/dev/null
}

need_rust() {
  if ! command -v rustup >/dev/null; then
    if command -v cargo >/dev/null; then
      need_rust_without_rustup
      return
    fi
    # Debian has rustup from version 13 on; its own compilers are too old.
    if ! grep -q 'Candidate: [0-9]' < <(apt-cache policy rustup 2>/dev/null); then
      stop "there is no Rust toolchain, and this system has no package of rustup, the tool that installs it." \
        "Install rustup (rustup.rs) as its site says, then run the same command again."
    fi
    missing=(rustup)
    install_missing
  fi
  local toolchain
  toolchain=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' "$root/rust-toolchain.toml")
  if ! has_toolchain "$toolchain"; then
    rustup toolchain install "$toolchain" --profile minimal --component rustfmt --component clippy ||
      stop "rustup could not install Rust $toolchain; its message is above."
  fi
}

# Only asks: naming an absent toolchain in most of rustup's commands would install it, with everything in it.
has_toolchain() {
  grep -q "^$1-" <<<"$(rustup toolchain list)" &&
    rustup run "$1" rustfmt --version >/dev/null 2>&1 && rustup run "$1" cargo-clippy --version >/dev/null 2>&1
}

need_rust_without_rustup() {
  local wanted found
  wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
  found=$(cargo --version | cut -d ' ' -f 2)
  if ! printf '%s\n' "$wanted" "$found" | sort --version-sort --check=quiet; then
    stop "cargo $found is too old: Rowdock needs Rust $wanted." "Install rustup (rustup.rs), which brings the right one."
  fi
  if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    stop "this Rust has no rustfmt or no clippy." "Install both (Debian: rustfmt and rust-clippy), or use rustup (rustup.rs)."
  fi
}

stop() {
  printf 'prerequisites: %s\n' "$@" >&2
  exit 1
}

main "$@"
