# shellcheck shell=bash
# The container images that kubeadm uses, with the programs of hack/go, in the containerd
# of the node. Their names have the versions that kubeadm expects.

# Maximum time in seconds until all images are imported.
IMPORT_TIMEOUT=300

# kubernetes_images: prints the names.
kubernetes_images() {
  "$KUBEADM/kubeadm" config images list --kubernetes-version "$(module_version kubeadm)"
}

# kubernetes_image NAME: prints the complete name of an image.
kubernetes_image() {
  kubernetes_images | grep --max-count=1 "/$1:"
}

# make_archives TREE DIR: writes an archive of each image to DIR.
make_archives() {
  local tree=$1 dir=$2 image name
  mkdir "$dir"
  for image in $(kubernetes_images); do
    name=${image##*/}
    name=${name%%:*}
    mkdir "$dir/$name"
    case $name in
      kube-proxy) make_kube_proxy "$tree" "$dir/$name" "$image" ;;
      pause) retag_pause "$dir/$name" "$image" ;;
      etcd) archive_program "$dir/$name" "$ETCD/etcd" "$image" ;;
      coredns) archive_program "$dir/$name" "$COREDNS/coredns" "$image" ;;
      *) archive_program "$dir/$name" "$KUBERNETES/$name" "$image" ;;
    esac
    mv "$dir/$name/$name.tar" "$dir"
    rm -r "${dir:?}/$name"
  done
}

# archive_program DIR FILE IMAGE
archive_program() {
  ln -s "$2" "$1/${2##*/}"
  archive_binary "$1" "${2##*/}" "$3"
}

retag_pause() {
  archive_program "$1" "${PAUSE%/*}/pause" "$2"
}

# make_kube_proxy TREE DIR IMAGE: kube-proxy runs iptables and nft. Their libraries include
# those of the extensions: without one, iptables fails only for the rules that need it.
make_kube_proxy() {
  local tree=$1 dir=$2 image=$3 root=$2/root name files
  mkdir -p "$root/usr/sbin" "$root/usr/local/bin"
  cp "$KUBERNETES/kube-proxy" "$root/usr/local/bin"
  for name in {iptables,ip6tables}{,-save,-restore}; do
    ln -s xtables-nft-multi "$root/usr/sbin/$name"
  done
  readarray -t files < <(cd "$tree" && printf '%s\n' usr/sbin/{xtables-nft-multi,nft,conntrack} usr/lib/*/xtables/*.so)
  readarray -t -O "${#files[@]}" files < <(libraries "$tree" "${files[@]}")
  tar -C "$tree" -c --dereference "${files[@]}" | tar -C "$root" -x
  tar -C "$root" --owner=0 --group=0 --mtime=@0 -cf "$dir/layer.tar" .
  archive_layer "$dir" kube-proxy "$image" /usr/local/bin/kube-proxy
}

# libraries TREE FILE...: prints the libraries and loaders of the files, without the first
# slash.
libraries() {
  local tree=$1
  shift
  chroot "$tree" ldd "${@/#//}" |
    awk '/\(0x/ && match($0, /\/[^ ]+/) { print substr($0, RSTART + 1, RLENGTH - 1) }' | sort -u
}

# import_archives TREE DIR: with the containerd of the tree, in namespaces of its own, which
# end it. The nodes unpack the images.
import_archives() {
  local tree=$1 dir=$2
  mkdir "$tree/archives"
  printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' >"$dir/containerd.toml"
  # shellcheck disable=SC2016 # expands in the tree
  timeout "$IMPORT_TIMEOUT" unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount --bind "$1" "$0/archives"
    mount -t proc proc "$0/proc"
    mount -t tmpfs tmpfs "$0/run"
    exec chroot "$0" bash -euc "
      containerd --config /archives/containerd.toml --log-level warn &
      until ctr version >/dev/null 2>&1; do sleep 0.1; done
      for archive in /archives/*.tar; do
        ctr --namespace k8s.io images import --no-unpack \$archive
      done"' "$tree" "$dir" >"$CACHE/kind-node.log" 2>&1 </dev/null ||
    die "containerd could not import the images: see $CACHE/kind-node.log"
  rmdir "$tree/archives"
}
