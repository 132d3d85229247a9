# shellcheck shell=bash
# Servers from Debian's packages, unpacked and run where they lie: nothing is installed, no right is needed, and a
# newer Debian's server runs on an older one, since it brings its own libraries and loader.

readonly DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# unpacked NAME SUITE PACKAGE...: prints a folder with the packages and all they depend on, as files.
unpacked() {
  cached "$1-$2-$(dpkg --print-architecture)" fill_with_packages "${@:2}"
}

# fill_with_packages FOLDER SUITE PACKAGE...
fill_with_packages() {
  local folder=$1 suite=$2 apt=$1/apt mirror package
  shift 2
  mirror=$(debian_mirror)
  if [[ -z $mirror ]]; then
    printf 'apt has no mirror of Debian to fetch %s from\n' "$*"
    return 1
  fi
  # A root of apt's own, as of a machine on which nothing is installed: so the whole closure is fetched.
  mkdir -p "$apt"/etc/apt/{apt.conf.d,preferences.d} "$apt"/var/lib/apt/lists/partial \
    "$apt"/var/cache/apt/archives/partial "$apt"/var/lib/dpkg
  cp /etc/apt/apt.conf.d/* "$apt/etc/apt/apt.conf.d/" # the machine's way to the mirror
  : >"$apt/var/lib/dpkg/status"
  # Packages are verified by Debian's keys; a mirror that is a snapshot has an old date.
  printf 'deb [signed-by=%s check-valid-until=no] %s %s main\n' "$DEBIAN_KEYRING" "$mirror" "$suite" \
    >"$apt/etc/apt/sources.list"
  private_apt "$apt" update || return 1
  private_apt "$apt" --yes --no-install-recommends --download-only install "$@" || return 1
  for package in "$apt"/var/cache/apt/archives/*.deb; do dpkg-deb --extract "$package" "$folder" || return 1; done
  rm -rf "$apt"
}

private_apt() {
  local folder=$1
  shift
  apt-get -qq -o Dir="$folder" -o Dir::State::status="$folder/var/lib/dpkg/status" -o Acquire::Languages=none \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User="$(id -un)" \
    -o APT::Update::Post-Invoke-Success::= -o Debug::NoLocking=true "$@"
}

# debian_mirror: the one that this machine's apt uses.
debian_mirror() {
  local mirrors
  # shellcheck disable=SC2016  # expanded by apt
  mapfile -t mirrors < <(apt-get indextargets --format '$(REPO_URI)' | grep --extended-regexp '/debian/?$' | sort --unique)
  printf '%s\n' "${mirrors[0]:-}"
}

# packaged FOLDER PROGRAM: sets `program` to the words that run PROGRAM of an unpacked folder with its own libraries.
packaged() {
  local libraries
  libraries=$(printf '%s:' "$1"/lib/*-linux-gnu "$1"/usr/lib/*-linux-gnu)
  local loaders=("$1"/lib/*-linux-gnu/ld-linux*.so.* "$1"/usr/lib/*-linux-gnu/ld-linux*.so.*)
  local loader
  for loader in "${loaders[@]}"; do [[ -e $loader ]] && break; done
  program=(env LC_ALL=C "$loader" --library-path "${libraries%:}" "$1/$2")
}
program=()
