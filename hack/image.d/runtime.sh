# shellcheck shell=bash
# Builds and pushes images with docker, podman or buildah. The base images are pulled, or
# created on this machine (BASE_IMAGES).

DEBIAN_IMAGE=docker.io/library/debian:trixie-slim

# Prints RUNTIME, or the first tool that works.
runtime() {
  case ${RUNTIME:-} in
    docker | podman | buildah) printf '%s\n' "$RUNTIME" ;;
    '')
      # Builds with docker require its plugin buildx.
      if docker info >/dev/null 2>&1 && has_buildx; then
        printf 'docker\n'
      elif command -v podman >/dev/null; then
        printf 'podman\n'
      else
        printf 'buildah\n'
      fi
      ;;
    *) die "RUNTIME=$RUNTIME is unknown: use docker, podman or buildah" ;;
  esac
}

has_buildx() {
  docker buildx version >/dev/null 2>&1
}

# Runs docker's plugin buildx, and builds it if docker has none. Requires
# cluster.d/binaries.sh.
buildx() {
  local dir
  if has_buildx; then
    docker buildx "$@"
  else
    dir=$(binaries buildx)
    "$dir/buildx" "$@"
  fi
}

# build_image RUNTIME TAG CONTEXT ARG...: with PLATFORMS (linux/amd64,linux/arm64), builds a
# manifest list with an image for each.
build_image() {
  local runtime=$1 tag=$2 context=$3 options=()
  shift 3
  if [[ -z ${PLATFORMS:-} ]]; then
    options=(--tag "$tag")
  elif [[ $runtime == docker ]]; then
    options=(--platform "$PLATFORMS" --tag "$tag")
  else
    "$runtime" manifest rm "$tag" >/dev/null 2>&1 || true
    options=(--platform "$PLATFORMS" --manifest "$tag")
  fi
  case $runtime in
    docker)
      # The containers of hack/kind-docker have no other network.
      ! needs_base docker || options+=(--network host)
      buildx build --load "${options[@]}" "$@" "$context"
      ;;
    podman) podman build "${options[@]}" "$@" "$context" ;;
    buildah)
      need_command buildah buildah
      [[ -n ${PLATFORMS:-} ]] || options+=(--pull-never ${ROOTFS_ARCH:+--arch "$ROOTFS_ARCH"})
      # chroot also works where containers cannot run. apt-get needs a network; that of the
      # host requires no bridge.
      buildah build --layers --isolation chroot --network host "${options[@]}" "$@" "$context"
      ;;
  esac
}

# needs_base RUNTIME: succeeds if the base images are created on this machine instead of
# pulled from a registry.
needs_base() {
  case ${BASE_IMAGES:-} in
    local) [[ $1 != podman ]] || die "BASE_IMAGES=local requires docker or buildah: set RUNTIME" ;;
    pull) return 1 ;;
    '') [[ $1 == buildah && -z ${PLATFORMS:-} ]] ;;
    *) die "BASE_IMAGES=$BASE_IMAGES is unknown: use local or pull" ;;
  esac
}

# debian_base RUNTIME: creates the Debian base image. Requires cluster.d/rootfs.sh.
debian_base() {
  local rootfs
  needs_base "$1" || return 0
  rootfs=$(base_rootfs)
  base_image "$1" "$DEBIAN_IMAGE" "${rootfs##*/}" fill_base "$rootfs"
}

# fill_base ROOTFS CONTAINER
fill_base() {
  buildah add --quiet "$2" "$1" / >/dev/null
  buildah config --cmd /bin/bash "$2"
}

# run_image RUNTIME TAG ARG...: runs fio in a temporary container.
run_image() {
  local runtime=$1 tag=$2 container status=0
  shift 2
  if [[ $runtime != buildah ]]; then
    "$runtime" run --rm "$tag" "$@"
    return
  fi
  container=$(buildah from --pull-never "$tag")
  # buildah does not run the entrypoint.
  buildah run --isolation chroot "$container" -- /usr/local/bin/fio "$@" || status=$?
  buildah rm "$container" >/dev/null
  return "$status"
}

# push_image RUNTIME TAG [FILE]: pushes to the registry in the name, and writes the digest to
# FILE. A registry on this machine requires no certificate.
push_image() {
  local runtime=$1 tag=$2 file=${3:-} options=()
  [[ $tag != localhost:* && $tag != 127.0.0.1:* ]] || options=(--tls-verify=false)
  [[ -z $file ]] || options+=(--digestfile "$file")
  case $runtime in
    docker)
      docker push "$tag"
      [[ -z $file ]] || digest_in_docker "$tag" >"$file"
      ;;
    *)
      if [[ -n ${PLATFORMS:-} ]]; then
        "$runtime" manifest push --all "${options[@]}" "$tag" "docker://$tag"
      else
        "$runtime" push "${options[@]}" "$tag" "docker://$tag"
      fi
      ;;
  esac
}

# digest_in_docker TAG: prints the digest of a pushed image.
digest_in_docker() {
  docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$1" |
    sed -n "s|^${1%:*}@||p"
}

# tag_image RUNTIME TAG NAME
tag_image() {
  "$1" tag "$2" "$3"
}

# base_image RUNTIME NAME LABEL COMMAND...: creates a base image unless it exists with the
# same label. COMMAND fills an empty container of buildah.
base_image() {
  local runtime=$1 name=$2 label=$3 container
  shift 3
  need_command buildah buildah
  if [[ $(label_in_buildah "$name") != "$label" ]]; then
    log "creating $name"
    container=$(buildah from scratch)
    "$@" "$container"
    buildah config ${ROOTFS_ARCH:+--arch "$ROOTFS_ARCH"} --label "fio.base=$label" "$container"
    buildah commit --quiet --rm "$container" "$name" >/dev/null
  fi
  [[ $runtime != docker || $(label_in_docker "$name") == "$label" ]] || copy_to_docker "$name"
}

label_in_buildah() {
  buildah inspect --type image --format '{{index .OCIv1.Config.Labels "fio.base"}}' "$1" 2>/dev/null || true
}

label_in_docker() {
  docker image inspect --format '{{index .Config.Labels "fio.base"}}' "$1" 2>/dev/null || true
}

# copy_to_docker NAME
copy_to_docker() {
  local dir
  log "copying $1 to docker"
  dir=$(mktemp -d)
  buildah push --quiet "$1" "docker-archive:$dir/image.tar:$1"
  docker load --quiet --input "$dir/image.tar" >/dev/null
  rm -r "$dir"
}
