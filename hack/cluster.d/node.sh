# shellcheck shell=bash
# The nodes of the local cluster. A node is a set of namespaces of this machine: a network
# (network.sh), a root file system (an overlay over the cached Debian tree) and an init
# process (node-boot.sh) that runs containerd, the kubelet and kube-proxy. When the init
# process exits, all processes of the node are killed and its mounts are removed.
#
# .cluster/nodes/NODE has its disk and exists as long as the node.

NODES=$STATE/nodes

need_node() {
  [[ $1 =~ ^node[1-9][0-9]*$ && -d $NODES/$1 ]] ||
    die "there is no node $1: see hack/cluster nodes"
}

node_names() {
  local dir
  for dir in "$NODES"/node*; do
    [[ ! -d $dir ]] || printf '%s\n' "${dir##*/}"
  done | sort -V
}

# Prints the name with the lowest unused number.
next_node() {
  local number=1
  while [[ -e $NODES/node$number ]]; do
    number=$((number + 1))
  done
  # The limit of the addresses, see network.sh.
  ((number <= 200)) || die "there are 200 nodes already: remove one first"
  printf 'node%d\n' "$number"
}

# boot_node NODE KUBERNETES ROOTFS: creates missing files and starts the node.
boot_node() {
  local node=$1 kubernetes=$2 rootfs=$3
  mkdir -p "$IMAGES" "$NODES/$node"/{upper,work,root,containerd,kubelet,conf/cni,conf/sysctl} \
    "$LOGS/$node"
  ! spawned_pid "cluster/$node" >/dev/null || return 0
  make_node_network "$node"
  make_node_cgroups "$node"
  write_node_conf "$node"
  register_node "$node"
  spawn "cluster/$node" "$LOGS/$node/init.log" \
    nsenter --net="/run/netns/$(node_netns "$node")" \
    bash "$CLUSTER_D/node-cgroups.sh" "$(node_cgroup "$node")" \
    unshare --mount --pid --uts --ipc --fork --kill-child --propagation private \
    bash "$CLUSTER_D/node-root.sh" "$node" "$NODES/$node" "$rootfs" "$kubernetes" \
    "$IMAGES" "$LOGS/$node"
}

# Creates the Node object as the administrator: a kubelet cannot set the label of the role
# worker itself.
register_node() {
  local node=$1
  kubectl apply --server-side --filename - >/dev/null <<EOF
apiVersion: v1
kind: Node
metadata:
  name: $node
  labels:
    node-role.kubernetes.io/worker: ""
spec:
  podCIDR: $(node_pod_network "$node")
  podCIDRs: ["$(node_pod_network "$node")"]
EOF
}

# wait_node NODE: also queries the kubelet, because a node that was just stopped is still
# Ready in the API.
wait_node() {
  local node=$1
  wait_spawned 120 "cluster/$node" "$LOGS/$node/" \
    kubectl get --raw "/api/v1/nodes/$node/proxy/healthz"
  kubectl wait --for=condition=Ready "node/$node" --timeout=120s >/dev/null ||
    die "$node did not become Ready: see $LOGS/$node/kubelet.log"
}

# halt_node NODE: also waits for all processes of the node, because the init process exits
# after them.
halt_node() {
  local node=$1
  stop_spawned "cluster/$node"
  kill_netns "$(node_netns "$node")"
  remove_cgroups "$(node_cgroup "$node")"
}

delete_node() {
  local node=$1
  halt_node "$node"
  delete_node_network "$node"
  rm -rf --one-file-system "${NODES:?}/$node"
}

# run_on_node NODE COMMAND...: runs a command in all namespaces of the node.
run_on_node() {
  local node=$1 parent init
  shift
  parent=$(spawned_pid "cluster/$node") || die "$node is stopped: run hack/cluster start-node $node"
  init=$(pgrep --parent "$parent") || die "$node is starting or stopping: try again"
  nsenter --target "$init" --mount --pid --net --uts --ipc -- \
    env -i HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# import_image NODE FILE: FILE is in .cluster/images, which is mounted in the node.
import_image() {
  local node=$1 file=$2 errors
  errors=$(run_on_node "$node" ctr --namespace k8s.io images import \
    "/var/lib/fio-node/images/${file##*/}" 2>&1) ||
    die "$node could not import ${file##*/}: $errors"
}

write_node_conf() {
  local node=$1 conf=$NODES/$1/conf inside=https://$CONTROL_PLANE_IP:6443
  make_cert "$PKI" ca "$node" "/O=system:nodes/CN=system:node:$node" \
    "DNS:$node,IP:$(node_ip "$node")"
  write_kubeconfig "$conf/kubelet.kubeconfig" "$inside" "$PKI" "$node"
  cp "$PKI/kube-proxy.kubeconfig" "$PKI/ca.crt" "$PKI/$node.crt" "$PKI/$node.key" "$conf"
  write_cni_conf "$node" >"$conf/cni/10-fio.conflist"
  write_containerd_conf >"$conf/containerd.toml"
  write_registry_hosts "$conf/registries"
  write_kubelet_conf "$node" >"$conf/kubelet.yaml"
  write_kube_proxy_conf "$node" >"$conf/kube-proxy.yaml"
}

# ptp instead of bridge: without a switch between the pods of a node, their packets always
# pass the rules of kube-proxy, also if the kernel has no br_netfilter. The address records
# in /run are removed with the pods.
write_cni_conf() {
  cat <<EOF
{"cniVersion": "1.0.0", "name": "fio", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipam": {
    "type": "host-local", "dataDir": "/run/cni", "routes": [{"dst": "0.0.0.0/0"}],
    "ranges": [[{"subnet": "$(node_pod_network "$1")"}]]}}]}
EOF
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower the score.
write_containerd_conf() {
  cat <<EOF
version = 2
oom_score = 0
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/var/lib/fio-node/conf/registries"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/var/lib/fio-node/conf/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
EOF
}

# The node uses the disk of the machine, and images cannot be pulled again: disable eviction
# and garbage collection for a nearly full disk. syncFrequency is how often changed ConfigMaps
# and Secrets reach the pods that mount them; the default is a minute. Kubelets before 1.31 do
# not know failCgroupV1, and ignore it with a warning.
write_kubelet_conf() {
  local node=$1
  cat <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: /var/lib/fio-node/conf/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: /var/lib/fio-node/conf/$node.crt
tlsPrivateKeyFile: /var/lib/fio-node/conf/$node.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
clusterDomain: cluster.local
clusterDNS: ["$DNS_IP"]
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
nodeStatusUpdateFrequency: 3s
syncFrequency: 10s
nodeLeaseDurationSeconds: 12
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%, imagefs.inodesFree: 0%}
shutdownGracePeriod: 0s
EOF
}

# Zeros keep the limits of connection tracking, which are global. Kubernetes 1.30 needs the
# feature gate for the mode nftables; later versions have it enabled and still accept it.
write_kube_proxy_conf() {
  cat <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
featureGates: {NFTablesProxyMode: true}
hostnameOverride: $1
clusterCIDR: $POD_NETWORK
clientConnection: {kubeconfig: /var/lib/fio-node/conf/kube-proxy.kubeconfig}
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0}
EOF
}
