#!/usr/bin/env bash
# The first process of a local node, in new mount, pid, uts and ipc namespaces and in the
# network namespace of the node: creates the root file system, switches to it and executes
# the init process. The mounts are removed with the mount namespace.
#
# node-root.sh NODE DIR ROOTFS KUBERNETES IMAGES LOGS
set -euo pipefail

node=$1 dir=$2 rootfs=$3 kubernetes=$4 images=$5 logs=$6
root=$dir/root
# A directory that AIDE's usual rules do not select.
private=$root/var/lib/fio-node

# With index=on, the overlay is busy until the kernel has removed the last mount of the
# previous run of the node, which happens after the last process has exited and the file
# system has been synced. fanotify requires index and nfs_export.
mount_root() {
  local options="lowerdir=$rootfs,upperdir=$dir/upper,workdir=$dir/work" errors
  options+=,index=on,nfs_export=on,redirect_dir=off,metacopy=off
  for _ in {1..600}; do
    if errors=$(mount -t overlay overlay -o "$options" "$root" 2>&1); then
      return
    fi
    sleep 0.1
  done
  printf 'the root overlay of %s cannot be mounted: %s\n' "$node" "$errors" >&2
  exit 1
}

mount_system() {
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount_cgroups
  mount --rbind /dev "$root/dev"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
}

# Mounts the hierarchies of the machine again, so that they begin at the root of this cgroup
# namespace.
mount_cgroups() {
  local top type options at
  [[ -e /sys/fs/cgroup/cgroup.controllers ]] ||
    mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  while read -r top type options; do
    at=$root$top
    mkdir -p "$at"
    mount -t "$type" -o "$options" "$type" "$at"
  done < <(awk '$0 ~ / - cgroup2? / && $5 ~ "^/sys/fs/cgroup" { print $5, $(NF - 2), $NF }' \
    /proc/self/mountinfo)
}

# The files of containerd and the kubelet are outside the overlay: an overlay cannot
# contain the upper layer of another one.
mount_private() {
  mkdir -p "$root/var/lib"/{containerd,kubelet} "$private"/{bin,images,logs,conf}
  mount --bind "$dir/containerd" "$root/var/lib/containerd"
  mount --bind "$dir/kubelet" "$root/var/lib/kubelet"
  mount --bind -o ro "$kubernetes" "$private/bin"
  mount --bind -o ro "$images" "$private/images"
  mount --bind -o ro "$dir/conf" "$private/conf"
  mount --bind "$logs" "$private/logs"
}

# The kubelet requires values of these settings, which are global. It gets files with these
# values.
mask_sysctls() {
  local setting value
  while read -r setting value; do
    mkdir -p "$dir/conf/sysctl/${setting%/*}"
    printf '%s\n' "$value" >"$dir/conf/sysctl/$setting"
    [[ ! -e $root/proc/sys/$setting ]] ||
      mount --bind "$dir/conf/sysctl/$setting" "$root/proc/sys/$setting"
  done <<'EOF'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
EOF
}

# put FILE TEXT: writes only changed files, because AIDE would report the write.
put() {
  [[ -e $root$1 && $(<"$root$1") == "$2" ]] || printf '%s\n' "$2" >"$root$1"
}

write_identity() {
  put /etc/hostname "$node"
  put /etc/hosts "127.0.0.1 localhost"$'\n'"::1 localhost"
  put /etc/machine-id "$(printf %s "$dir" | sha256sum | cut -c1-32)"
  # No name server: nodes need none, and pods use that of the cluster.
  put /etc/resolv.conf "# empty: see hack/cluster.d/node-root.sh"
  mkdir -p "$root/etc/kubernetes"
}

enter_root() {
  hostname "$node"
  cp "${BASH_SOURCE[0]%/*}/node-boot.sh" "$root/run/node-boot.sh"
  mkdir -p "$root/run/old-root"
  cd "$root"
  pivot_root . run/old-root
  # Lazily, because it is busy until the children have switched to the new root.
  umount --lazy /run/old-root
  rmdir /run/old-root
  exec env -i HOME=/root LANG=C.UTF-8 container=fio \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash /run/node-boot.sh "$node"
}

mount_root
mount_private
mount_system
mask_sysctls
write_identity
enter_root
