# shellcheck shell=bash
# Which Rust builds this repository: any that is new enough, preferably the one that is in use anyway. There is no
# `rust-toolchain.toml`, since that insists on one exact version and fails where it cannot be downloaded.

# use_toolchain: makes `cargo` a new enough one that can format and lint, if there is any; else fails.
use_toolchain() {
  local name
  if toolchain_suffices; then return; fi
  for name in $(installed_toolchains); do
    if RUSTUP_TOOLCHAIN=$name toolchain_suffices; then
      export RUSTUP_TOOLCHAIN=$name
      return
    fi
  done
  return 1
}

# wanted_rust: the `rust-version` that Cargo.toml declares.
wanted_rust() {
  sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$(dirname "${BASH_SOURCE[0]}")/../Cargo.toml"
}

# toolchain_suffices: whether that holds for the toolchain in use. Asks the compiler itself, since a toolchain's name
# (such as `stable`) does not tell its version, and never causes one to be downloaded.
toolchain_suffices() {
  local -x RUSTUP_AUTO_INSTALL=0
  local found
  found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || return 1
  [[ -n $found ]] && printf '%s\n' "$(wanted_rust)" "$found" | sort --version-sort --check=quiet &&
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1
}

# installed_toolchains: rustup's, stable ones and numbered ones before the others.
installed_toolchains() {
  command -v rustup >/dev/null || return 0
  local all
  all=$(rustup toolchain list | cut -d ' ' -f 1)
  grep -E '^(stable|[0-9])' <<<"$all" || true
  grep -vE '^(stable|[0-9])' <<<"$all" || true
}
