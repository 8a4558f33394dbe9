# shellcheck shell=bash
# The local cluster's control plane: etcd, kube-apiserver, controller manager,
# scheduler and DNS, in a network namespace of their own, and the way in.

PKI=$STATE/pki
CONTROL_PLANE=$STATE/control-plane
API_SOCKET=$RUN/api.sock
CLUSTER_PORT=$PORT_BASE
CONTROL_PLANE_PROCESSES=(etcd kube-apiserver api-socket api-port
  kube-controller-manager kube-scheduler coredns)

# start_control_plane KUBERNETES ETCD COREDNS: starts what does not run.
start_control_plane() {
  local kubernetes=$1 etcd=$2 coredns=$3
  make_control_plane_network
  make_control_plane_credentials
  start_etcd "$etcd"
  start_apiserver "$kubernetes"
  start_proxies
  wait_spawned 60 cluster/kube-apiserver "$LOGS/kube-apiserver.log" \
    kubectl get --raw /readyz
  # Not before: the controller manager ends where it finds no API.
  start_controllers "$kubernetes"
  kubectl apply --server-side --filename "$CLUSTER_D/system.yaml" >/dev/null
  start_dns "$coredns"
}

# Pods can be made as soon as the controllers have made the account they run as.
wait_control_plane() {
  wait_spawned 60 cluster/kube-controller-manager "$LOGS/kube-controller-manager.log" \
    kubectl get serviceaccount default
  local name
  for name in "${CONTROL_PLANE_PROCESSES[@]}"; do
    spawned_pid "cluster/$name" >/dev/null || die "$name ended: see $LOGS/$name.log"
  done
}

make_control_plane_credentials() {
  local inside=https://$CONTROL_PLANE_IP:6443 name
  mkdir -p "$CONTROL_PLANE"
  make_apiserver_pki "$PKI" ",IP:$CONTROL_PLANE_IP,IP:10.96.0.1"
  for name in kube-controller-manager kube-scheduler coredns kube-proxy; do
    make_cert "$PKI" ca "$name" "/CN=system:$name"
    write_kubeconfig "$PKI/$name.kubeconfig" "$inside" "$PKI" "$name"
  done
  write_kubeconfig "$STATE/kubeconfig" "https://127.0.0.1:$CLUSTER_PORT" "$PKI" admin
}

# run NAME COMMAND...: in the control plane's network, unless it runs.
run() {
  local name=$1
  shift
  ! spawned_pid "cluster/$name" >/dev/null || return 0
  spawn "cluster/$name" "$LOGS/$name.log" \
    nsenter --net="/run/netns/$CONTROL_PLANE_NETNS" "$@"
}

start_etcd() {
  local args
  readarray -t args < <(etcd_args "$CONTROL_PLANE/etcd" 2379 2380)
  run etcd "$1/etcd" "${args[@]}"
}

start_apiserver() {
  local args
  readarray -t args < <(apiserver_args "$PKI" 2379 "$STATE/audit.log")
  # Webhooks and proxied Services go straight to pods: kube-proxy's rules, which
  # lead from a Service to its pods, are in the nodes.
  run kube-apiserver "$1/kube-apiserver" "${args[@]}" \
    --advertise-address="$CONTROL_PLANE_IP" \
    --enable-aggregator-routing \
    --kubelet-preferred-address-types=InternalIP \
    --kubelet-certificate-authority="$PKI/ca.crt" \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
    --kubelet-client-key="$PKI/apiserver-kubelet-client.key"
}

# From the machine's loopback to the API server: a socket in the file system is
# seen from every network namespace.
start_proxies() {
  run api-socket socat "UNIX-LISTEN:$API_SOCKET,fork,mode=600,unlink-early" \
    TCP:127.0.0.1:6443
  ! spawned_pid cluster/api-port >/dev/null || return 0
  need_free_port "$CLUSTER_PORT"
  spawn cluster/api-port "$LOGS/api-port.log" \
    socat "TCP-LISTEN:$CLUSTER_PORT,bind=127.0.0.1,fork,reuseaddr" \
    "UNIX-CONNECT:$API_SOCKET"
}

# Nodes report every 3 s (node.sh): 20 s of silence is a dead node, not a busy
# machine.
start_controllers() {
  local kubernetes=$1
  run kube-controller-manager "$kubernetes/kube-controller-manager" \
    --kubeconfig="$PKI/kube-controller-manager.kubeconfig" \
    --authentication-kubeconfig="$PKI/kube-controller-manager.kubeconfig" \
    --authorization-kubeconfig="$PKI/kube-controller-manager.kubeconfig" \
    --bind-address=127.0.0.1 --leader-elect=false \
    --use-service-account-credentials \
    --service-account-private-key-file="$PKI/service-account.key" \
    --root-ca-file="$PKI/ca.crt" \
    --cluster-signing-cert-file="$PKI/ca.crt" \
    --cluster-signing-key-file="$PKI/ca.key" \
    --node-monitor-period=2s --node-monitor-grace-period=20s
  run kube-scheduler "$kubernetes/kube-scheduler" \
    --kubeconfig="$PKI/kube-scheduler.kubeconfig" \
    --authentication-kubeconfig="$PKI/kube-scheduler.kubeconfig" \
    --authorization-kubeconfig="$PKI/kube-scheduler.kubeconfig" \
    --bind-address=127.0.0.1 --leader-elect=false
}

# There is nobody to forward to: other names do not exist, and saying so at once
# keeps a pod's search list quick.
start_dns() {
  cat >"$CONTROL_PLANE/Corefile" <<EOF
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
  bind $CONTROL_PLANE_IP
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $PKI/coredns.kubeconfig
    ttl 5
  }
}
.:53 {
  bind $CONTROL_PLANE_IP
  errors
  template ANY ANY {
    rcode NXDOMAIN
  }
}
EOF
  run coredns "$1/coredns" -conf "$CONTROL_PLANE/Corefile"
}
