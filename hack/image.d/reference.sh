# shellcheck shell=bash
# The name that images have before somebody names a registry. `invalid` is a
# reserved domain (RFC 2606): nothing can be pulled from there by mistake.
# manifests/operator/deployment.yaml and the Makefile have the same name.

# shellcheck disable=SC2034 # used by the scripts that source this
UNSET_REPO="image-not-set.invalid"

# need_image NAME...: dies where a name is still that of no registry.
need_image() {
  local name
  for name in "$@"; do
    [[ ${name%%/*} != *.invalid ]] ||
      die "no registry is set for the image $name: give make IMAGE_REPO=registry.example/fio, or the whole name, IMG=registry.example/fio:2.0.0 (docs/install.md)"
  done
}
