# shellcheck shell=bash
# The memory steps of hack/vm-test. They read the files of cgroup v2 on the node (kernel
# documentation, admin-guide/cgroup-v2).

# Another program on the node, with a file in the page cache.
OTHER_FILE=/var/tmp/fio-other
OTHER_BYTES=67108864
SAMPLES=/run/fio-samples

# Prints the cgroup of the daemon's container on the node.
daemon_cgroup() {
  local id
  id=$(pod '.status.containerStatuses[0].containerID')
  on_node "find /sys/fs/cgroup/kubepods.slice -type d -name 'cri-containerd-${id##*/}.scope'"
}

mebibytes() {
  printf '%d.%d MiB' $(($1 / 1048576)) $(($1 % 1048576 * 10 / 1048576))
}

# memory_of CURRENT ANON FILE INACTIVE_FILE SLAB: a line of the sampler as text.
memory_of() {
  printf 'memory.current %s: anon %s, file %s (inactive %s), reclaimable slab %s' \
    "$(mebibytes "$1")" "$(mebibytes "$2")" "$(mebibytes "$3")" "$(mebibytes "$4")" "$(mebibytes "$5")"
}

# Prints how many bytes of the page cache are those of the other program.
other_cached() {
  on_node "awk '\$1 == \"file\" { print \$2 }' /sys/fs/cgroup/system.slice/fio-other.service/memory.stat"
}

other_is_cached() {
  [[ $(other_cached) -ge $OTHER_BYTES ]]
}

has_scanned_since() {
  [[ $(result lastProbeTime) != "$1" ]]
}

# Measures the memory of the daemon before a scan, at its end, and after the release of the page
# cache, and the page cache of another program before and after it.
reclaim() {
  local cgroup before peak after anon other_before other_after probed
  cgroup=$(daemon_cgroup)
  log "the cgroup of the daemon: $cgroup"
  # An empty page cache, so that the pages that the scan reads count as the daemon's.
  on_node "sync; echo 3 >/proc/sys/vm/drop_caches
    systemd-run --quiet --unit=fio-other bash -c \
      'head --bytes $OTHER_BYTES /dev/zero >$OTHER_FILE; sync $OTHER_FILE; sleep infinity'
    systemd-run --quiet --unit=fio-sampler $NODE_FILES/bin/sampler $cgroup $SAMPLES"
  wait_for "another program has a file in the page cache" other_is_cached
  other_before=$(other_cached)
  # The first may have begun before.
  for _ in 1 2; do
    probed=$(result lastProbeTime)
    wait_for "a scan has ended" has_scanned_since "$probed"
  done
  on_node 'sleep 3; systemctl stop fio-sampler'
  other_after=$(other_cached)
  on_node "systemctl stop fio-other; rm $OTHER_FILE"
  read -ra before < <(on_node "head -n 1 $SAMPLES")
  read -ra peak < <(on_node "sort -n -k 3 $SAMPLES | tail -n 1")
  # The lowest after that, because the next scan may have begun.
  read -ra after < <(on_node "sed '1,/ ${peak[2]} /d' $SAMPLES | sort -n -k 3 | head -n 1")
  anon=$(on_node "cut -d ' ' -f 2 $SAMPLES | sort -n | tail -n 1")
  log "before the scans: $(memory_of "${before[@]}")"
  log "with the most cached pages: $(memory_of "${peak[@]}")"
  log "after the release: $(memory_of "${after[@]}")"
  log "the highest anon, with AIDE: $(mebibytes "$anon")"
  log "cached pages of another program: $(mebibytes "$other_before") before, $(mebibytes "$other_after") after"
  expect "the scans filled the page cache" test "${peak[2]}" -gt $((10 * 1048576))
  expect "the release dropped at least three quarters of it" test "${after[2]}" -lt $((peak[2] / 4))
  expect "it did not affect another program" test "$other_after" -ge "$OTHER_BYTES"
}

# set_resources REQUEST LIMIT: of memory.
set_resources() {
  k patch fileintegrity "$FI" --type=merge --patch "{\"spec\": {\"resources\": {
    \"requests\": {\"cpu\": \"40m\", \"memory\": \"$1\"},
    \"limits\": {\"cpu\": \"300m\", \"memory\": \"$2\"}}}}" >/dev/null
}

# In the kernel log: AIDE and the daemon.
was_oom_killed() {
  local log
  log=$(on_node 'dmesg | grep --fixed-strings "Memory cgroup out of memory: Killed process" || true')
  [[ $log == *'(aide)'* && $log == *'(fio)'* ]]
}

# has_restarted COUNT: more often than that.
has_restarted() {
  [[ $(pod '.status.containerStatuses[0].restartCount') -gt $1 ]]
}

has_interrupted_scan() {
  [[ $(result condition) == Errored && $(result errorClass) == interrupted ]]
}

baseline_digest() {
  get "fileintegritynodestatus/$FI-$VM_NODE" .baseline.digest
}

# The limit does not suffice for AIDE. With cgroup v2 the kernel kills the entire container,
# because the kubelet sets memory.oom.group. The next start of the daemon reports it.
out_of_memory() {
  local probed digest
  digest=$(baseline_digest)
  set_resources 10Mi "$SMALL_LIMIT"
  wait_for "with a memory limit of $SMALL_LIMIT: the kernel killed AIDE and the daemon" was_oom_killed
  wait_for "the result: Errored, interrupted" has_interrupted_scan
  log "the message: $(result errorMessage)"
  wait_for "the container was killed again" has_restarted "$(pod '.status.containerStatuses[0].restartCount')"
  expect "the result is still an error" has_interrupted_scan
  expect "the baseline is the same" test "$(baseline_digest)" = "$digest"
  probed=$(result lastProbeTime)
  set_resources 40Mi 600Mi
  wait_for "with a limit of 600Mi again: Succeeded" has_result Succeeded "$probed"
  wait_for "phase Active" has_phase Active
}
