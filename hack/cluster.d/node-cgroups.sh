#!/usr/bin/env bash
# Runs a command in a local node's cgroup, in a cgroup namespace whose root that
# is: the node's kubelet and container runtime find a hierarchy of their own, as
# on a machine of their own.
#
# node-cgroups.sh CGROUP COMMAND...
set -euo pipefail

# join CGROUP: in every hierarchy.
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

# The root was taken from where this process was. It may not stay there: in
# version 2 a cgroup has either processes or controllers for those below it.
join "$1/init"
shift
exec "$@"
