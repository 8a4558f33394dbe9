# shellcheck shell=bash
# Image archives for the nodes of the clusters. They are stored in .cluster/images for
# nodes that are added or started later.

IMAGES=$STATE/images
PAUSE_IMAGE=localhost/fio-pause:1

# Prints the path of the archive of the sandbox image, and creates it if necessary.
pause_archive() {
  local dir
  dir=$CACHE/pause/$(hash "$(cat "$CLUSTER_D/pause.c")" "$(uname -m)" "$PAUSE_IMAGE")
  cached "$dir" "the sandbox image" make_pause
  printf '%s\n' "$dir/pause.tar"
}

make_pause() {
  local dir=$1
  need_command gcc gcc libc6-dev
  gcc -static -Os -s -Wall -Werror -o "$dir/pause" "$CLUSTER_D/pause.c" ||
    die "gcc could not compile $CLUSTER_D/pause.c: is libc6-dev installed?"
  archive_binary "$dir" pause "$PAUSE_IMAGE"
}

# archive_binary DIR NAME IMAGE: writes DIR/NAME.tar, an archive of an image with the
# static program DIR/NAME.
archive_binary() {
  local dir=$1 name=$2 image=$3
  tar -C "$dir" --owner=0 --group=0 --mtime=@0 --dereference -cf "$dir/layer.tar" "$name"
  archive_layer "$dir" "$name" "$image" "/$name"
}

# archive_layer DIR NAME IMAGE PROGRAM: writes DIR/NAME.tar, an archive in the format of
# `docker save`, of an image with the layer DIR/layer.tar that runs PROGRAM.
archive_layer() {
  local dir=$1 name=$2 image=$3 program=$4 arch layer
  arch=$(go_arch)
  layer=$(sha256sum <"$dir/layer.tar" | cut -d' ' -f1)
  cat >"$dir/config.json" <<EOF
{"architecture": "$arch", "os": "linux",
 "config": {"Entrypoint": ["$program"], "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}}
EOF
  cat >"$dir/manifest.json" <<EOF
[{"Config": "config.json", "RepoTags": ["$image"], "Layers": ["layer.tar"]}]
EOF
  tar -C "$dir" -cf "$dir/$name.tar" manifest.json config.json layer.tar
  rm "$dir/layer.tar"
}

# Prints the architecture of this machine as images and Go name it.
go_arch() {
  case $(uname -m) in
    x86_64) printf 'amd64\n' ;;
    aarch64) printf 'arm64\n' ;;
    *) die "the architecture $(uname -m) is not supported: use x86_64 or aarch64" ;;
  esac
}

# keep_image ARCHIVE|NAME: stores the image in .cluster/images and prints its path. Uses a
# rename, because a node may be reading the directory.
keep_image() {
  local image=$1 file=$IMAGES/${1//[^A-Za-z0-9._-]/_}
  file=${file%.tar}.tar
  mkdir -p "$IMAGES"
  if [[ -f $image ]]; then
    cp "$image" "$file.tmp"
  else
    export_image "$image" "$file.tmp"
  fi
  mv "$file.tmp" "$file"
  printf '%s\n' "$file"
}

# export_image NAME FILE: exports the image from the first local image store that has it.
export_image() {
  local image=$1 file=$2 tool
  rm -f "$file"
  for tool in buildah podman docker; do
    "image_in_$tool" "$image" >/dev/null 2>&1 || continue
    "save_from_$tool" "$image" "$file" || die "$tool could not export $image"
    return
  done
  die "there is no file and no local image $image: build it with hack/image --tag $image"
}

image_in_buildah() { buildah inspect --type image "$1"; }
image_in_podman() { podman image exists "$1"; }
image_in_docker() { docker image inspect "$1"; }
save_from_buildah() { buildah push --quiet "$1" "docker-archive:$2:$1"; }
save_from_podman() { podman save --quiet --format docker-archive --output "$2" "$1"; }
save_from_docker() { docker save --output "$2" "$1"; }
