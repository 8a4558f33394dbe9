# shellcheck shell=bash
# Nodes of the kind cluster: start them again, and add others, which kind cannot do.

# Prints the name with the lowest unused number, which is not that of a stopped node.
kind_next_node() {
  local number=1 name=$KIND_NAME-worker
  while docker container inspect "$name" >/dev/null 2>&1; do
    number=$((number + 1))
    name=$KIND_NAME-worker$number
  done
  printf '%s\n' "$name"
}

# Saves what a node needs to join: all workers can be removed later.
kind_save_join() {
  local first=$KIND_NAME-worker
  docker exec "$first" cat /kind/kubeadm.conf >"$KIND_DIR/kubeadm.conf"
  kind_address "$first" >"$KIND_DIR/kubeadm.conf.address"
}

# Adds a node and prints its name. Does not wait until it is Ready.
kind_join() {
  local node
  node=$(kind_next_node)
  log "adding $node"
  kind_run_container "$node" >/dev/null
  kind_wait_containerd "$node"
  # Before it joins: the kubelet would try to pull missing images, and then back off.
  kind_import_since "$node" @0
  kind_write_join "$node" | docker exec --interactive "$node" cp /dev/stdin /kind/kubeadm.conf
  docker exec "$node" kubeadm join --config /kind/kubeadm.conf --v=6 >>"$KIND_LOG" 2>&1 ||
    die "$node could not join the cluster: see $KIND_LOG"
  printf '%s\n' "$node"
}

# kind_run_container NODE: with the arguments of kind, the image of the control plane and
# its proxies.
kind_run_container() {
  local node=$1
  docker run --name "$node" --hostname "$node" --detach --tty \
    --label "io.x-k8s.kind.cluster=$KIND_NAME" --label io.x-k8s.kind.role=worker \
    --privileged --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
    --cgroupns=private --init=false --restart=on-failure:1 --net "$(kind_network)" \
    --tmpfs /tmp --tmpfs /run --volume /var --volume /lib/modules:/lib/modules:ro \
    --env-file <(kind_inspect '{{range .Config.Env}}{{println .}}{{end}}' "$KIND_CONTROL_PLANE" | grep -i '_proxy=') \
    "$(kind_inspect '{{.Image}}' "$KIND_CONTROL_PLANE")"
}

# kind_write_join NODE: prints the configuration of the first worker with the name and the
# address of this node, and with a new token, because that of kind is valid for one day.
kind_write_join() {
  local node=$1 token address first
  token=$(docker exec "$KIND_CONTROL_PLANE" kubeadm token create --ttl 10m)
  address=$(kind_address "$node")
  first=$(<"$KIND_DIR/kubeadm.conf.address")
  sed -E "s/\<$KIND_NAME-worker\>/$node/g; s/\<${first//./\\.}\>/$address/g; s/\<token: .*/token: $token/" \
    "$KIND_DIR/kubeadm.conf"
}

# kind_boot NODE: starts a stopped node, which imports the images that it missed.
kind_boot() {
  local node=$1 stopped
  stopped=$(kind_inspect '{{.State.FinishedAt}}' "$node")
  log "starting $node"
  docker start "$node" >/dev/null
  kind_wait_containerd "$node"
  kind_import_since "$node" "$stopped"
}

# kind_import_since NODE TIME: imports the images that were loaded after TIME.
kind_import_since() {
  local node=$1 time=$2 file
  mkdir -p "$IMAGES"
  while read -r file; do
    kind_import "$file" "$node"
  done < <(find "$IMAGES" -name '*.tar' -newermt "$time")
}

# kind_import FILE NODE...
kind_import() {
  local file=$1 IFS=,
  shift
  kind load image-archive "$file" --name "$KIND_NAME" --nodes "$*" </dev/null >>"$KIND_LOG" 2>&1 ||
    die "${file##*/} could not be loaded into $*: see $KIND_LOG"
}

# The kubelet's answer, because a node that was just stopped is still Ready in the API. Then
# kube-proxy, because without it the pods of the node reach no Service.
kind_wait_node() {
  local node=$1
  wait_until "$KIND_READY_TIMEOUT" "the kubelet of $node" \
    kubectl get --raw "/api/v1/nodes/$node/proxy/healthz"
  kubectl wait --for=condition=Ready "node/$node" --timeout="${KIND_READY_TIMEOUT}s" >/dev/null ||
    die "$node did not become Ready: see docker logs $node"
  wait_until "$KIND_READY_TIMEOUT" "kube-proxy on $node" kubectl --namespace kube-system \
    wait --for=condition=Ready pod --selector k8s-app=kube-proxy --field-selector "spec.nodeName=$node"
}

# Not in the configuration: a kubelet cannot set the label of the role worker itself.
kind_label() {
  kubectl label node "$1" --overwrite node-role.kubernetes.io/worker= >/dev/null
}

kind_wait_containerd() {
  wait_until "$KIND_READY_TIMEOUT" "containerd on $1" docker exec "$1" ctr version
}

kind_address() {
  kind_inspect '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"
}

# kind_inspect TEMPLATE NODE
kind_inspect() {
  docker container inspect --format "$1" "$2"
}
