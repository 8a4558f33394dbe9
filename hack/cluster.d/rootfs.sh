# shellcheck shell=bash
# Debian 13 trees, made once by debootstrap and cached: the root file system of
# the local cluster's nodes, and the base image where no registry is at hand.

ROOTFS_SUITE=trixie

# What a node needs beyond the base system. aide is for hack/aide and for tests
# that compare with it; fio brings its own.
ROOTFS_NODE_PACKAGES=aide,ca-certificates,containerd,containernetworking-plugins,iproute2,iptables,mount,nftables,procps,runc,util-linux

# Prints the path of the nodes' tree, made if missing.
node_rootfs() {
  rootfs node "$ROOTFS_NODE_PACKAGES"
}

# Prints the path of the base image's tree, made if missing.
base_rootfs() {
  rootfs base ''
}

# rootfs NAME PACKAGES
rootfs() {
  local name=$1 packages=$2 dir
  dir=$CACHE/rootfs/$name-$(hash "$ROOTFS_SUITE" "$packages" 1)
  cached "$dir" "the $name root file system" make_rootfs "$packages"
  printf '%s\n' "$dir"
}

# make_rootfs PACKAGES DIR: in a mount namespace of its own, so that a run that
# is killed leaves none of debootstrap's mounts behind.
make_rootfs() {
  local packages=$1 dir=$2 output=${2%.tmp}.log mirror
  [[ $(id -u) == 0 ]] || die "debootstrap needs root: run this as root"
  need_command debootstrap debootstrap
  mirror=$(debian_mirror 'deb.*/debian/?$')
  log "making a Debian $ROOTFS_SUITE tree (about 40 s)"
  # shellcheck disable=SC2086 # no mirror is no argument: debootstrap's default
  unshare --mount --propagation private debootstrap --variant=minbase \
    ${packages:+--include="$packages"} "$ROOTFS_SUITE" "$dir" $mirror >"$output" 2>&1 </dev/null ||
    die "debootstrap failed: see $output"
  add_updates "$dir" "$mirror"
  rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/*
  # Both came from this machine; they are different in every node and image.
  rm -f "$dir/etc/hostname" "$dir/etc/resolv.conf"
}

# Adds the updates that Debian publishes beside the release itself, from where
# this machine has them.
add_updates() {
  local dir=$1 mirror=$2 security
  security=$(debian_mirror '/debian-security/?$')
  [[ -n $mirror && -n $security ]] || return 0
  printf 'deb %s %s main\n' \
    "$mirror" "$ROOTFS_SUITE-updates" "$security" "$ROOTFS_SUITE-security" \
    >>"$dir/etc/apt/sources.list"
}

# debian_mirror PATTERN: the first archive this machine's apt uses that fits.
debian_mirror() {
  apt-get indextargets --format "\$(SITE)" 2>/dev/null | grep -E -m1 "$1" || true
}
