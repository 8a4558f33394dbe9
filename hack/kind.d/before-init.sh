#!/bin/bash
# Part of the entrypoint of the node image of hack/kind-node-image: sets up what kind's
# images expect of the machine and of kind's network daemon. Then the entrypoint executes
# its arguments: systemd.
#
# shellcheck disable=SC2034

# The addresses of the nodes of all clusters differ in the last part.
ADDRESS=$(ip -4 -o address show dev eth0 | awk '{ sub("/.*", "", $4); print $4; exit }')
MOST_NODES=60

# pod_network ADDRESS: prints the network of the pods of the node with this address.
pod_network() {
  printf '10.244.%d.0/24\n' "${1##*.}"
}

# ptp instead of a bridge, as kind's daemon does. The address records in /run are removed
# with the pods.
write_cni_conf() {
  mkdir -p /etc/cni/net.d
  cat >/etc/cni/net.d/10-fio.conflist <<EOF
{"cniVersion": "1.0.0", "name": "fio", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipam": {
    "type": "host-local", "dataDir": "/run/cni", "routes": [{"dst": "0.0.0.0/0"}],
    "ranges": [[{"subnet": "$(pod_network "$ADDRESS")"}]]}}]}
EOF
}

# Routes to the pods of all nodes that can exist. docker numbers them from 2.
add_routes() {
  local number other
  echo 1 >/proc/sys/net/ipv4/ip_forward
  for number in $(seq 2 "$MOST_NODES"); do
    other=${ADDRESS%.*}.$number
    [[ $other == "$ADDRESS" ]] || ip route replace "$(pod_network "$other")" via "$other"
  done
}

# The kubelet and systemd set these, which are global. They get files with these values, or
# with the present ones.
mask_sysctls() {
  local setting value file
  while read -r setting value; do
    [[ -e /proc/sys/$setting ]] || continue
    file=/kind/sysctl/$setting
    mkdir -p "${file%/*}"
    printf '%s\n' "${value:-$(</proc/sys/"$setting")}" >"$file"
    mount --bind "$file" "/proc/sys/$setting"
    mount -o remount,bind,ro "/proc/sys/$setting"
  done <<'EOF'
fs/file-max
fs/nr_open
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
EOF
}

write_cni_conf
add_routes
mask_sysctls
# The systemd of Debian 13 refuses version 1 without these. In a container, its arguments
# are the command line of the kernel.
[[ -e /sys/fs/cgroup/cgroup.controllers ]] ||
  set -- "$@" SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 systemd.unified_cgroup_hierarchy=0
