# shellcheck shell=bash
# Builds and caches programs from Go modules: those of the clusters (Kubernetes, etcd,
# CoreDNS, kind), of hack/monitoring and OLM, and tools for releases. The versions are in
# hack/go/*/go.mod.

# Build flags; part of the cache key.
GO_FLAGS=(-trimpath -mod=readonly)

# binaries MODULE: prints the directory with the commands of hack/go/MODULE, and builds
# them if necessary. For `kubernetes`, KUBERNETES_VERSION selects the module.
binaries() {
  local module=$1 dir version
  [[ $module != kubernetes ]] || module=$(kubernetes_module)
  dir=$(binaries_dir "$module")
  version=$(module_version "$module")
  cached "$dir" "$module" build_module "$module" "$version"
  printf '%s\n' "$dir"
}

# binaries_dir MODULE: prints that directory, which does not exist until it is built.
binaries_dir() {
  local module=$1 source version dir
  [[ $module != kubernetes ]] || module=$(kubernetes_module)
  source=$(module_folder "$module")
  version=$(module_version "$module")
  dir=$CACHE/bin/$module-$version-$(hash "$(sha256sum <"$source/go.mod")" \
    "$(sha256sum <"$source/go.sum")" "$(find "$source" -name '*.go' -exec cat {} +)" \
    "${GO_FLAGS[*]}$(build_tags "$module")" "$(ldflags "$module" "$version")" "$(uname -m)")
  printf '%s\n' "$dir"
}

# list_unbuilt MODULE MINUTES WHAT: prints MINUTES and WHAT unless the module is built. Go
# uses all processors: the minutes are those on two.
list_unbuilt() {
  local dir
  dir=$(binaries_dir "$1")
  [[ -e $dir ]] || printf '%s %s\n' "$2" "$3"
}

# Two are from the module of Kubernetes, and apart from its other commands: only the node
# image of kind needs kubeadm, and the API tests need only the API server and kubectl, which
# compile in half the time. `kubernetes` has links to these two.
module_folder() {
  local module=$1
  case $module in
    kubeadm | kube-apiserver) module=$(kubernetes_module) ;;
  esac
  printf '%s\n' "$CHECKOUT/hack/go/$module"
}

# Prints the module of KUBERNETES_VERSION: `kubernetes`, the default, or one of
# `kubernetes-*`, which are older versions for tests.
kubernetes_module() {
  local module versions
  for module in $(kubernetes_modules); do
    if [[ -z ${KUBERNETES_VERSION:-} || $KUBERNETES_VERSION == "$(module_version "$module")" ]]; then
      printf '%s\n' "$module"
      return
    fi
  done
  versions=$(kubernetes_versions)
  die "KUBERNETES_VERSION=$KUBERNETES_VERSION is none of: ${versions//$'\n'/, }"
}

# The default is the first.
kubernetes_modules() {
  printf 'kubernetes\n'
  (cd "$CHECKOUT/hack/go" && printf '%s\n' kubernetes-*)
}

# Prints the versions that KUBERNETES_VERSION accepts, the oldest first.
kubernetes_versions() {
  local module
  for module in $(kubernetes_modules); do
    module_version "$module"
  done | sort -V
}

# Prints the version of the main dependency of a module: the first one in its go.mod.
module_version() {
  sed -nE '/^require [^ ]+ v[^ ]+$/ { s/.* //p; q }' "$(module_folder "$1")/go.mod"
}

ldflags() {
  local module=$1 version=$2
  printf '%s' '-s -w'
  [[ $module == kube* ]] || return 0
  # Without these, a Kubernetes built from modules reports the version v0.0.0.
  local set='-X k8s.io/component-base/version.git' minor=${version#v*.}
  printf ' %s' "${set}Version=$version" "${set}Major=${version:1:1}" \
    "${set}Minor=${minor%%.*}" "${set}TreeState=clean"
}

# Without these, some modules require C libraries for unused features.
build_tags() {
  case $1 in
    olm) printf 'containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper' ;;
  esac
}

