# shellcheck shell=bash
# Fetches what a service runs from, once, into a cache outside `target/`, so that `cargo clean` costs no download.
#
# Maven does the fetching: it is the ordinary client of the registry that carries Kafka, Kafka Connect and
# PostgreSQL's server alike, and it verifies what it gets. Each cached folder is named by what it holds, is filled
# under another name first, and is never changed afterwards.

readonly cache=${ROWDOCK_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/rowdock}

# In full: the short name would take whichever version is the latest.
readonly MAVEN_DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

# cached FOLDER FILL ARGUMENT...: prints the cached folder; if absent, `FILL NEW_FOLDER ARGUMENT...` makes it.
cached() {
  local folder=$cache/$1 fill=$2 new
  shift 2
  if [[ ! -d $folder ]]; then
    mkdir -p "$cache"
    # One download at a time: Maven's local repository is not made for two writers.
    exec 8>"$cache/download.lock"
    flock 8
    if [[ ! -d $folder ]]; then
      rm -rf "$cache"/new.* # of a download that was killed
      new=$(mktemp -d "$cache/new.XXXXXX")
      if ! "$fill" "$new" "$@" >&2; then
        rm -rf "$new"
        fail "could not fetch ${folder##*/}; Maven's message is above"
      fi
      chmod 755 "$new"
      mv -T "$new" "$folder"
    fi
    exec 8>&-
  fi
  printf '%s\n' "$folder"
}

maven() {
  mvn --batch-mode --quiet "$@"
}

# jars POM: prints a folder with the jars that POM names and those they need.
jars() {
  local version
  version=$(cksum <"$1")
  cached "$(basename "$(dirname "$1")")-jars-${version%% *}" fill_with_jars "$1"
}

fill_with_jars() {
  maven --file "$2" "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$1"
}

# fetched ARTIFACT [FINISH]: prints a folder with the unpacked artifact (group:name:version[:type[:classifier]]), to
# which FINISH was applied.
fetched() {
  local name
  name=$(cut -d: -f2,3 <<<"$1")
  cached "${name/:/-}" fill_with_artifact "$@"
}

fill_with_artifact() {
  local folder=$1 artifact=$2 finish=${3:-true}
  # Below its current folder Maven marks what it has unpacked, and would skip that the next time, wherever to.
  mkdir "$folder/marks"
  (cd "$folder/marks" && maven "$MAVEN_DEPENDENCY_PLUGIN:unpack" -Dartifact="$artifact" -DoutputDirectory="$folder") || return 1
  rm -rf "$folder/marks"
  "$finish" "$folder"
}
