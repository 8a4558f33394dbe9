# shellcheck shell=bash
# A virtual machine that is the only node of a cluster, and the control plane of the cluster.
# qemu emulates the processor, so that it needs neither hardware nor permissions of the machine.
# It has a kernel and control groups of its own. The control plane runs outside of it, on
# loopback, because the emulation is slow.
#
# All files are in .cluster/vm and are created again at each start.

VM=$STATE/vm
VM_NODE=node1
VM_API_PORT=$PORT_BASE
VM_SSH_PORT=$((PORT_BASE + 1))
VM_ETCD_PORT=$((PORT_BASE + 2))
VM_ETCD_PEER_PORT=$((PORT_BASE + 3))
VM_MEMORY=4096
VM_CPUS=2
# The emulated machine boots in one to three minutes.
VM_BOOT_SECONDS=600

vm_tools() {
  [[ $(uname -m) == x86_64 ]] || die "the virtual machine is of amd64: run this on amd64"
  [[ $(id -u) == 0 ]] || die "the disk of the virtual machine requires root: run this as root"
  need_command qemu-system-x86_64 qemu-system-x86
  need_command mke2fs e2fsprogs
  need_command ssh openssh-client
  need_command openssl openssl
}

# vm_up IMAGE: starts the control plane and the node, with the image of fio.
vm_up() {
  local image=$1 kubernetes etcd port
  vm_tools
  kubernetes=$(binaries kubernetes)
  etcd=$(binaries etcd)
  vm_down
  mkdir -p "$VM" "$LOGS/vm"
  for port in "$VM_API_PORT" "$VM_SSH_PORT" "$VM_ETCD_PORT" "$VM_ETCD_PEER_PORT"; do
    need_free_port "$port"
  done
  make_vm_credentials
  export_image "$image" "$VM/fio.tar"
  log "creating the disk"
  make_disk "$VM" "$kubernetes" "$VM_API_PORT" "$(pause_archive)" "$VM/fio.tar"
  log "starting the control plane"
  ln -sfn "$kubernetes" "$VM/kubernetes"
  start_vm_control_plane "$kubernetes" "$etcd"
  log "booting the virtual machine"
  boot_vm
  wait_vm
}

vm_down() {
  stop_group vm
  rm -f "$RUN/vm-ssh"
  remove_run
  rm -rf --one-file-system "$VM"
}

kubectl() {
  "$VM/kubernetes/kubectl" --kubeconfig "$VM/kubeconfig" "$@"
}

make_vm_credentials() {
  local pki=$VM/pki name
  make_apiserver_pki "$pki" ",IP:$VM_HOST_IP,IP:$VM_SERVICE_IP"
  for name in kube-controller-manager kube-scheduler; do
    make_cert "$pki" ca "$name" "/CN=system:$name"
    write_kubeconfig "$pki/$name.kubeconfig" "https://127.0.0.1:$VM_API_PORT" "$pki" "$name"
  done
  make_cert "$pki" ca kubelet "/O=system:nodes/CN=system:node:$VM_NODE"
  write_kubeconfig "$VM/kubeconfig" "https://127.0.0.1:$VM_API_PORT" "$pki" admin
  ssh-keygen -q -t ed25519 -N '' -C fio -f "$VM/ssh"
}

# Pods reach the API server at the address that qemu gives to the loopback of the host.
start_vm_control_plane() {
  local kubernetes=$1 etcd=$2 pki=$VM/pki args name
  readarray -t args < <(etcd_args "$VM/etcd" "$VM_ETCD_PORT" "$VM_ETCD_PEER_PORT")
  spawn vm/etcd "$LOGS/vm/etcd.log" "$etcd/etcd" "${args[@]}"
  readarray -t args < <(apiserver_args "$pki" "$VM_ETCD_PORT" "$VM/audit.log")
  spawn vm/kube-apiserver "$LOGS/vm/kube-apiserver.log" "$kubernetes/kube-apiserver" "${args[@]}" \
    --bind-address=127.0.0.1 --advertise-address="$VM_HOST_IP" --secure-port="$VM_API_PORT"
  wait_spawned 120 vm/kube-apiserver "$LOGS/vm/kube-apiserver.log" kubectl get --raw /readyz
  for name in kube-controller-manager kube-scheduler; do
    args=()
    [[ $name != kube-controller-manager ]] ||
      args=(--use-service-account-credentials --root-ca-file="$pki/ca.crt"
        --service-account-private-key-file="$pki/service-account.key")
    # Without ports: another cluster on this machine may use the usual ones.
    spawn "vm/$name" "$LOGS/vm/$name.log" "$kubernetes/$name" \
      --kubeconfig="$pki/$name.kubeconfig" --leader-elect=false --secure-port=0 "${args[@]}"
  done
}

boot_vm() {
  spawn vm/qemu "$LOGS/vm/qemu.log" qemu-system-x86_64 -name "fio-$CHECKOUT_ID" \
    -machine q35 -accel tcg,thread=multi -cpu max -smp "$VM_CPUS" -m "$VM_MEMORY" \
    -nodefaults -display none -serial "file:$LOGS/vm/console.log" \
    -kernel "$VM/vmlinuz" -initrd "$VM/initrd" \
    -append 'root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off transparent_hugepage=never panic=-1' -no-reboot \
    -drive "file=$VM/disk,format=raw,if=virtio,cache=unsafe" \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$VM_SSH_PORT-$VM_NODE_IP:22" \
    -device virtio-net-pci,netdev=net -device virtio-rng-pci
}

wait_vm() {
  wait_spawned "$VM_BOOT_SECONDS" vm/qemu "$LOGS/vm/console.log" on_node true
  log "the virtual machine has booted"
  wait_spawned "$VM_BOOT_SECONDS" vm/qemu "$LOGS/vm/console.log" \
    kubectl wait --for=condition=Ready "node/$VM_NODE" --timeout=10s
  log "$VM_NODE is Ready"
}

# on_node COMMAND: runs a shell command on the node, as root. All commands share a connection,
# because its encryption is slow in the emulation; it ends with the virtual machine.
on_node() {
  ssh -i "$VM/ssh" -p "$VM_SSH_PORT" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
    -o ControlMaster=auto -o ControlPath="$RUN/vm-ssh" -o ControlPersist=yes \
    -o LogLevel=ERROR -o BatchMode=yes -o ConnectTimeout=60 root@127.0.0.1 "$@" </dev/null
}
