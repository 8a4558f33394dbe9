# shellcheck shell=bash
# The disk of the virtual machine: Debian 13 with systemd, Debian's kernel, containerd and a
# kubelet. The Debian tree is cached, and the disk is created from it for each run, because it
# has the certificates of the run.

VM_PACKAGES=systemd,systemd-sysv,udev,dbus,kmod,linux-image-cloud-amd64,initramfs-tools,zstd,busybox,ca-certificates,containerd,containernetworking-plugins,conntrack,ethtool,iproute2,iptables,mount,nftables,openssh-server,procps,runc,util-linux
VM_DISK_SIZE=6G
# The addresses of qemu's user network.
VM_HOST_IP=10.0.2.2
VM_NODE_IP=10.0.2.15
VM_SERVICE_IP=10.96.0.1
# In the virtual machine. A directory that AIDE's usual rules do not select.
NODE_FILES=/var/lib/fio-node

# make_disk DIR KUBERNETES API_PORT IMAGE_ARCHIVE...: writes DIR/disk, DIR/vmlinuz and
# DIR/initrd. DIR/pki has the certificates, and DIR/ssh.pub the key for root.
make_disk() {
  local dir=$1 kubernetes=$2 port=$3 rootfs
  shift 3
  rootfs=$(rootfs vm "$VM_PACKAGES")
  cp --dereference "$rootfs"/boot/vmlinuz-* "$dir/vmlinuz"
  cp --dereference "$rootfs"/boot/initrd.img-* "$dir/initrd"
  rm -rf --one-file-system "$dir/upper" "$dir/work" "$dir/tree"
  mkdir -p "$dir/upper" "$dir/work" "$dir/tree"
  write_node_files "$dir/upper$NODE_FILES" "$dir/pki" "$port"
  install -D -t "$dir/upper$NODE_FILES/bin" "$kubernetes/kubelet"
  install -t "$dir/upper$NODE_FILES/bin" "$CHECKOUT/hack/vm.d/sampler"
  install -D -m 644 -t "$dir/upper$NODE_FILES/images" "$@"
  write_system_files "$dir/upper" "$dir/ssh.pub"
  # In its own mount namespace, so that a killed run leaves no mount.
  # shellcheck disable=SC2016 # expanded by the inner bash
  unshare --mount --propagation private bash -euc '
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/tree"
    rm -f "$2/disk"
    mke2fs -q -t ext4 -m 0 -E lazy_itable_init=1 -d "$2/tree" "$2/disk" "$3"' \
    bash "$rootfs" "$dir" "$VM_DISK_SIZE" >"$LOGS/vm/mke2fs.log" 2>&1 ||
    die "cannot create the disk: see $LOGS/vm/mke2fs.log"
  rm -rf --one-file-system "$dir/upper" "$dir/work" "$dir/tree"
}

# write_system_files ROOT SSH_KEY: there is no default route, so the machine reaches only the
# address of the host, and there the services on loopback.
write_system_files() {
  local root=$1 units=$1/etc/systemd/system unit
  mkdir -p "$units/multi-user.target.wants" "$root/root/.ssh"
  cp "$2" "$root/root/.ssh/authorized_keys"
  chmod 700 "$root/root/.ssh"
  chmod 600 "$root/root/.ssh/authorized_keys"
  printf '%s\n' "$VM_NODE" >"$root/etc/hostname"
  printf '127.0.0.1 localhost %s\n' "$VM_NODE" >"$root/etc/hosts"
  # No name server. The kubelet copies the file to the pods.
  printf '# empty: see hack/vm.d/image.sh\n' >"$root/etc/resolv.conf"
  mkdir -p "$root/etc/containerd" "$root/etc/kubernetes" "$root/etc/cni/net.d"
  write_containerd_conf >"$root/etc/containerd/config.toml"
  write_cni_conf >"$root/etc/cni/net.d/10-fio.conflist"
  cat >"$units/fio-network.service" <<UNIT
[Unit]
Description=Address, and the rules for the API server's Service
After=systemd-udev-settle.service
Wants=systemd-udev-settle.service
Before=ssh.service containerd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=ip link set eth0 up
ExecStart=ip address replace $VM_NODE_IP/24 dev eth0
ExecStart=nft --file $NODE_FILES/nftables
UNIT
  cat >"$units/fio-images.service" <<UNIT
[Unit]
Description=Images of the pods
After=containerd.service
Requires=containerd.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c 'for file in $NODE_FILES/images/*.tar; do ctr --namespace k8s.io images import \$file; done'
UNIT
  cat >"$units/kubelet.service" <<UNIT
[Unit]
After=fio-network.service fio-images.service
Requires=containerd.service fio-network.service fio-images.service
[Service]
ExecStart=$NODE_FILES/bin/kubelet --config $NODE_FILES/kubelet.yaml --kubeconfig $NODE_FILES/kubelet.kubeconfig --hostname-override $VM_NODE --node-ip $VM_NODE_IP
Restart=always
RestartSec=2
UNIT
  for unit in fio-network fio-images kubelet; do
    ln -s "../$unit.service" "$units/multi-user.target.wants/$unit.service"
  done
  for unit in apt-daily.timer apt-daily-upgrade.timer; do
    ln -s /dev/null "$units/$unit"
  done
}

# write_node_files DIR PKI API_PORT
write_node_files() {
  local dir=$1 pki=$2 port=$3
  mkdir -p "$dir"
  cp "$pki/ca.crt" "$dir"
  write_kubeconfig "$dir/kubelet.kubeconfig" "https://$VM_HOST_IP:$port" "$pki" kubelet
  write_kubelet_conf >"$dir/kubelet.yaml"
  # The only Service that the pods use is that of the API server.
  cat >"$dir/nftables" <<EOF_NFT
table ip fio {
  chain services {
    type nat hook prerouting priority dstnat;
    ip daddr $VM_SERVICE_IP tcp dport 443 dnat to $VM_HOST_IP:$port
  }
  chain outgoing {
    type nat hook postrouting priority srcnat;
    oifname "eth0" masquerade
  }
}
EOF_NFT
}

write_containerd_conf() {
  cat <<EOF_TOML
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
EOF_TOML
}

write_cni_conf() {
  cat <<'EOF_CNI'
{"cniVersion": "1.0.0", "name": "fio", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipam": {
    "type": "host-local", "dataDir": "/run/cni", "routes": [{"dst": "0.0.0.0/0"}],
    "ranges": [[{"subnet": "10.244.1.0/24"}]]}}]}
EOF_CNI
}

# The control groups are those of an ordinary node: the hierarchy of pods, managed by systemd.
# Without limits of CPU, because with them a container needs minutes to start in the emulation.
write_kubelet_conf() {
  cat <<EOF_KUBELET
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $NODE_FILES/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: systemd
cpuCFSQuota: false
clusterDomain: cluster.local
clusterDNS: ["10.96.0.10"]
nodeStatusUpdateFrequency: 5s
syncFrequency: 10s
imageGCHighThresholdPercent: 100
runtimeRequestTimeout: 10m
shutdownGracePeriod: 0s
EOF_KUBELET
}
