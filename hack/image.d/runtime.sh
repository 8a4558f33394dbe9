# shellcheck shell=bash
# Building and pushing images with what is here: docker, podman or buildah. The
# last needs no registry, as what the images begin with is made here.

BASE_IMAGE=docker.io/library/debian:trixie-slim

# The tool: RUNTIME, or the first that works here.
runtime() {
  case ${RUNTIME:-} in
    docker | podman | buildah) printf '%s\n' "$RUNTIME" ;;
    '')
      # Images are built by docker's plugin buildx, which may be missing.
      if docker info >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; then
        printf 'docker\n'
      elif command -v podman >/dev/null; then
        printf 'podman\n'
      else
        printf 'buildah\n'
      fi
      ;;
    *) die "RUNTIME=$RUNTIME is not known: use docker, podman or buildah" ;;
  esac
}

# build_image RUNTIME TAG CONTEXT ARG...: with PLATFORMS set (linux/amd64,linux/arm64)
# a manifest list of an image for each.
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
    docker) docker buildx build --load "${options[@]}" "$@" "$context" ;;
    podman) podman build "${options[@]}" "$@" "$context" ;;
    buildah)
      need_command buildah buildah
      [[ -n ${PLATFORMS:-} ]] || options+=(--pull-never)
      # The chroot: this may run where no container can. The host's network:
      # apt-get needs one, and a bridge would have to be made for it.
      buildah build --layers --isolation chroot --network host "${options[@]}" "$@" "$context"
      ;;
  esac
}

# needs_base RUNTIME: whether the images that ours begin with are made here, as no
# registry can be expected to have them.
needs_base() {
  [[ $1 == buildah && -z ${PLATFORMS:-} ]]
}

# debian_base RUNTIME: the Debian that images begin with. Needs cluster.d/rootfs.sh.
debian_base() {
  local rootfs
  needs_base "$1" || return 0
  rootfs=$(base_rootfs)
  base_image "$BASE_IMAGE" "${rootfs##*/}" fill_base "$rootfs"
}

# fill_base ROOTFS CONTAINER
fill_base() {
  buildah add --quiet "$2" "$1" / >/dev/null
  buildah config --cmd /bin/bash "$2"
}

# run_image RUNTIME TAG ARG...: in a container that is removed afterwards.
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

# push_image RUNTIME TAG: to the registry that its name says. A registry on this
# machine needs no certificate.
push_image() {
  local runtime=$1 tag=$2 tls=()
  [[ $tag != localhost:* && $tag != 127.0.0.1:* ]] || tls=(--tls-verify=false)
  case $runtime in
    docker) docker push "$tag" ;;
    *)
      if [[ -n ${PLATFORMS:-} ]]; then
        "$runtime" manifest push --all "${tls[@]}" "$tag" "docker://$tag"
      else
        "$runtime" push "${tls[@]}" "$tag" "docker://$tag"
      fi
      ;;
  esac
}

# tag_image RUNTIME TAG NAME
tag_image() {
  "$1" tag "$2" "$3"
}

# base_image NAME LABEL COMMAND...: where no registry is, what a Containerfile
# begins with is made here, unless it is there with the same label. COMMAND gets
# an empty container to fill.
base_image() {
  local name=$1 label=$2 container
  shift 2
  need_command buildah buildah
  [[ $(buildah inspect --type image --format '{{index .OCIv1.Config.Labels "fio.base"}}' \
    "$name" 2>/dev/null) != "$label" ]] || return 0
  log "making $name"
  container=$(buildah from scratch)
  "$@" "$container"
  buildah config --label "fio.base=$label" "$container"
  buildah commit --quiet --rm "$container" "$name" >/dev/null
}
