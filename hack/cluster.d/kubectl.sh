# shellcheck shell=bash
# Which kubectl the scripts run that work on any cluster. Needs common.sh and
# binaries.sh.

# The one that KUBECTL says; else that of the cluster which hack/cluster runs;
# else the one that is installed; else one that is built.
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
    "$(binaries kubernetes)/kubectl" "$@"
  fi
}
