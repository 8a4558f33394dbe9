# shellcheck shell=bash
# CLUSTER=kind: nodes in docker containers, created by kind. The workers are named
# fio-<checkout>-worker and -worker2, so that several checkouts do not conflict.
# KIND_IMAGE is the node image, which determines the version of Kubernetes.

KIND_NAME=fio-$CHECKOUT_ID

kind_up() {
  [[ -z ${KUBERNETES_VERSION:-} ]] ||
    die "CLUSTER=kind has the version of KIND_IMAGE: set that instead of KUBERNETES_VERSION"
  kind_lock
  kind_check
  make_state
  printf 'kind\n' >"$STATE/backend"
  kind_create
  # Not in the configuration: a kubelet cannot set the label of the role worker itself.
  kubectl label nodes --overwrite --selector '!node-role.kubernetes.io/control-plane' \
    node-role.kubernetes.io/worker= >/dev/null
  log "cluster ready: export KUBECONFIG=$STATE/kubeconfig"
}

# Creates the cluster unless that was completed before. kind cannot continue a killed run.
kind_create() {
  [[ ! -e $STATE/kind/created ]] || return 0
  mkdir -p "$STATE/kind/audit"
  local number
  {
    sed -e "s|STATE|$STATE|; s|CLUSTER_D|$CLUSTER_D|" "$CHECKOUT/hack/kind.yaml"
    for number in $(seq "$(workers)"); do
      printf '  - role: worker # %d\n' "$number"
    done
  } >"$STATE/kind/kind.yaml"
  log "creating the kind cluster $KIND_NAME"
  kind delete cluster --name "$KIND_NAME" >"$LOGS/kind.log" 2>&1
  kind create cluster --name "$KIND_NAME" ${KIND_IMAGE:+--image "$KIND_IMAGE"} --config "$STATE/kind/kind.yaml" \
    --kubeconfig "$STATE/kubeconfig" --wait 180s >>"$LOGS/kind.log" 2>&1 ||
    die "kind could not create the cluster: see $LOGS/kind.log"
  touch "$STATE/kind/created"
}

kind_down() {
  kind_lock
  kind_check
  kind delete cluster --name "$KIND_NAME" >&2
  rm -rf "$IMAGES" "$STATE/kubeconfig" "$STATE/backend"
  # The API server runs as root and has written files there.
  rm -rf "$STATE/kind" 2>/dev/null || log "remove $STATE/kind as root"
}

kind_status() {
  docker ps --all --filter "label=io.x-k8s.kind.cluster=$KIND_NAME"
  [[ ! -e $STATE/kubeconfig ]] || kubectl get nodes --output wide
}

# Only root can read the log of the API server; make it readable for others.
kind_audit_log() {
  kind_need_up
  docker exec "$KIND_NAME-control-plane" chmod a+r /var/log/fio/audit.log
  printf '%s\n' "$STATE/kind/audit/audit.log"
}

# Includes stopped nodes.
kind_nodes() {
  docker ps --all --filter "label=io.x-k8s.kind.cluster=$KIND_NAME" \
    --filter label=io.x-k8s.kind.role=worker --format '{{.Names}}' | sort -V
}

kind_node_exec() {
  local node=$1
  shift
  kind_need_node "$node"
  docker exec --interactive "$node" "$@"
}

kind_load_image() {
  local file
  kind_lock
  kind_need_up
  file=$(keep_image "$1")
  kind load image-archive "$file" --name "$KIND_NAME" >&2
}

kind_add_node() {
  die "kind cannot add a node to a running cluster: use CLUSTER=local"
}

kind_registry() { kind_no_registry; }
kind_push_image() { kind_no_registry; }

kind_no_registry() {
  die "CLUSTER=kind has no registry: use hack/cluster load-image, or CLUSTER=local"
}

kind_remove_node() {
  kind_need_node "$1"
  docker rm --force --volumes "$1" >/dev/null
  kubectl delete node "$1" --ignore-not-found >/dev/null
}

kind_stop_node() {
  kind_need_node "$1"
  docker kill "$1" >/dev/null
}

kind_start_node() {
  kind_need_node "$1"
  docker start "$1" >/dev/null
  wait_until 120 "the kubelet of $1" kubectl get --raw "/api/v1/nodes/$1/proxy/healthz"
  kubectl wait --for=condition=Ready "node/$1" --timeout=120s >/dev/null ||
    die "$1 did not become Ready: see docker logs $1"
}

kind_need_node() {
  kind_nodes | grep --quiet --line-regexp --fixed-strings "$1" ||
    die "there is no node $1: see hack/cluster nodes"
}

kind_need_up() {
  [[ -e $STATE/kind/created ]] || die "the cluster is not up: run hack/cluster up"
}

kind_check() {
  docker info >/dev/null 2>&1 || die "docker is not running: install or start it"
  command -v kind >/dev/null || die "kind is missing: install it"
}

kind_lock() {
  take_lock "$STATE/cluster.lock" "this checkout's cluster"
}