module_packages() {
  case $1 in
    kubernetes*)
      printf 'k8s.io/kubernetes/cmd/%s\n' kube-controller-manager kube-scheduler kubelet kube-proxy
      ;;
    kubeadm) printf 'k8s.io/kubernetes/cmd/kubeadm\n' ;;
    kube-apiserver) printf 'k8s.io/kubernetes/cmd/%s\n' kube-apiserver kubectl ;;
    kind) printf 'sigs.k8s.io/kind\n' ;;
    buildx) printf 'github.com/docker/buildx/cmd/buildx\n' ;;
    crictl) printf 'sigs.k8s.io/cri-tools/cmd/crictl\n' ;;
    etcd) printf '%s\n' go.etcd.io/etcd/server/v3 ;;
    coredns) printf '%s\n' . ;;
    actionlint) printf 'github.com/rhysd/actionlint/cmd/actionlint\n' ;;
    registry) printf 'github.com/distribution/distribution/v3/cmd/registry\n' ;;
    olm)
      printf 'github.com/%s\n' operator-framework/operator-registry/cmd/opm \
        operator-framework/api/cmd/operator-verify grpc-ecosystem/grpc-health-probe
      ;;
    lifecycle)
      printf 'github.com/operator-framework/operator-lifecycle-manager/%s\n' \
        cmd/olm cmd/catalog cmd/package-server util/cpb
      printf 'helm.sh/helm/v3/cmd/helm\n'
      ;;
    monitoring)
      printf 'github.com/prometheus-operator/prometheus-operator/cmd/%s\n' \
        operator prometheus-config-reloader
      printf '%s\n' ./node-info
      ;;
  esac
}

# If a module has one command, name it after the directory in hack/go.
build_module() {
  local module=$1 version=$2 dir=$3 output=$3 targets flags
  command -v go >/dev/null || die "go is missing: install Go 1.26 or later"
  readarray -t targets < <(module_packages "$module")
  [[ ${#targets[@]} -gt 1 ]] || output=$dir/$module
  flags=$(ldflags "$module" "$version")
  with_progress "building $module $version" run_go_build "$module" "$dir.log" \
    "${GO_FLAGS[@]}" -tags "$(build_tags "$module")" -ldflags "$flags" -o "$output" "${targets[@]}"
  [[ $module != kubernetes* ]] || link_apiserver "$dir"
}

# link_apiserver DIR
link_apiserver() {
  local source
  source=$(binaries kube-apiserver)
  ln "$source"/* "$1"
}

run_go_build() {
  local module=$1 output=$2
  shift 2
  (cd "$(module_folder "$module")" && CGO_ENABLED=0 GOFLAGS='' go build "$@") \
    >"$output" 2>&1 </dev/null || die "go build of $module failed: see $output"
  rm "$output"
}

# module_source MODULE PATH: prints the source directory of a dependency of hack/go/MODULE.
# Downloads it, because the commands may be cached while the module is not.
module_source() {
  (cd "$(module_folder "$1")" && GOFLAGS='' go mod download "$2" &&
    GOFLAGS='' go list -m -f '{{.Dir}}' "$2")
}

# with_progress WHAT COMMAND...: logs every 30 seconds while the command runs.
with_progress() {
  local what=$1 ticker status=0
  shift
  log "$what (minutes the first time)"
  tick "$what" &
  ticker=$!
  ("$@") || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [[ $status == 0 ]] || exit "$status"
  log "$what: done"
}

# Exits with the script, also if that is killed. It holds no lock and no output of the
# script, so that nobody waits for it.
tick() {
  local seconds=0
  close_files
  while sleep 2 >/dev/null 2>&1 && kill -0 "$$" 2>/dev/null; do
    seconds=$((seconds + 2))
    ((seconds % 30)) || log "$1: still running"
  done
}

# need_version KUBERNETES LINK: fails if LINK, the commands of what is running, is of another
# version of Kubernetes.
need_version() {
  local wanted=${1##*/} running
  [[ -e $2 ]] || return 0
  running=$(readlink "$2")
  running=${running##*/}
  # Without the hash: the same version may have been built again.
  [[ ${running%-*} == "${wanted%-*}" ]] ||
    die "${running%-*} is running, not ${wanted%-*}: run hack/cluster down, or change KUBERNETES_VERSION"
}

# link_kubectl KUBERNETES: links .cluster/bin/kubectl for scripts and users.
link_kubectl() {
  mkdir -p "$STATE/bin"
  ln -sfn "$1/kubectl" "$STATE/bin/kubectl"
}
