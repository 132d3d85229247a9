#!/usr/bin/env bash
# Makes sure that this machine has what Rowdock is built and tested with. What is missing is installed from Debian's
# packages when we are root or may use sudo; otherwise it is named, and nothing else happens.
#
# Each need is tested by what the build does with it (a header that compiles, a program that runs), not by asking the
# package manager: a machine with another one, or with hand-made installations, passes as well.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/prerequisites.sh PART... [-- COMMAND...]

  build      a C and C++ compiler, make, pkg-config, the headers of zlib and OpenSSL, and the Rust toolchain
  services   what real Kafka and databases run with: a container engine with their images, or Java, Maven, apt and a few
             system tools
  shellcheck what lints the scripts
  java       Java and Maven alone (the reference Kafka Connect worker of the benchmark)
  walk       what the README's walk types: kcat, psql, curl
  oracle     Java's compiler and Maven (the real transforms, which ours are compared with)

Then runs COMMAND, if there is one, with the Rust toolchain that was found.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

# Kafka 4's brokers and tools need it.
readonly JAVA_MAJOR_VERSION=17

# Another package manager may be at work, such as a new machine's own first update.
readonly APT_LOCK_DEADLINE_SECONDS=300

# shellcheck source=toolchain.sh
source "$root/scripts/toolchain.sh"

missing=()

main() {
  local rust=
  (($# > 0)) || { usage >&2 && exit 2; }
  while (($# > 0)); do
    case $1 in
      build) need_for_build && rust=needed ;;
      services) need_for_services ;;
      java) need_java ;;
      oracle) need_oracle ;;
      walk) need_walk ;;
      shellcheck) need shellcheck command -v shellcheck ;;
      --) shift && break ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift
  done
  install_missing
  if [[ -n $rust ]]; then need_rust; fi
  if (($# > 0)); then exec "$@"; fi
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
  local mode
  need util-linux command -v flock
  need util-linux command -v setsid
  mode=$("$root/scripts/services.sh" mode) || exit 1
  # PgBouncer is a process wherever it can be.
  if [[ $mode == processes ]] || command -v apt-get >/dev/null; then
    need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
  fi
  if [[ $mode == containers ]]; then return; fi
  need_java
  need util-linux command -v setpriv
  need xz-utils command -v xz
}

need_java() {
  need default-jre-headless has_java
  need maven command -v mvn
}

need_oracle() {
  need default-jdk-headless command -v javac
  need maven command -v mvn
}

need_walk() {
  need kcat command -v kcat
  need postgresql-client command -v psql
  need curl command -v curl
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
  local wanted
  wanted=$(wanted_rust)
  if use_toolchain; then return; fi
  if ! command -v rustup >/dev/null; then install_rustup "$wanted"; fi
  printf 'prerequisites: installing Rust %s\n' "$wanted"
  rustup toolchain install "$wanted" --no-self-update --profile minimal --component rustfmt --component clippy || true
  if use_toolchain; then return; fi
  stop "there is no Rust $wanted or newer with rustfmt and clippy, and rustup could not install it; its message is above."
}

# Debian has rustup from version 13 on; its own compilers are too old.
install_rustup() {
  if ! grep -q 'Candidate: [0-9]' < <(apt-cache policy rustup 2>/dev/null); then
    stop "there is no Rust $1 or newer with rustfmt and clippy, and no package of rustup, the tool that installs it." \
      "Install rustup (rustup.rs) as its site says, then run the same command again."
  fi
  missing=(rustup)
  install_missing
}

stop() {
  printf 'prerequisites: %s\n' "$@" >&2
  exit 1
}

main "$@"
