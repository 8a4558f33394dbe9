# shellcheck shell=bash
# The API server alone: etcd and kube-apiserver on loopback, without nodes or
# controllers. For tests that need only a real API; requires no root. All files are in
# .cluster/api and are created again at each start. .cluster/api/kubernetes is a link to the
# commands of its version.

API=$STATE/api
API_PORT=$((PORT_BASE + 1))
API_ETCD_PORT=$((PORT_BASE + 2))
API_ETCD_PEER_PORT=$((PORT_BASE + 3))

api_up() {
  local kubernetes etcd
  need_command openssl openssl
  take_lock "$STATE/api.lock" "this checkout's API"
  kubernetes=$(binaries kube-apiserver)
  etcd=$(binaries etcd)
  clear_api
  make_apiserver_pki "$API/pki"
  write_kubeconfig "$API/kubeconfig" "https://127.0.0.1:$API_PORT" "$API/pki" admin
  link_kubectl "$kubernetes"
  ln -sfn "$kubernetes" "$API/kubernetes"
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

# Kills the API server; its data stays in etcd.
api_stop() {
  take_lock "$STATE/api.lock" "this checkout's API"
  stop_spawned api/kube-apiserver
}

api_start() {
  local etcd
  take_lock "$STATE/api.lock" "this checkout's API"
  [[ -d $API/etcd ]] || die "the API is not up: run hack/cluster api-up"
  if ! spawned_pid api/etcd >/dev/null; then
    etcd=$(binaries etcd)
    restart api/etcd run_api_etcd "$etcd"
  fi
  ! spawned_pid api/kube-apiserver >/dev/null || return 0
  restart api/kube-apiserver run_api "$API/kubernetes"
}

# Backs up etcd.
api_save() {
  take_lock "$STATE/api.lock" "this checkout's API"
  with_api_stopped cp -a "$API/etcd" "$API/backup"
}

# Restores etcd from the backup, as in disaster recovery: resource versions continue
# from those of the backup.
api_restore() {
  take_lock "$STATE/api.lock" "this checkout's API"
  [[ -d $API/backup ]] || die "there is no backup: run hack/cluster api-save"
  with_api_stopped put_api_backup
}

put_api_backup() {
  rm -rf --one-file-system "$API/etcd" && mv "$API/backup" "$API/etcd"
}

# with_api_stopped COMMAND...: stops etcd and the API server, runs COMMAND, and starts
# them again, also if COMMAND fails.
with_api_stopped() {
  local etcd status=0
  spawned_pid api/etcd >/dev/null || die "the API is not up: run hack/cluster api-up"
  etcd=$(binaries etcd)
  stop_spawned api/kube-apiserver
  stop_spawned api/etcd
  "$@" || status=$?
  restart api/etcd run_api_etcd "$etcd"
  restart api/kube-apiserver run_api "$API/kubernetes"
  [[ $status == 0 ]] || die "$* failed"
}

# restart GROUP/NAME COMMAND...: starts a process again. Retries if it exits or does not
# become ready: on a busy machine an API server may exit during its initialization.
restart() {
  local name=$1 tries
  shift
  for tries in 1 2 3; do
    # In a subshell, because a failed start exits.
    if ("$@"); then
      return
    fi
    stop_spawned "$name"
    log "attempt $tries to restart ${name#*/} failed"
  done
  die "cannot restart ${name#*/}"
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
  # No endpoints for the Service kubernetes: a loopback address is not allowed.
  spawn api/kube-apiserver "$output" "$kubernetes/kube-apiserver" "${args[@]}" \
    --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
    --secure-port="$API_PORT" --endpoint-reconciler-type=none
  wait_spawned 120 api/kube-apiserver "$output" \
    "$kubernetes/kubectl" --kubeconfig "$API/kubeconfig" get --raw /readyz
}
