# shellcheck shell=bash
# What stands in the OLM bundle that is checked in.

# bundle_value KEY: a value of the ClusterServiceVersion that is checked in, whose
# line is as hack/olm-bundle.rs writes it.
bundle_value() {
  sed -nE "s/^ +$1: \"?([^\"]*)\"?$/\1/p" "${BUNDLE_DIR:-bundle}/manifests/file-integrity-operator.clusterserviceversion.yaml" | tail -n 1
}
