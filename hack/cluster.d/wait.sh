# shellcheck shell=bash
# Waiting for a state of the cluster, for scripts that demonstrate or test fio. The script
# defines WAIT_SECONDS, `step MESSAGE` and `fail MESSAGE`.

# wait_for WHAT COMMAND...: polls COMMAND until it succeeds, then reports WHAT as a step.
wait_for() {
  local what=$1 limit=$((SECONDS + WAIT_SECONDS))
  shift
  until "$@"; do
    ((SECONDS < limit)) || fail "timed out after $WAIT_SECONDS s: $what"
    sleep 0.5
  done
  step "$what"
}
