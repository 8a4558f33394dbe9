# shellcheck shell=bash
# An image registry for the nodes of the local cluster, for images that must be pulled, such
# as those that OLM unpacks. It listens on the address of the control plane, which only the
# nodes can reach.

REGISTRY=$CONTROL_PLANE_IP:5000

local_registry() {
  local_lock
  need_up
  start_registry
  printf '%s\n' "$REGISTRY"
}

# Disable traces, which it sends by default.
start_registry() {
  local registry
  registry=$(binaries registry)
  write_registry_conf >"$CONTROL_PLANE/registry.yaml"
  run registry env OTEL_TRACES_EXPORTER=none \
    "$registry/registry" serve "$CONTROL_PLANE/registry.yaml"
  wait_spawned 20 cluster/registry "$LOGS/registry.log" registry_answers
}

write_registry_conf() {
  cat <<YAML
version: 0.1
storage:
  filesystem:
    rootdirectory: $CONTROL_PLANE/registry
http:
  addr: $REGISTRY
YAML
}

registry_answers() {
  in_netns "$CONTROL_PLANE_NETNS" bash -c "exec 3<>/dev/tcp/${REGISTRY/://}"
}

# containerd expects TLS unless this directory, which is in its configuration (node.sh),
# disables it.
write_registry_hosts() {
  local dir=$1/$REGISTRY
  mkdir -p "$dir"
  cat >"$dir/hosts.toml" <<TOML
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
TOML
}

# Pushes from the namespace of the registry. The image store is in the file system, which
# is the same there.
local_push_image() {
  local image=$1 tool
  spawned_pid cluster/registry >/dev/null || die "the registry is not up: run hack/cluster registry"
  [[ $image == "$REGISTRY"/* ]] || die "the name of $image does not begin with the registry: use $REGISTRY/..."
  for tool in buildah podman; do
    "image_in_$tool" "$image" >/dev/null 2>&1 || continue
    in_netns "$CONTROL_PLANE_NETNS" "$tool" push --quiet --tls-verify=false "$image" "docker://$image" >&2 ||
      die "$tool could not push $image: see $LOGS/registry.log"
    return
  done
  die "buildah and podman have no image $image: build it with hack/image --tag $image"
}
