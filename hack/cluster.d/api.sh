# shellcheck shell=bash
# The API alone: etcd and kube-apiserver on this machine's loopback, without
# nodes or controllers. For tests that need a real API and nothing more; needs
# no root. Everything is in .cluster/api and new at each start.

API=$STATE/api
API_PORT=$((PORT_BASE + 1))
API_ETCD_PORT=$((PORT_BASE + 2))
API_ETCD_PEER_PORT=$((PORT_BASE + 3))

api_up() {
  local kubernetes etcd
  need_command openssl openssl
  take_lock "$STATE/api.lock" "this checkout's API"
  kubernetes=$(binaries kubernetes)
  etcd=$(binaries etcd)
  clear_api
  make_apiserver_pki "$API/pki"
  write_kubeconfig "$API/kubeconfig" "https://127.0.0.1:$API_PORT" "$API/pki" admin
  link_kubectl "$kubernetes"
  need_free_port "$API_PORT"
  need_free_port "$API_ETCD_PORT"
  need_free_port "$API_ETCD_PEER_PORT"
  run_api_etcd "$etcd"
  printf '%s\n' "$API_ETCD_PORT" >"$API/etcd-port"
  run_api "$kubernetes"
  log "API ready: $API/kubeconfig"
}

api_down() {
  take_lock "$STATE/api.lock" "this checkout's API"
  clear_api
}

# Ends the API server as a crash would; what it holds stays in etcd.
api_stop() {
  take_lock "$STATE/api.lock" "this checkout's API"
  stop_spawned api/kube-apiserver
}

api_start() {
  local kubernetes etcd
  take_lock "$STATE/api.lock" "this checkout's API"
  [[ -d $API/etcd ]] || die "the API is not up: run hack/cluster api-up"
  if ! spawned_pid api/etcd >/dev/null; then
    etcd=$(binaries etcd)
    again api/etcd run_api_etcd "$etcd"
  fi
  ! spawned_pid api/kube-apiserver >/dev/null || return 0
  kubernetes=$(binaries kubernetes)
  again api/kube-apiserver run_api "$kubernetes"
}

# Makes a backup of what the API holds.
api_save() {
  take_lock "$STATE/api.lock" "this checkout's API"
  with_api_ended cp -a "$API/etcd" "$API/backup"
}

# Restores etcd from that backup, as after a disaster: resource versions count
# on from those of the backup.
api_restore() {
  take_lock "$STATE/api.lock" "this checkout's API"
  [[ -d $API/backup ]] || die "there is no backup: run hack/cluster api-save"
  with_api_ended put_api_backup
}

put_api_backup() {
  rm -rf --one-file-system "$API/etcd" && mv "$API/backup" "$API/etcd"
}

# with_api_ended COMMAND...: ends etcd and the API server while it runs. They run
# again afterwards, also where it fails.
with_api_ended() {
  local kubernetes etcd status=0
  spawned_pid api/etcd >/dev/null || die "the API is not up: run hack/cluster api-up"
  kubernetes=$(binaries kubernetes)
  etcd=$(binaries etcd)
  stop_spawned api/kube-apiserver
  stop_spawned api/etcd
  "$@" || status=$?
  again api/etcd run_api_etcd "$etcd"
  again api/kube-apiserver run_api "$kubernetes"
  [[ $status == 0 ]] || die "$* failed"
}

# again GROUP/NAME COMMAND...: starts a process that ran before by this command,
# and does so again where it ends by itself or does not become ready: on a machine
# that is busy an API server may give up what it does first.
again() {
  local name=$1 tries
  shift
  for tries in 1 2 3; do
    # A subshell, as a start that fails ends the script.
    if ("$@"); then
      return
    fi
    stop_spawned "$name"
    log "try $tries to start ${name#*/} again failed"
  done
  die "${name#*/} could not be started again"
}

run_api_etcd() {
  local args
  readarray -t args < <(etcd_args "$API/etcd" "$API_ETCD_PORT" "$API_ETCD_PEER_PORT")
  spawn api/etcd "$API/logs/etcd.log" "$1/etcd" "${args[@]}"
  wait_spawned 120 api/etcd "$API/logs/etcd.log" etcd_listens
}

etcd_listens() {
  (exec 3<>"/dev/tcp/127.0.0.1/$API_ETCD_PORT") 2>/dev/null
}

clear_api() {
  stop_group api
  remove_run
  rm -rf --one-file-system "$API"
}

run_api() {
  local kubernetes=$1 args output=$API/logs/kube-apiserver.log
  readarray -t args < <(apiserver_args "$API/pki" "$API_ETCD_PORT" "$API/audit.log")
  # No endpoints for the kubernetes Service: a loopback address is not allowed.
  spawn api/kube-apiserver "$output" "$kubernetes/kube-apiserver" "${args[@]}" \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
    --secure-port="$API_PORT" --endpoint-reconciler-type=none
  wait_spawned 120 api/kube-apiserver "$output" \
    "$kubernetes/kubectl" --kubeconfig "$API/kubeconfig" get --raw /readyz
}
