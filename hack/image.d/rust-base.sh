# shellcheck shell=bash
# What the Containerfile's build stage needs where there is no image registry: the
# Rust image that it begins with, made of this machine's toolchain, and the crates.
# Needs cluster.d/rootfs.sh and runtime.sh.

RUST_PACKAGES=ca-certificates,gcc,libc6-dev

# rust_base: makes the image under the name that the Containerfile has for it.
rust_base() {
  local name rootfs
  name=$(sed -nE 's/^FROM (.*) AS build$/\1/p' "$CHECKOUT/Containerfile")
  [[ -n $name ]] || die "the Containerfile has no stage called build"
  rootfs=$(rootfs rust "$RUST_PACKAGES")
  base_image "$name" "${rootfs##*/}-$(hash "$(rustc -vV)")" fill_rust "$rootfs" "$(rustc --print sysroot)"
}

# fill_rust ROOTFS SYSROOT CONTAINER: without the toolchain's documentation, which
# is most of it.
fill_rust() {
  local rootfs=$1 sysroot=$2 container=$3 dir=/usr/local/rust
  fill_base "$rootfs" "$container"
  buildah add --quiet "$container" "$sysroot/bin" "$dir/bin" >/dev/null
  buildah add --quiet "$container" "$sysroot/lib" "$dir/lib" >/dev/null
  buildah config --env CARGO_HOME=/usr/local/cargo \
    --env "PATH=$dir/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$container"
}

# crates: prints a folder to mount at /.cargo in the build. It has the crates of
# Cargo.lock, and the configuration by which cargo takes them from there. So the
# build needs neither the network nor this machine's configuration of cargo.
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
  cat >"$1/config.toml" <<'EOF'
[source.crates-io]
replace-with = "vendor"

[source.vendor]
directory = "/.cargo/vendor"
EOF
}
