# shellcheck shell=bash
# seconds_since MOMENT: prints the time since that value of EPOCHREALTIME, in seconds to a tenth.
seconds_since() {
  local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
  printf '%d.%d\n' $((microseconds / 1000000)) $((microseconds % 1000000 / 100000))
}
