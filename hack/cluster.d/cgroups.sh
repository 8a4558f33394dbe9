# shellcheck shell=bash
# The cgroups of the local cluster: /fio-<checkout>/<node> in every hierarchy.
# A node sees its own as the root (node-cgroups.sh), so all that it makes is
# below. No other cgroup is made or touched.

node_cgroup() { printf '/fio-%s/%s\n' "$CHECKOUT_ID" "$1"; }

# Where the hierarchies are mounted, one a line.
cgroup_mounts() {
  awk '$0 ~ / - cgroup2? / { print $5 }' /proc/self/mountinfo | sort -u
}

make_node_cgroups() {
  local node=$1 top ours
  while read -r top; do
    ours=$top/fio-$CHECKOUT_ID
    mkdir -p "$ours"
    [[ ! -e $top/cpuset.cpus || ! -e $top/cgroup.clone_children ]] || fill_cpuset "$top" "$ours"
    [[ ! -e $top/cgroup.controllers ]] || hand_down "$top" "$ours"
    mkdir -p "$top$(node_cgroup "$node")"
  done < <(cgroup_mounts)
}

# fill_cpuset TOP CGROUP: a new version 1 cpuset is empty and takes no process;
# with clone_children those below it get what it has.
fill_cpuset() {
  local file
  for file in cpuset.cpus cpuset.mems; do
    cat "$1/$file" >"$2/$file"
  done
  echo 1 >"$2/cgroup.clone_children"
}

# hand_down CGROUP...: switches version 2's controllers on for the cgroups below
# each. At the top they are on wherever systemd or a container engine runs.
hand_down() {
  local cgroup controller
  for cgroup in "$@"; do
    for controller in $(<"$cgroup/cgroup.controllers"); do
      [[ " $(<"$cgroup/cgroup.subtree_control") " == *" $controller "* ]] ||
        echo "+$controller" >"$cgroup/cgroup.subtree_control" 2>/dev/null || true
    done
  done
}

# remove_cgroups PATH: with all below it, in every hierarchy. The kernel takes a
# moment to forget processes that have ended.
remove_cgroups() {
  wait_until "$END_PATIENCE" "the cgroups $1 to be empty" cgroups_removed "$1"
}

cgroups_removed() {
  local top removed=0
  while read -r top; do
    [[ -d $top$1 ]] || continue
    find "$top$1" -depth -type d -exec rmdir {} + || removed=1
  done < <(cgroup_mounts)
  return "$removed"
}
