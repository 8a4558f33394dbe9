# shellcheck shell=bash
# Builds what the local cluster runs (Kubernetes, etcd, CoreDNS), what
# hack/monitoring does, OLM and the tools for it and for releases from Go modules,
# and caches it. The versions are those in hack/go/*/go.mod.

# How the modules are built; part of the cache's key.
GO_FLAGS=(-trimpath -mod=readonly)

# binaries MODULE: prints the folder with the commands of hack/go/MODULE, built
# if missing.
binaries() {
  local module=$1 source=$CHECKOUT/hack/go/$1 version dir
  version=$(module_version "$module")
  dir=$CACHE/bin/$module-$version-$(hash "$(sha256sum <"$source/go.mod")" \
    "$(sha256sum <"$source/go.sum")" "$(find "$source" -name '*.go' -exec cat {} +)" \
    "${GO_FLAGS[*]}$(build_tags "$module")" "$(ldflags "$module" "$version")" "$(uname -m)")
  cached "$dir" "$module" build_module "$module" "$version"
  printf '%s\n' "$dir"
}

# The version of the one module that a module of ours is about: the first that
# its go.mod requires.
module_version() {
  sed -nE '/^require [^ ]+ v[^ ]+$/ { s/.* //p; q }' "$CHECKOUT/hack/go/$1/go.mod"
}

ldflags() {
  local module=$1 version=$2
  printf '%s' '-s -w'
  [[ $module == kubernetes ]] || return 0
  # Without these, a Kubernetes built from modules calls itself v0.0.0.
  local set='-X k8s.io/component-base/version.git' minor=${version#v*.}
  printf ' %s' "${set}Version=$version" "${set}Major=${version:1:1}" \
    "${set}Minor=${minor%%.*}" "${set}TreeState=clean"
}

# Without these, some modules want C libraries that only their other uses need.
build_tags() {
  case $1 in
    olm) printf 'containers_image_openpgp,exclude_graphdriver_btrfs,exclude_graphdriver_devicemapper' ;;
  esac
}

module_packages() {
  case $1 in
    kubernetes)
      printf 'k8s.io/kubernetes/cmd/%s\n' kube-apiserver kube-controller-manager \
        kube-scheduler kubelet kube-proxy kubectl
      ;;
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

# The one command of these modules is named after its folder or module, which
# says little; ours is named after the module's folder in hack/go.
build_module() {
  local module=$1 version=$2 dir=$3 output=$3 targets flags
  command -v go >/dev/null || die "go is missing: install Go 1.26 or newer"
  readarray -t targets < <(module_packages "$module")
  [[ ${#targets[@]} -gt 1 ]] || output=$dir/$module
  flags=$(ldflags "$module" "$version")
  with_progress "building $module $version" run_go_build "$module" "$dir.log" \
    "${GO_FLAGS[@]}" -tags "$(build_tags "$module")" -ldflags "$flags" -o "$output" "${targets[@]}"
}

run_go_build() {
  local module=$1 output=$2
  shift 2
  (cd "$CHECKOUT/hack/go/$module" && CGO_ENABLED=0 GOFLAGS='' go build "$@") \
    >"$output" 2>&1 </dev/null || die "go build of $module failed: see $output"
  rm "$output"
}

# module_source MODULE PATH: where the sources of one of the Go modules are that
# hack/go/MODULE names. The commands may come from our cache, and the module not
# be in Go's.
module_source() {
  (cd "$CHECKOUT/hack/go/$1" && GOFLAGS='' go mod download "$2" &&
    GOFLAGS='' go list -m -f '{{.Dir}}' "$2")
}

# with_progress WHAT COMMAND...: says every half minute that it is not stuck.
with_progress() {
  local what=$1 ticker status=0
  shift
  log "$what (minutes when it is the first time)"
  tick "$what" &
  ticker=$!
  ("$@") || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [[ $status == 0 ]] || exit "$status"
  log "$what: done"
}

# Ends with the script, also if that is killed. It holds no lock, and its sleep
# none of the script's output, or whoever reads that would wait for it.
tick() {
  local seconds=0
  close_files
  while sleep 2 >/dev/null 2>&1 && kill -0 "$$" 2>/dev/null; do
    seconds=$((seconds + 2))
    ((seconds % 30)) || log "$1: still at it"
  done
}

# link_kubectl KUBERNETES: for scripts and people, at .cluster/bin/kubectl.
link_kubectl() {
  mkdir -p "$STATE/bin"
  ln -sfn "$1/kubectl" "$STATE/bin/kubectl"
}
