# shellcheck shell=bash
# The registry of images for which none is set. `invalid` is a reserved domain
# (RFC 2606), so nothing can be pulled from there by mistake.
# manifests/operator/deployment.yaml and the Makefile use the same name.

# shellcheck disable=SC2034 # used by the scripts that source this
UNSET_REPO="image-not-set.invalid"

# need_image NAME...: fails if a name has no registry.
need_image() {
  local name
  for name in "$@"; do
    [[ ${name%%/*} != *.invalid ]] ||
      die "no registry is set for the image $name: set IMAGE_REPO=registry.example/fio, or the complete name, IMG=registry.example/fio:2.0.0 (docs/install.md)"
  done
}
