#!/bin/bash
# The init process of a local node: starts containerd, imports the images, starts
# kube-proxy and the kubelet, and reaps orphaned processes.
#
# node-boot.sh NODE
set -euo pipefail

node=$1
private=/var/lib/fio-node

# keep_running NAME COMMAND...: restarts the command when it exits.
keep_running() {
  local name=$1
  shift
  while :; do
    "$@" >>"$private/logs/$name.log" 2>&1 </dev/null || true
    printf '%s exited and is restarted\n' "$name" >>"$private/logs/$name.log"
    sleep 1
  done &
}

wait_for_containerd() {
  until ctr version >/dev/null 2>&1; do
    sleep 0.1
  done
}

# Before the kubelet starts: it would try to pull missing images, and then back off.
import_images() {
  local archive
  for archive in "$private"/images/*.tar; do
    ctr --namespace k8s.io images import "$archive" >>"$private/logs/images.log" 2>&1 ||
      printf 'cannot import %s: see images.log\n' "$archive"
  done
}

# Shared, as with systemd: pods that mount / must see later mounts. Only mounts of this
# namespace are peers.
mount --make-rshared /
keep_running containerd containerd --config "$private/conf/containerd.toml"
wait_for_containerd
import_images
keep_running kube-proxy "$private/bin/kube-proxy" --config "$private/conf/kube-proxy.yaml"
keep_running kubelet "$private/bin/kubelet" --config "$private/conf/kubelet.yaml" \
  --kubeconfig "$private/conf/kubelet.kubeconfig" --hostname-override "$node" \
  --node-ip "$(ip -4 -o address show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')"

# While it waits, bash reaps all children, including orphans. The services never end.
wait
