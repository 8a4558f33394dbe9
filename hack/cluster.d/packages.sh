# shellcheck shell=bash
# Installs or unpacks Debian packages. Requires common.sh, which sources it. Nothing else in
# this repository runs apt-get to install or download packages.

# Maximum time in seconds to wait for another apt or dpkg.
APT_LOCK_SECONDS=300

# need_command COMMAND PACKAGE...: installs the packages if COMMAND is missing.
need_command() {
  local command=$1
  shift
  need "$command" "has_command $command" "$@"
}

# need_compiler: installs the compilers and the linker for Rust crates. C++ is for libFuzzer.
need_compiler() {
  need_command c++ g++ libc6-dev
}

has_command() {
  command -v "$1" >/dev/null
}

# need WHAT CHECK PACKAGE...: if CHECK, a command with arguments, fails, installs the
# packages, or fails with the list of packages if that is not possible.
need() {
  local what=$1 check
  read -ra check <<<"$2"
  shift 2
  "${check[@]}" && return
  if [[ $(id -u) != 0 ]] || ! has_command apt-get; then
    die "$what is missing: install $*"
  fi
  log "installing $*"
  apt_install "$@"
  "${check[@]}" || die "$what is still missing after installing $*"
}

# The second attempt updates the package lists first: they may be outdated or missing.
apt_install() {
  local output=$CACHE/apt.log install=(install -y --no-install-recommends "$@")
  mkdir -p "$CACHE"
  apt "${install[@]}" >"$output" || { apt update && apt "${install[@]}"; } >>"$output" ||
    die "apt-get could not install $*: see $output"
}

# unpack_packages MIRROR SUITE DIR PACKAGE...: downloads the packages of a release with
# their dependencies, and unpacks them into DIR/root. Nothing is installed: the lists,
# archives and locks of apt are also in DIR, so no permissions are required.
unpack_packages() {
  local mirror=$1 suite=$2 dir=$3 options package
  shift 3
  mkdir -p "$dir/lists/partial" "$dir/archives/partial" "$dir/root"
  : >"$dir/status"
  printf 'deb %s %s main\n' "$mirror" "$suite" >"$dir/sources.list"
  options=(
    -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State=$dir" -o "Dir::State::Lists=$dir/lists" -o "Dir::State::Status=$dir/status"
    -o "Dir::Cache=$dir" -o "Dir::Cache::Archives=$dir/archives"
    -o "APT::Sandbox::User=$(id -un)"
  )
  apt "${options[@]}" update || return
  apt "${options[@]}" install -y --download-only --no-install-recommends "$@" || return
  for package in "$dir"/archives/*.deb; do
    dpkg-deb --extract "$package" "$dir/root" || return
  done
}

# apt ARG...: runs apt-get and waits while another process holds a lock. The option of
# apt-get applies to the lock of dpkg, but not to those of the package lists and the
# downloads: for these the function retries.
apt() {
  local output limit=$((SECONDS + APT_LOCK_SECONDS)) status
  while true; do
    status=0
    output=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive \
      apt-get -o "DPkg::Lock::Timeout=$APT_LOCK_SECONDS" "$@" 2>&1 </dev/null) || status=$?
    if ! is_locked "$status" "$output" || ((SECONDS >= limit)); then
      break
    fi
    sleep 1
  done
  printf '%s\n' "$output"
  return "$status"
}

# is_locked STATUS OUTPUT: succeeds if apt-get failed because another process holds a lock.
is_locked() {
  [[ $1 != 0 && $2 == *'Could not get lock'* ]]
}
