#!/bin/bash
# A local node's init: starts containerd, gives it the images, starts kube-proxy
# and the kubelet, and reaps what the node's processes leave behind.
#
# node-boot.sh NODE
set -euo pipefail

node=$1
private=/var/lib/fio-node

# keep_running NAME COMMAND...: as a service manager would.
keep_running() {
  local name=$1
  shift
  while :; do
    "$@" >>"$private/logs/$name.log" 2>&1 </dev/null || true
    printf '%s ended and is started again\n' "$name" >>"$private/logs/$name.log"
    sleep 1
  done &
}

wait_for_containerd() {
  until ctr version >/dev/null 2>&1; do
    sleep 0.1
  done
}

# Before the kubelet: it would try to pull what is not there, and then wait.
import_images() {
  local archive
  for archive in "$private"/images/*.tar; do
    ctr --namespace k8s.io images import "$archive" >>"$private/logs/images.log" 2>&1 ||
      printf 'cannot import %s: see images.log\n' "$archive"
  done
}

# As systemd has it: pods that mount / ask to see what is mounted later. The
# peers are mounts of this namespace only.
mount --make-rshared /
keep_running containerd containerd --config "$private/conf/containerd.toml"
wait_for_containerd
import_images
keep_running kube-proxy "$private/bin/kube-proxy" --config "$private/conf/kube-proxy.yaml"
keep_running kubelet "$private/bin/kubelet" --config "$private/conf/kubelet.yaml" \
  --kubeconfig "$private/conf/kubelet.kubeconfig" --hostname-override "$node" \
  --node-ip "$(ip -4 -o address show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')"

# Bash reaps every child while it waits, orphans included; these never end.
wait
