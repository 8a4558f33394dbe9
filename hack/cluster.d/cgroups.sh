# shellcheck shell=bash
# The cgroups of the local cluster: /fio-<checkout>/<node> in every hierarchy. A node
# sees its own cgroup as the root (node-cgroups.sh) and creates others only below it.

node_cgroup() { printf '/fio-%s/%s\n' "$CHECKOUT_ID" "$1"; }

# Prints the mount points of the hierarchies.
cgroup_mounts() {
  awk '$0 ~ / - cgroup2? / { print $5 }' /proc/self/mountinfo | sort -u
}

make_node_cgroups() {
  local node=$1 top ours
  while read -r top; do
    ours=$top/fio-$CHECKOUT_ID
    mkdir -p "$ours"
    [[ ! -e $top/cpuset.cpus || ! -e $top/cgroup.clone_children ]] || fill_cpuset "$top" "$ours"
    [[ ! -e $top/cgroup.controllers ]] || enable_controllers "$top" "$ours"
    mkdir -p "$top$(node_cgroup "$node")"
  done < <(cgroup_mounts)
}

# fill_cpuset TOP CGROUP: a new cpuset of version 1 is empty and accepts no process. With
# clone_children its children inherit its values.
fill_cpuset() {
  local file
  for file in cpuset.cpus cpuset.mems; do
    cat "$1/$file" >"$2/$file"
  done
  echo 1 >"$2/cgroup.clone_children"
}

# enable_controllers CGROUP...: enables the controllers of version 2 for the children of
# each cgroup. At the top, systemd or a container engine has usually enabled them.
enable_controllers() {
  local cgroup controller
  for cgroup in "$@"; do
    for controller in $(<"$cgroup/cgroup.controllers"); do
      [[ " $(<"$cgroup/cgroup.subtree_control") " == *" $controller "* ]] ||
        echo "+$controller" >"$cgroup/cgroup.subtree_control" 2>/dev/null || true
    done
  done
}

# remove_cgroups PATH: removes the cgroup and its children in every hierarchy. The kernel
# removes terminated processes with a delay.
remove_cgroups() {
  wait_until "$KILL_TIMEOUT" "the cgroups $1 to be empty" cgroups_removed "$1"
}

cgroups_removed() {
  local top removed=0
  while read -r top; do
    [[ -d $top$1 ]] || continue
    find "$top$1" -depth -type d -exec rmdir {} + || removed=1
  done < <(cgroup_mounts)
  return "$removed"
}
