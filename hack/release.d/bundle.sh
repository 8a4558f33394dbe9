# shellcheck shell=bash
# Reads the OLM bundle in the repository.

# bundle_value KEY: prints a value of the ClusterServiceVersion, in the format that
# hack/olm-bundle.rs writes.
bundle_value() {
  sed -nE "s/^ +$1: \"?([^\"]*)\"?$/\1/p" "${BUNDLE_DIR:-bundle}/manifests/file-integrity-operator.clusterserviceversion.yaml" | tail -n 1
}
