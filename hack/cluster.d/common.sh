# shellcheck shell=bash
# Places, messages and locks that all scripts in hack/ share.

# A failure inside $(...) ends the script as well.
shopt -s inherit_errexit

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck disable=SC2034 # used by the scripts that source this
CLUSTER_D=$CHECKOUT/hack/cluster.d

# What takes long to make and is the same for every checkout.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/fio

# What belongs to this checkout's clusters; `down` leaves only logs in it.
STATE=$CHECKOUT/.cluster
LOGS=$STATE/logs

# Progress and errors go to stderr: stdout is for answers that scripts read.
log() {
  printf '[%4ds] %s\n' "$SECONDS" "$*" >&2
}

die() {
  printf '%s: %s\n' "hack/${0##*/}" "$*" >&2
  exit 1
}

# Makes the state folder, invisible to git without help from outside.
make_state() {
  mkdir -p "$STATE" "$LOGS"
  [[ -e $STATE/.gitignore ]] || printf '*\n' >"$STATE/.gitignore"
}

# take_lock FILE WHAT: waits until no other process holds FILE. The lock is the
# open file descriptor: it ends with the process, however that ends, and with
# the children that inherited it.
take_lock() {
  local file=$1 what=$2 fd
  [[ $file != "$STATE"/* ]] || make_state
  mkdir -p "${file%/*}"
  exec {fd}>"$file"
  flock --nonblock "$fd" && return
  log "waiting for another process that works on $what"
  flock "$fd"
}

# For a child that outlives what the script holds: closes all but its standard
# input, output and errors.
close_files() {
  local fd
  for fd in "/proc/$BASHPID/fd"/*; do
    fd=${fd##*/}
    ((fd <= 2)) || exec {fd}>&-
  done
}

# hash WORD...: twelve hex digits for the name of a cache entry.
hash() {
  printf '%s\0' "$@" | sha256sum | cut -c1-12
}

# cached DIR WHAT COMMAND...: runs COMMAND TMP to fill TMP and renames it to DIR,
# unless DIR is there. So DIR is complete whenever it exists, and two processes
# never build it at once. Runs in a subshell, which ends the lock.
cached() (
  dir=$1 what=$2
  shift 2
  [[ -e $dir ]] && exit
  take_lock "$dir.lock" "$what"
  [[ -e $dir ]] && exit
  rm -rf --one-file-system "$dir.tmp"
  mkdir -p "$dir.tmp"
  # A leftover lock or folder of a run that was killed is taken over here.
  "$@" "$dir.tmp"
  mv -T "$dir.tmp" "$dir"
)

# shellcheck source=packages.sh
source "$CLUSTER_D/packages.sh"
