# shellcheck shell=bash
# Builds images with what is there: docker, podman, or buildah, which needs no
# registry as it gets a base image made by debootstrap.

BASE_IMAGE=docker.io/library/debian:trixie-slim

runtime() {
  if [[ -n ${RUNTIME:-} ]]; then
    printf '%s\n' "$RUNTIME"
  elif docker info >/dev/null 2>&1; then
    printf 'docker\n'
  elif command -v podman >/dev/null; then
    printf 'podman\n'
  else
    printf 'buildah\n'
  fi
}

# build_image RUNTIME CONTEXT ARG...
build_image() {
  local runtime=$1 context=$2
  shift 2
  case $runtime in
    docker) DOCKER_BUILDKIT=1 docker build "$@" "$context" ;;
    podman) podman build "$@" "$context" ;;
    buildah)
      make_base
      # The chroot: this may run where no container can. The host's network:
      # apt-get needs one, and a bridge would have to be made for it.
      buildah build --pull-never --layers --isolation chroot --network host "$@" "$context"
      ;;
    *) die "RUNTIME=$runtime is not known: use docker, podman or buildah" ;;
  esac
}

# The base image, unless it is there with the same content.
make_base() {
  local rootfs container
  rootfs=$(base_rootfs)
  [[ $(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "fio.rootfs"}}' \
    "$BASE_IMAGE" 2>/dev/null) != "${rootfs##*/}" ]] || return 0
  log "making $BASE_IMAGE from ${rootfs##*/}"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$rootfs" / >/dev/null
  buildah config --label "fio.rootfs=${rootfs##*/}" --cmd /bin/bash "$container"
  buildah commit --quiet --rm "$container" "$BASE_IMAGE" >/dev/null
}
