# shellcheck shell=bash
# Replaces an image registry for the build stage of the Containerfile: creates the Rust
# base image from the toolchain of this machine and the crates of Cargo.lock. Requires
# cluster.d/rootfs.sh and runtime.sh.

RUST_PACKAGES=ca-certificates,gcc,libc6-dev
# The directory of the crates in the image, where cargo finds its configuration.
CRATES=/.cargo

# rust_base RUNTIME: creates the image with the name in the Containerfile.
rust_base() {
  local name rootfs crates
  name=$(sed -nE 's/^FROM (.*) AS build$/\1/p' "$CHECKOUT/Containerfile")
  [[ -n $name ]] || die "the Containerfile has no stage named build"
  rootfs=$(rootfs rust "$RUST_PACKAGES")
  crates=$(crates)
  base_image "$1" "$name" "${rootfs##*/}-$(hash "$(rustc -vV)")-${crates##*/}" \
    fill_rust "$rootfs" "$(rustc --print sysroot)" "$crates"
}

# fill_rust ROOTFS SYSROOT CRATES CONTAINER: omits the documentation, which is the largest
# part of the toolchain.
fill_rust() {
  local rootfs=$1 sysroot=$2 crates=$3 container=$4 dir=/usr/local/rust
  fill_base "$rootfs" "$container"
  buildah add --quiet "$container" "$sysroot/bin" "$dir/bin" >/dev/null
  buildah add --quiet "$container" "$sysroot/lib" "$dir/lib" >/dev/null
  buildah add --quiet "$container" "$crates" "$CRATES" >/dev/null
  buildah config --env CARGO_HOME=/usr/local/cargo \
    --env "PATH=$dir/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$container"
}

# crates: prints a directory for CRATES. It has the crates of Cargo.lock, and the cargo
# configuration that uses them. The build then requires neither the network nor the cargo
# configuration of this machine.
crates() {
  local dir
  dir=$CACHE/crates/$(hash "$(<"$CHECKOUT/Cargo.lock")")
  cached "$dir" "the crates" vendor_crates
  printf '%s\n' "$dir"
}

# vendor_crates DIR
vendor_crates() {
  log "collecting the crates of Cargo.lock"
  (cd "$CHECKOUT" && cargo vendor --quiet --locked "$1/vendor" >/dev/null)
  cat >"$1/config.toml" <<EOF
[source.crates-io]
replace-with = "vendor"

[source.vendor]
directory = "$CRATES/vendor"
EOF
}
