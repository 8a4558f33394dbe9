# shellcheck shell=bash
# CLUSTER=current: the cluster of the current kubeconfig context. These scripts do not
# start, stop or remove it.

# Copies the context, so that a later switch to another context has no effect.
current_up() {
  [[ -z ${KUBERNETES_VERSION:-} ]] ||
    die "CLUSTER=current has the version of your cluster: unset KUBERNETES_VERSION"
  command -v kubectl >/dev/null || die "kubectl is missing: install it"
  make_state
  (umask 077 && command kubectl config view --minify --flatten --raw >"$STATE/kubeconfig.tmp") ||
    die "your kubeconfig has no current context: set one with kubectl config use-context"
  mv "$STATE/kubeconfig.tmp" "$STATE/kubeconfig"
  printf 'current\n' >"$STATE/backend"
  kubectl get nodes >&2 || die "the cluster of your current context is unreachable: check kubectl get nodes"
}

# The cluster exists.
current_missing() {
  :
}

current_down() {
  rm -f "$STATE/kubeconfig" "$STATE/backend"
}

current_status() {
  kubectl get nodes --output wide
}

current_nodes() {
  kubectl get nodes --selector node-role.kubernetes.io/worker --output name | sed 's|^node/||'
}

# Runs a command in a privileged pod on the node, with the root directory of the node.
# FIO_DEBUG_IMAGE must contain sleep and chroot.
current_node_exec() {
  local node=$1 pod=fio-node-exec-$$ status=0
  shift
  debug_pod "$pod" "$node" | kubectl create --filename - >/dev/null
  kubectl wait --for=condition=Ready "pod/$pod" --timeout=120s >/dev/null ||
    die "the pod $pod on $node does not start: see kubectl describe pod $pod, then delete it"
  kubectl exec --stdin "$pod" -- chroot /host "$@" || status=$?
  kubectl delete pod "$pod" --wait=false >/dev/null
  return "$status"
}

# debug_pod NAME NODE
debug_pod() {
  cat <<EOF
apiVersion: v1
kind: Pod
metadata:
  name: $1
spec:
  nodeName: $2
  hostPID: true
  hostNetwork: true
  hostIPC: true
  tolerations:
    - operator: Exists
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
    - name: shell
      image: ${FIO_DEBUG_IMAGE:-busybox}
      command: [sleep, "3600"]
      securityContext:
        privileged: true
        runAsUser: 0
      volumeMounts:
        - name: root
          mountPath: /host
  volumes:
    - name: root
      hostPath:
        path: /
EOF
}

current_load_image() {
  die "an image cannot be loaded into CLUSTER=current: push $1 to a registry that its nodes pull from"
}

current_audit_log() { current_refuse audit-log; }
current_registry() { current_refuse registry; }
current_push_image() { current_refuse push-image; }
current_add_node() { current_refuse add-node; }
current_remove_node() { current_refuse remove-node; }
current_stop_node() { current_refuse stop-node; }
current_start_node() { current_refuse start-node; }

current_refuse() {
  die "$1 is not supported with CLUSTER=current: use CLUSTER=kind or local"
}
