# shellcheck shell=bash
# seconds_since MOMENT: prints the time since that value of EPOCHREALTIME, in seconds to a tenth.
seconds_since() {
  local milliseconds
  milliseconds=$(milliseconds_since "$1")
  printf '%d.%d\n' $((milliseconds / 1000)) $((milliseconds % 1000 / 100))
}

milliseconds_since() {
  printf '%d\n' $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000))
}
