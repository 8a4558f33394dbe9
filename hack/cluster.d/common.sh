# shellcheck shell=bash
# Directories, messages and locks of all scripts in hack/.

# A failure in $(...) also exits the script.
shopt -s inherit_errexit

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034 # used by the scripts that source this
CLUSTER_D=$CHECKOUT/hack/cluster.d

# Slow builds, shared by all checkouts.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/fio

# Files of the clusters of this checkout; after `down` it contains only logs.
STATE=$CHECKOUT/.cluster
LOGS=$STATE/logs

# Progress and errors go to stderr: stdout is for results that scripts read.
log() {
  printf '[%4ds] %s\n' "$SECONDS" "$*" >&2
}

die() {
  printf '%s: %s\n' "hack/${0##*/}" "$*" >&2
  exit 1
}

# Creates the state directory, with its own .gitignore.
make_state() {
  mkdir -p "$STATE" "$LOGS"
  [[ -e $STATE/.gitignore ]] || printf '*\n' >"$STATE/.gitignore"
}

# take_lock FILE WHAT: waits until no other process holds FILE. The lock is an open file
# descriptor: it is released when the process and the children that inherited it exit.
take_lock() {
  local file=$1 what=$2 fd
  [[ $file != "$STATE"/* ]] || make_state
  mkdir -p "${file%/*}"
  exec {fd}>"$file"
  flock --nonblock "$fd" && return
  log "waiting for another process: $what"
  flock "$fd"
}

# For a child that outlives the script: closes all file descriptors except standard
# input, output and error.
close_files() {
  local fd
  for fd in "/proc/$BASHPID/fd"/*; do
    fd=${fd##*/}
    ((fd <= 2)) || exec {fd}>&-
  done
}

# hash WORD...: prints twelve hex digits for the name of a cache entry.
hash() {
  printf '%s\0' "$@" | sha256sum | cut -c1-12
}

# cached DIR WHAT COMMAND...: unless DIR exists, runs COMMAND TMP to fill TMP, and renames
# TMP to DIR. DIR is therefore always complete, and two processes never build it
# concurrently. Runs in a subshell, which releases the lock.
cached() (
  dir=$1 what=$2
  shift 2
  [[ -e $dir ]] && exit
  take_lock "$dir.lock" "$what"
  [[ -e $dir ]] && exit
  rm -rf --one-file-system "$dir.tmp"
  mkdir -p "$dir.tmp"
  # This also handles the lock and the directory of a killed run.
  "$@" "$dir.tmp"
  mv -T "$dir.tmp" "$dir"
)

# shellcheck source=packages.sh
source "$CLUSTER_D/packages.sh"
