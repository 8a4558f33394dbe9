#!/usr/bin/env bash
# Runs a command in the cgroup of a local node, as the root of a cgroup namespace: the
# kubelet and the container runtime of the node see only their own hierarchy.
#
# node-cgroups.sh CGROUP COMMAND...
set -euo pipefail

# join CGROUP: joins the cgroup in every hierarchy.
join() {
  local top
  while read -r top; do
    mkdir -p "$top$1"
    echo $$ >"$top$1/cgroup.procs"
  done < <(awk '$0 ~ / - cgroup2? / { print $5 }' /proc/self/mountinfo)
}

if [[ $1 != --inside ]]; then
  join "$1"
  exec unshare --cgroup "$BASH" "${BASH_SOURCE[0]}" --inside "$@"
fi
shift

# The process must leave the root of the namespace: in version 2, a cgroup has either
# processes or controllers for its children.
join "$1/init"
shift
exec "$@"
