# shellcheck shell=bash
# The network of the local cluster: a namespace for the control plane with the bridge, and
# one for each node, connected with a veth.
#
# It has no address in the namespace of the machine, so every checkout uses the same
# addresses, and deleting the namespaces deletes the network. The cluster cannot reach
# anything outside.

CONTROL_PLANE_IP=172.30.0.1
POD_NETWORK=10.244.0.0/16
SERVICE_NETWORK=10.96.0.0/16
DNS_IP=10.96.0.10
CONTROL_PLANE_NETNS=fio-$CHECKOUT_ID-cp

# node2 has 172.30.0.12 and its pods 10.244.2.0/24.
node_netns() { printf 'fio-%s-%s\n' "$CHECKOUT_ID" "$1"; }
node_ip() { printf '172.30.0.%d\n' $((10 + ${1#node})); }
node_pod_network() { printf '10.244.%d.0/24\n' "${1#node}"; }

make_control_plane_network() {
  local ns=$CONTROL_PLANE_NETNS
  make_netns "$ns"
  in_netns "$ns" ip link show br0 >/dev/null 2>&1 ||
    ip -n "$ns" link add br0 type bridge
  ip -n "$ns" address replace "$CONTROL_PLANE_IP/24" dev br0
  ip -n "$ns" link set br0 up
}

# make_node_network NODE: the control plane routes to the pods of other nodes, so the
# routes of a node do not depend on the other nodes.
make_node_network() {
  local node=$1 ns bridge=$CONTROL_PLANE_NETNS
  ns=$(node_netns "$node")
  make_netns "$ns"
  in_netns "$ns" ip link show eth0 >/dev/null 2>&1 ||
    ip -n "$bridge" link add "$node" type veth peer name eth0 netns "$ns"
  ip -n "$bridge" link set "$node" master br0 up
  ip -n "$ns" address replace "$(node_ip "$node")/24" dev eth0
  ip -n "$ns" link set eth0 up
  ip -n "$ns" route replace "$POD_NETWORK" via "$CONTROL_PLANE_IP"
  # The rules of kube-proxy apply before a packet leaves the node.
  ip -n "$ns" route replace "$SERVICE_NETWORK" via "$CONTROL_PLANE_IP"
  # Otherwise packets to an unused address would loop between the node and the control plane.
  ip -n "$ns" route replace blackhole "$(node_pod_network "$node")"
  ip -n "$bridge" route replace "$(node_pod_network "$node")" via "$(node_ip "$node")"
}

# Deleting the namespace of a node deletes its veth and the route of the bridge.
delete_node_network() {
  delete_netns "$(node_netns "$1")"
  [[ ! -e /run/netns/$CONTROL_PLANE_NETNS ]] ||
    ip -n "$CONTROL_PLANE_NETNS" route del "$(node_pod_network "$1")" 2>/dev/null || true
}

# make_netns NAME: creates a namespace with routing. A killed run may have left the name
# without the namespace.
make_netns() {
  local ns=$1
  if ! in_netns "$ns" true 2>/dev/null; then
    rm -f "/run/netns/$ns"
    # `ip netns` creates a mount at this directory and does not remove it.
    mountpoint --quiet /run/netns || { mkdir -p "$RUN" && touch "$RUN/mounted-netns"; }
    ip netns add "$ns"
  fi
  ip -n "$ns" link set lo up
  in_netns "$ns" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
}

delete_netns() {
  [[ ! -e /run/netns/$1 ]] || ip netns delete "$1"
}

# Removes the mount of the first namespace. This fails if other namespaces exist, which
# need it.
release_netns_folder() {
  [[ -e $RUN/mounted-netns ]] || return 0
  rm "$RUN/mounted-netns"
  ! umount /run/netns 2>/dev/null || rmdir --ignore-fail-on-non-empty /run/netns
}

# in_netns NAME COMMAND...: not `ip netns exec`, which remounts /sys and hides the cgroups.
in_netns() {
  nsenter --net="/run/netns/$1" "${@:2}"
}

# Prints the namespaces of this checkout.
our_netns() {
  local path
  for path in "/run/netns/fio-$CHECKOUT_ID-"*; do
    [[ ! -e $path ]] || printf '%s\n' "${path##*/}"
  done
}

# kill_netns NAME: kills all processes in the namespace. Only these scripts use it. Pods
# have their own namespaces and end with the init process of their node.
kill_netns() {
  local ns=$1
  wait_until "$KILL_TIMEOUT" "the processes in $ns to end" netns_killed "$ns"
}

netns_killed() {
  local pids
  pids=$(ip netns pids "$1" 2>/dev/null) || return 0
  [[ -n $pids ]] || return 0
  # shellcheck disable=SC2086 # one argument per pid
  kill -KILL $pids 2>/dev/null
  return 1
}
