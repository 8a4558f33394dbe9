# shellcheck shell=bash
# The kubectl for scripts that work with any cluster. Requires common.sh and
# binaries.sh.

# Uses KUBECTL if it is set; otherwise the running cluster of hack/cluster; otherwise
# an installed kubectl or oc; otherwise builds one.
kubectl() {
  local words
  if [[ -n ${KUBECTL:-} ]]; then
    read -ra words <<<"$KUBECTL"
    command "${words[@]}" "$@"
  elif [[ -e $STATE/kubeconfig ]]; then
    "$CHECKOUT/hack/cluster" kubectl "$@"
  elif [[ -n $(type -P kubectl) ]]; then
    command kubectl "$@"
  elif [[ -n $(type -P oc) ]]; then
    command oc "$@"
  else
    "$(binaries kube-apiserver)/kubectl" "$@"
  fi
}
