# shellcheck shell=bash
# CLUSTER=kind: nodes in docker containers, created by kind. The workers are named
# fio-<checkout>-worker, -worker2 and so on, so that several checkouts do not conflict.
# KIND_IMAGE is the node image, which determines the version of Kubernetes; the default is
# that of kind, whose version is in hack/go/kind.

KIND_NAME=fio-$CHECKOUT_ID
KIND_CONTROL_PLANE=$KIND_NAME-control-plane
KIND_DIR=$STATE/kind
KIND_LOG=$LOGS/kind.log
# Maximum time in seconds until a node or an addon is ready.
KIND_READY_TIMEOUT=180

kind_up() {
  local node
  [[ -z ${KUBERNETES_VERSION:-} ]] ||
    die "CLUSTER=kind has the version of KIND_IMAGE: set that instead of KUBERNETES_VERSION"
  kind_lock
  kind_check
  make_state
  printf 'kind\n' >"$STATE/backend"
  kind_create
  for node in $(kind_containers --filter status=exited); do
    kind_boot "$node"
  done
  while [[ $(kind_nodes | wc -l) -lt $(workers) ]]; do
    kind_join >/dev/null
  done
  for node in $(kind_nodes); do
    kind_wait_node "$node"
    kind_label "$node"
    log "$node is Ready"
  done
  kubectl --namespace kube-system rollout status deployment/coredns \
    --timeout="${KIND_READY_TIMEOUT}s" >/dev/null || die "CoreDNS did not become ready: see $KIND_LOG"
  log "cluster ready: export KUBECONFIG=$STATE/kubeconfig"
}

kind_missing() {
  list_unbuilt kind 1 kind
  kind_has_image || printf '2 the node image, which docker pulls\n'
}

# Only kind itself knows the tag of its default image: any of its images counts.
kind_has_image() {
  if [[ -n ${KIND_IMAGE:-} ]]; then
    docker image inspect "$KIND_IMAGE" >/dev/null 2>&1
  else
    [[ -n $(docker image ls --quiet kindest/node 2>/dev/null) ]]
  fi
}

# Creates the cluster unless that was completed before. kind cannot continue a killed run.
kind_create() {
  ! kind_is_up || return 0
  mkdir -p "$KIND_DIR/audit"
  rm -f "$KIND_DIR/created"
  sed -e "s|STATE|$STATE|; s|CLUSTER_D|$CLUSTER_D|" "$CHECKOUT/hack/kind.yaml" >"$KIND_DIR/kind.yaml"
  log "creating the kind cluster $KIND_NAME"
  kind_delete >"$KIND_LOG" 2>&1
  docker network inspect "$(kind_network)" >/dev/null 2>&1 || touch "$KIND_DIR/our-network"
  kind create cluster --name "$KIND_NAME" ${KIND_IMAGE:+--image "$KIND_IMAGE"} \
    --config "$KIND_DIR/kind.yaml" --kubeconfig "$STATE/kubeconfig" --wait "${KIND_READY_TIMEOUT}s" \
    >>"$KIND_LOG" 2>&1 || die "kind could not create the cluster: see $KIND_LOG"
  kind_save_join
  kind_copy_kubectl
  touch "$KIND_DIR/created"
}

# The kubectl of the node image has the version of the cluster. On another system than
# Linux, only an installed one runs.
kind_copy_kubectl() {
  [[ $(uname -s) == Linux ]] || return 0
  mkdir -p "$STATE/bin"
  docker cp --follow-link "$KIND_CONTROL_PLANE:/usr/bin/kubectl" "$STATE/bin/kubectl.tmp" >/dev/null
  mv "$STATE/bin/kubectl.tmp" "$STATE/bin/kubectl"
}

kind_down() {
  kind_lock
  kind_check
  kind_delete >&2
  kind_remove_network
  rm -rf "$IMAGES" "$STATE/kubeconfig" "$STATE/backend" "$STATE/bin/kubectl"
  # The API server runs as root and has written files there.
  rm -rf "$KIND_DIR" 2>/dev/null || log "remove $KIND_DIR as root"
}

