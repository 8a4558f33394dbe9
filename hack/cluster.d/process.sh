# shellcheck shell=bash
# Starts and stops background processes that outlive the script.
#
# A process is identified by a pid file with its pid and start time, so that a reused pid
# is not mistaken for it. The process writes the file before it executes the command, so
# that it is always known, even if the script is killed.

# Maximum time in seconds until a killed process has exited. The last process of a node
# unmounts its overlay, which syncs the file system; this takes long if the disk is busy.
KILL_TIMEOUT=60

# spawn GROUP/NAME LOG COMMAND...
spawn() {
  local name=$1 output=$2
  shift 2
  mkdir -p "$RUN/pids/${name%/*}" "${output%/*}"
  rm -f "$RUN/pids/$name"
  (
    # The lock, and files that the caller of the script left open.
    close_files
    # shellcheck disable=SC2016 # expands in the new process
    exec setsid bash -c '
      stat=$(</proc/$$/stat)
      stat=(${stat##*) })
      echo "$$ ${stat[19]}" >"$0"
      exec "$@"
    ' "$RUN/pids/$name" "$@"
  ) >>"$output" 2>&1 </dev/null &
  until [[ -s $RUN/pids/$name ]] || ! kill -0 $! 2>/dev/null; do
    sleep 0.02
  done
  disown
}

# spawned_pid GROUP/NAME: prints the pid, fails if the process is not running.
spawned_pid() {
  local pid start stat
  [[ -e $RUN/pids/$1 ]] && read -r pid start <"$RUN/pids/$1" || return 1
  { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }"
  # The first field is the state. A process is Z when its first thread has exited; while
  # other threads are exiting, its ports and files are still in use.
  # shellcheck disable=SC2128
  [[ ($stat != Z || ${stat[17]} -gt 1) && ${stat[19]} == "$start" ]] || return 1
  printf '%s\n' "$pid"
}

# stop_spawned GROUP/NAME: kills the process and its children, which are a group because of
# setsid. SIGKILL, because there is no data to save.
stop_spawned() {
  local pid
  if pid=$(spawned_pid "$1"); then
    kill -KILL -- "-$pid" 2>/dev/null || true
    wait_until "$KILL_TIMEOUT" "$1 to end" not_spawned "$1"
  fi
  rm -f "$RUN/pids/$1"
}

not_spawned() {
  ! spawned_pid "$1" >/dev/null
}

# stop_group GROUP: stops all processes of the group.
stop_group() {
  local file
  for file in "$RUN/pids/$1"/*; do
    [[ -e $file ]] || continue
    stop_spawned "$1/${file##*/}"
  done
}

# Removes only empty directories: the API server alone and the cluster share them.
remove_run() {
  rmdir "$RUN/pids"/* "$RUN/pids" "$RUN" 2>/dev/null || true
}

# wait_until SECONDS WHAT COMMAND...: polls COMMAND until it succeeds.
wait_until() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < limit)) || die "timed out waiting for $what: see $LOGS"
    sleep 0.1
  done
}

# wait_spawned SECONDS GROUP/NAME LOG COMMAND...: waits until COMMAND succeeds. Fails if the
# process exits.
wait_spawned() {
  local limit=$((SECONDS + $1)) name=$2 output=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= limit)); then
      show_end "$output"
      die "${name#*/} did not become ready: see $output"
    fi
    sleep 0.1
    if ! spawned_pid "$name" >/dev/null; then
      show_end "$output"
      die "${name#*/} exited: see $output"
    fi
  done
}

# show_end LOG: prints its last lines, because the reader of a failure may not have the file.
show_end() {
  [[ ! -f $1 ]] || tail -n 20 "$1" | cut -c1-500 >&2
}

# port_is_free PORT: checks loopback in this network namespace.
port_is_free() {
  ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

need_free_port() {
  port_is_free "$1" ||
    die "port $1 is in use: set FIO_PORT_BASE (now $PORT_BASE) to the first of four free ports"
}
