# shellcheck shell=bash
# Runs programs of arm64 on amd64 with qemu-user, without a change to this machine: since
# Linux 6.7 each user namespace has its own binfmt_misc. Requires root and common.sh.

# The first bytes of an ELF file of arm64: 64 bits, little-endian, an executable or a shared
# object. The mask ignores the ABI and the difference between both kinds.
ARM64_MAGIC='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
ARM64_MASK='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'

# need_emulation: installs qemu-user.
need_emulation() {
  [[ $(id -u) == 0 ]] || die "programs of arm64 require root: run this as root"
  need_command qemu-aarch64-static qemu-user-static
  grep --quiet --word-regexp binfmt_misc /proc/filesystems ||
    die "this kernel cannot run programs of arm64: load the module binfmt_misc"
}

# emulated COMMAND...: runs a command and its children in a user namespace that runs programs
# of arm64. All user IDs stay the same. Devices cannot be created there.
emulated() {
  local dir pid status=0
  dir=$(mktemp -d)
  mkfifo "$dir/start"
  # The F flag opens the interpreter now, so that it works in a chroot.
  # shellcheck disable=SC2016 # expanded by the inner bash
  unshare --user --mount --propagation private bash -c '
    set -eu
    read -r _ <"$1/start"
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    printf "%s" "$2" >/proc/sys/fs/binfmt_misc/register
    shift 2
    exec "$@"' bash "$dir" ":arm64:M::$ARM64_MAGIC:$ARM64_MASK:$(command -v qemu-aarch64-static):F" "$@" &
  pid=$!
  map_ids "$pid" uid_map
  map_ids "$pid" gid_map
  printf '\n' >"$dir/start"
  wait "$pid" || status=$?
  rm -r "$dir"
  return "$status"
}

# map_ids PID FILE: the kernel refuses this until the process is in its user namespace.
map_ids() {
  local attempt
  for attempt in {1..100}; do
    ! printf '0 0 4294967295' 2>/dev/null >"/proc/$1/$2" || return 0
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  die "no user namespace after $attempt attempts: does this kernel allow them?"
}
