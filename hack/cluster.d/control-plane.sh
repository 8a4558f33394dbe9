# shellcheck shell=bash
# The control plane of the local cluster: etcd, kube-apiserver, controller manager,
# scheduler and DNS in a network namespace, and a proxy to it.

PKI=$STATE/pki
CONTROL_PLANE=$STATE/control-plane
API_SOCKET=$RUN/api.sock
CLUSTER_PORT=$PORT_BASE
CONTROL_PLANE_PROCESSES=(etcd kube-apiserver api-socket api-port
  kube-controller-manager kube-scheduler coredns)

# start_control_plane KUBERNETES ETCD COREDNS: starts the processes that are not running.
start_control_plane() {
  local kubernetes=$1 etcd=$2 coredns=$3
  make_control_plane_network
  make_control_plane_credentials
  start_etcd "$etcd"
  start_apiserver "$kubernetes"
  start_proxies
  wait_spawned 60 cluster/kube-apiserver "$LOGS/kube-apiserver.log" \
    kubectl get --raw /readyz
  # Start it last: the controller manager exits if it cannot reach the API.
  start_controllers "$kubernetes"
  kubectl apply --server-side --filename "$CLUSTER_D/system.yaml" >/dev/null
  start_dns "$coredns"
}

# Pods can be created when the controllers have created their ServiceAccount.
wait_control_plane() {
  wait_spawned 60 cluster/kube-controller-manager "$LOGS/kube-controller-manager.log" \
    kubectl get serviceaccount default
  local name
  for name in "${CONTROL_PLANE_PROCESSES[@]}"; do
    spawned_pid "cluster/$name" >/dev/null || die "$name exited: see $LOGS/$name.log"
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

# run NAME COMMAND...: starts a process in the network of the control plane unless it is running.
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
  # Aggregated routing: only the nodes have the rules of kube-proxy that map a Service to
  # its pods.
  run kube-apiserver "$1/kube-apiserver" "${args[@]}" \
    --advertise-address="$CONTROL_PLANE_IP" \
    --enable-aggregator-routing \
    --kubelet-preferred-address-types=InternalIP \
    --kubelet-certificate-authority="$PKI/ca.crt" \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
    --kubelet-client-key="$PKI/apiserver-kubelet-client.key"
}

# Forwards a loopback port to the API server, through a socket in the file system, which is
# reachable from every network namespace.
start_proxies() {
  run api-socket socat "UNIX-LISTEN:$API_SOCKET,fork,mode=600,unlink-early" \
    TCP:127.0.0.1:6443
  ! spawned_pid cluster/api-port >/dev/null || return 0
  need_free_port "$CLUSTER_PORT"
  spawn cluster/api-port "$LOGS/api-port.log" \
    socat "TCP-LISTEN:$CLUSTER_PORT,bind=127.0.0.1,fork,reuseaddr" \
    "UNIX-CONNECT:$API_SOCKET"
}

# Nodes report every 3 s (node.sh). A node without a report for 20 s is down, even on a
# busy machine.
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

# There is no upstream server: other names do not exist. An immediate answer keeps lookups
# with the search list of a pod fast.
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