kind_delete() {
  kind delete cluster --name "$KIND_NAME" --kubeconfig "$STATE/kubeconfig"
}

# Removes the network if the cluster created it and no other cluster uses it. Includes
# stopped containers, which docker does not count as users.
kind_remove_network() {
  local network
  network=$(kind_network)
  [[ -e $KIND_DIR/our-network && -z $(docker ps --all --quiet --filter "network=$network") ]] || return 0
  docker network rm "$network" >/dev/null 2>&1 || true
}

# Prints docker's network of the nodes, which all clusters of kind use.
kind_network() {
  printf '%s\n' "${KIND_EXPERIMENTAL_DOCKER_NETWORK:-kind}"
}

kind_status() {
  docker ps --all --filter "label=io.x-k8s.kind.cluster=$KIND_NAME"
  [[ ! -e $STATE/kubeconfig ]] || kubectl get nodes --output wide
}

# Only root can read the log of the API server; make it readable for others.
kind_audit_log() {
  kind_need_up
  docker exec "$KIND_CONTROL_PLANE" chmod a+r /var/log/fio/audit.log
  printf '%s\n' "$KIND_DIR/audit/audit.log"
}

# Includes stopped nodes.
kind_nodes() {
  kind_containers --filter label=io.x-k8s.kind.role=worker
}

kind_node_exec() {
  local node=$1
  shift
  kind_need_node "$node"
  docker exec --interactive "$node" "$@"
}

# A stopped node imports the image when it starts.
kind_load_image() {
  local file nodes
  kind_lock
  kind_need_up
  file=$(keep_image "$1")
  readarray -t nodes < <(kind_containers --filter status=running)
  kind_import "$file" "${nodes[@]}"
}

kind_add_node() {
  local node
  kind_lock
  kind_need_up
  node=$(kind_join)
  kind_wait_node "$node"
  kind_label "$node"
  printf '%s\n' "$node"
}

kind_registry() { kind_no_registry; }
kind_push_image() { kind_no_registry; }

kind_no_registry() {
  die "CLUSTER=kind has no registry: use hack/cluster load-image, or CLUSTER=local"
}

kind_remove_node() {
  kind_lock
  kind_need_node "$1"
  docker rm --force --volumes "$1" >/dev/null
  kubectl delete node "$1" --ignore-not-found >/dev/null
}

kind_stop_node() {
  kind_lock
  kind_need_node "$1"
  docker kill "$1" >/dev/null
}

kind_start_node() {
  kind_lock
  kind_need_node "$1"
  kind_boot "$1"
  kind_wait_node "$1"
}

# kind_containers ARG...: prints the names of all nodes, including stopped ones, that match
# the filters.
kind_containers() {
  docker ps --all --filter "label=io.x-k8s.kind.cluster=$KIND_NAME" "$@" --format '{{.Names}}' | sort -V
}

kind_need_node() {
  kind_nodes | grep --quiet --line-regexp --fixed-strings "$1" ||
    die "there is no node $1: see hack/cluster nodes"
}

kind_need_up() {
  kind_is_up || die "the cluster is not up: run hack/cluster up"
}

# The control plane may have been removed without hack/cluster.
kind_is_up() {
  [[ -e $KIND_DIR/created ]] && docker container inspect "$KIND_CONTROL_PLANE" >/dev/null 2>&1
}

kind_check() {
  docker info >/dev/null 2>&1 || die "docker is not running: install or start it (or run hack/kind-docker up)"
  [[ $(uname -s) == Linux ]] || type -P kubectl >/dev/null || die "kubectl is missing: install it"
  binaries kind >/dev/null
}

kind_lock() {
  take_lock "$STATE/cluster.lock" "this checkout's cluster"
}

# Runs the kind of hack/go/kind: kind-node.sh depends on its files in the nodes.
kind() {
  local dir
  dir=$(binaries kind)
  "$dir/kind" "$@"
}
