# shellcheck shell=bash
# The file system of a kind node: Debian packages, the files of kind's own node image, and
# the programs of Kubernetes. Follows images/base/Dockerfile of kind.

KIND_NODE_PACKAGES=bash,ca-certificates,conntrack,containerd,containernetworking-plugins,curl,dbus,ethtool,iproute2,iptables,jq,kmod,mount,nftables,pigz,procps,runc,systemd,systemd-sysv,util-linux

# make_tree TREE VERSION
make_tree() {
  local tree=$1 version=$2
  cp -a "$ROOTFS" "$tree"
  install_kind_files "$tree"
  install_programs "$tree"
  install_manifests "$tree"
  printf '%s\n' "$version" >"$tree/kind/version"
  adapt_containerd "$tree"
  adapt_kubelet "$tree" "$version"
  adapt_systemd "$tree"
  adapt_entrypoint "$tree"
}

install_kind_files() {
  local tree=$1
  # Without the modes of the module cache, which is read-only.
  cp -R --no-preserve=mode "$KIND_SOURCE/images/base/files/"{etc,kind,usr} "$tree"
  chmod 755 "$tree"/kind/bin/* "$tree"/usr/local/bin/*
}

# kind's files expect containerd in /usr/local/bin and the CNI plugins in /opt/cni/bin.
install_programs() {
  local tree=$1 program
  install -t "$tree/usr/bin" "$KUBERNETES/kubelet" "$KUBERNETES/kubectl" "$KUBEADM/kubeadm"
  install -t "$tree/usr/local/bin" "$CRICTL/crictl"
  for program in containerd containerd-shim-runc-v2 ctr; do
    ln -s "/usr/bin/$program" "$tree/usr/local/bin/$program"
  done
  mkdir -p "$tree/opt/cni" "$tree/etc/kubernetes/manifests"
  ln -s /usr/lib/cni "$tree/opt/cni/bin"
}

# kind applies these when it creates a cluster.
install_manifests() {
  local tree=$1
  mkdir -p "$tree/kind/manifests"
  cp "$KIND_D/default-cni.yaml" "$KIND_D/default-storage.yaml" "$tree/kind/manifests"
}

# Without CAP_SYS_RESOURCE, neither systemd nor runc can lower an OOM score.
adapt_containerd() {
  local tree=$1
  sed -i '/^OOMScoreAdjust=/d' "$tree/etc/systemd/system/containerd.service"
  sed -i "s|sandbox_image = .*|sandbox_image = \"$(kubernetes_image pause)\"|; s|restrict_oom_score_adj = false|restrict_oom_score_adj = true|" \
    "$tree/etc/containerd/config.toml"
  chroot "$tree" ctr oci spec | chroot "$tree" jq \
    '.hooks.createContainer = [{path: "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
    >"$tree/etc/containerd/cri-base.json"
}

# The flag exists since 1.31, and since 1.35 the kubelet requires it with cgroup v1.
adapt_kubelet() {
  local tree=$1 minor=${2#v1.}
  ((${minor%%.*} < 31)) ||
    sed -i 's/^KUBELET_EXTRA_ARGS=.*/& --fail-cgroupv1=false/' "$tree/etc/default/kubelet"
}

# Without the units of a machine, and without settings of the kernel that apply to the machine.
adapt_systemd() {
  local tree=$1
  rm -f "$tree"/usr/lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* \
    "$tree"/usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service \
    "$tree"/usr/lib/systemd/system/sockets.target.wants/*{udev,initctl}* \
    "$tree"/etc/systemd/system/*.wants/* "$tree"/usr/lib/sysctl.d/* \
    "$tree/etc/machine-id" "$tree/var/lib/dbus/machine-id"
  printf 'ReadKMsg=no\n' >>"$tree/etc/systemd/journald.conf"
  in_tree "$tree" systemctl --quiet enable kubelet.service containerd.service undo-mount-hacks.service
  in_tree "$tree" systemctl --quiet mask systemd-binfmt.service
}

adapt_entrypoint() {
  local tree=$1 entrypoint=$1/usr/local/bin/entrypoint
  install -t "$tree/kind/bin" "$KIND_D/before-init.sh"
  sed -i "/^log_info 'starting init'/i source /kind/bin/before-init.sh" "$entrypoint"
  grep --quiet before-init "$entrypoint" || die "kind's entrypoint has changed: see hack/kind.d/tree.sh"
}

# in_tree TREE COMMAND...: without the warning of systemctl that there is no /proc.
in_tree() {
  SYSTEMD_LOG_LEVEL=err chroot "$@"
}
