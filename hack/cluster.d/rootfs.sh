# shellcheck shell=bash
# Debian 13 trees, created with debootstrap and cached: the root file system of the nodes of
# the local cluster, and the base image without a registry.

ROOTFS_SUITE=trixie
# arm64: trees and images of arm64 on a machine of another architecture. Requires
# image.d/emulation.sh.
ROOTFS_ARCH=${ROOTFS_ARCH:-}

# Packages of a node in addition to the base system. aide is for hack/aide and for tests;
# fio uses its own.
ROOTFS_NODE_PACKAGES=aide,ca-certificates,containerd,containernetworking-plugins,iproute2,iptables,mount,nftables,procps,runc,util-linux

# Prints the path of the tree for nodes, and creates it if necessary.
node_rootfs() {
  rootfs node "$ROOTFS_NODE_PACKAGES"
}

# Prints the minutes to create it unless it exists.
list_missing_node_rootfs() {
  local dir
  dir=$(rootfs_dir node "$ROOTFS_NODE_PACKAGES")
  [[ -e $dir ]] || printf '1 a Debian tree\n'
}

# Prints the path of the tree for the base image, and creates it if necessary.
base_rootfs() {
  rootfs base ''
}

# rootfs NAME PACKAGES
rootfs() {
  local name=$1 packages=$2 dir
  dir=$(rootfs_dir "$name" "$packages")
  cached "$dir" "the $name root file system" make_rootfs "$packages"
  printf '%s\n' "$dir"
}

# rootfs_dir NAME PACKAGES: prints that path.
rootfs_dir() {
  local key
  key=$(hash "$ROOTFS_SUITE" "$2" 1)
  printf '%s\n' "$CACHE/rootfs/$1${ROOTFS_ARCH:+-$ROOTFS_ARCH}-$key"
}

# make_rootfs PACKAGES DIR
make_rootfs() {
  local packages=$1 dir=$2 output=${2%.tmp}.log mirror
  [[ $(id -u) == 0 ]] || die "debootstrap requires root: run this as root"
  need_command debootstrap debootstrap
  mirror=$(debian_mirror 'deb.*/debian/?$')
  log "creating a Debian $ROOTFS_SUITE tree (about 40 s${ROOTFS_ARCH:+, and 5 minutes for $ROOTFS_ARCH})"
  bootstrap "$packages" "$dir" "$mirror" >"$output" 2>&1 </dev/null ||
    die "debootstrap failed: see $output"
  add_updates "$dir" "$mirror"
  rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/*
  # Containers have their own devices, and the emulation cannot copy these.
  [[ -z $ROOTFS_ARCH ]] || find "$dir/dev" -mindepth 1 -delete
  # Both are from this machine and differ in every node and image.
  rm -f "$dir/etc/hostname" "$dir/etc/resolv.conf"
}

# bootstrap PACKAGES DIR MIRROR: uses a separate mount namespace, so that a killed run leaves
# no mounts of debootstrap. Its second stage runs programs of the tree.
bootstrap() {
  local packages=$1 dir=$2 mirror=$3
  # shellcheck disable=SC2086 # without a mirror, pass no argument
  unshare --mount --propagation private debootstrap --variant=minbase ${packages:+--include="$packages"} \
    ${ROOTFS_ARCH:+--arch="$ROOTFS_ARCH" --foreign} "$ROOTFS_SUITE" "$dir" $mirror || return
  # shellcheck disable=SC2016 # expanded by the inner bash
  [[ -z $ROOTFS_ARCH ]] || emulated bash -c '
    mount --rbind /proc "$1/proc"
    mount --rbind /sys "$1/sys"
    # In a container debootstrap creates no devices. The first stage has created them.
    container=lxc exec chroot "$1" /debootstrap/debootstrap --second-stage' bash "$dir"
}

# Adds the sources for updates of the release that this machine uses.
add_updates() {
  local dir=$1 mirror=$2 security
  security=$(debian_mirror '/debian-security/?$')
  [[ -n $mirror && -n $security ]] || return 0
  printf 'deb %s %s main\n' \
    "$mirror" "$ROOTFS_SUITE-updates" "$security" "$ROOTFS_SUITE-security" \
    >>"$dir/etc/apt/sources.list"
}

# debian_mirror PATTERN: prints the first matching archive of apt on this machine.
debian_mirror() {
  apt-get indextargets --format "\$(SITE)" 2>/dev/null | grep -E -m1 "$1" || true
}
