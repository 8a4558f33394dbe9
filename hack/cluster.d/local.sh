# shellcheck shell=bash
# CLUSTER=local: a cluster in namespaces of this machine, for machines without docker.
# Requires root and Debian. .cluster/kubernetes is a link to the commands of its version of
# Kubernetes.

KUBERNETES=$STATE/kubernetes

local_works() {
  [[ $(id -u) == 0 && -e /etc/debian_version ]] && command -v unshare >/dev/null
}

local_up() {
  local kubernetes etcd coredns rootfs node
  local_lock
  local_check
  local_tools
  kubernetes=$(binaries kubernetes)
  need_version "$kubernetes" "$KUBERNETES"
  etcd=$(binaries etcd)
  coredns=$(binaries coredns)
  rootfs=$(node_rootfs)
  # For a new cluster, delete the logs of the previous one.
  [[ -e $STATE/backend ]] || rm -rf "$LOGS" "$STATE/audit.log"
  make_state
  printf 'local\n' >"$STATE/backend"
  link_kubectl "$kubernetes"
  ln -sfn "$kubernetes" "$KUBERNETES"
  keep_image "$(pause_archive)" >/dev/null
  log "starting the control plane"
  start_control_plane "$kubernetes" "$etcd" "$coredns"
  log "starting the nodes"
  for node in $(worker_names); do
    boot_node "$node" "$kubernetes" "$rootfs"
  done
  for node in $(worker_names); do
    wait_node "$node"
    log "$node is Ready"
  done
  wait_control_plane
  log "cluster ready: export KUBECONFIG=$STATE/kubeconfig"
}

local_missing() {
  list_unbuilt kubernetes 9 Kubernetes
  list_unbuilt etcd 1 etcd
  list_unbuilt coredns 1 CoreDNS
  list_missing_node_rootfs
}

# The nodes that up starts; add-node adds others.
worker_names() {
  local number
  for number in $(seq "$(workers)"); do
    printf 'node%d\n' "$number"
  done
}

# Reverts up, also a partial one. Stops the processes first, because they use all other
# resources.
local_down() {
  local ns
  [[ $(id -u) == 0 ]] || die "CLUSTER=local needs root: run it as root"
  local_lock
  log "stopping the cluster"
  rm -f "$API_SOCKET"
  stop_group cluster
  for ns in $(our_netns); do
    kill_netns "$ns"
  done
  for ns in $(our_netns); do
    delete_netns "$ns"
  done
  release_netns_folder
  remove_cgroups "/fio-$CHECKOUT_ID"
  remove_run
  rm -rf --one-file-system "$NODES" "$CONTROL_PLANE" "$PKI" "$IMAGES"
  rm -f "$STATE/kubeconfig" "$STATE/backend" "$KUBERNETES"
  log "the cluster is removed; its logs are in $LOGS"
}

local_status() {
  local name
  for name in "${CONTROL_PLANE_PROCESSES[@]}" $(node_names); do
    if spawned_pid "cluster/$name" >/dev/null; then
      printf '%-24s running\n' "$name"
    else
      printf '%-24s stopped\n' "$name"
    fi
  done
  [[ ! -e $STATE/kubeconfig ]] || kubectl get nodes --output wide
}

local_audit_log() {
  printf '%s\n' "$STATE/audit.log"
}

local_nodes() {
  node_names
}

local_node_exec() {
  need_node "$1"
  run_on_node "$@"
}

local_load_image() {
  local file node
  local_lock
  need_up
  file=$(keep_image "$1")
  for node in $(node_names); do
    # A stopped node imports it when it starts.
    ! spawned_pid "cluster/$node" >/dev/null || import_image "$node" "$file"
  done
}

local_add_node() {
  local node
  local_lock
  need_up
  node=$(next_node)
  local_boot "$node"
  printf '%s\n' "$node"
}

local_remove_node() {
  local_lock
  need_node "$1"
  halt_node "$1"
  kubectl delete node "$1" --ignore-not-found >/dev/null
  delete_node "$1"
}

local_stop_node() {
  local_lock
  need_node "$1"
  halt_node "$1"
}

local_start_node() {
  local_lock
  need_up
  need_node "$1"
  local_boot "$1"
}

local_boot() {
  local kubernetes rootfs
  kubernetes=$(readlink "$KUBERNETES")
  rootfs=$(node_rootfs)
  boot_node "$1" "$kubernetes" "$rootfs"
  wait_node "$1"
}

local_lock() {
  take_lock "$STATE/cluster.lock" "this checkout's cluster"
}

need_up() {
  spawned_pid cluster/kube-apiserver >/dev/null ||
    die "the cluster is not up: run hack/cluster up"
}

local_check() {
  [[ $(id -u) == 0 ]] || die "CLUSTER=local needs root: run it as root"
  [[ $CHECKOUT != *[:,\\]* ]] ||
    die "overlayfs does not support a path with a colon, comma or backslash: move $CHECKOUT"
  make_state
  [[ $(stat --file-system --format=%T "$STATE") != overlayfs ]] ||
    die "$STATE is on an overlay, which cannot contain the layers of another one: move the checkout to another file system"
}

local_tools() {
  need_command ip iproute2
  need_command socat socat
  need_command openssl openssl
  need_command pgrep procps
  need_command hostname hostname
}
