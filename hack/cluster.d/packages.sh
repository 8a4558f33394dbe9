# shellcheck shell=bash
# Debian packages: installed where they are missing, or only unpacked. Needs
# common.sh, which sources it. Nothing else in this repository runs apt-get to
# install or download anything.

# Maximum time in seconds to wait for another apt or dpkg.
APT_LOCK_SECONDS=300

# need_command COMMAND PACKAGE...: installs the packages where COMMAND is missing.
need_command() {
  local command=$1
  shift
  need "$command" "has_command $command" "$@"
}

# need_compiler: what Rust's crates are compiled and linked by.
need_compiler() {
  need_command cc gcc libc6-dev
}

has_command() {
  command -v "$1" >/dev/null
}

# need WHAT CHECK PACKAGE...: installs the packages where CHECK, a command and its
# arguments, fails and that is possible, else says what to install.
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

# The second try is with fresh package lists: they may be old, or missing.
apt_install() {
  local output=$CACHE/apt.log install=(install -y --no-install-recommends "$@")
  mkdir -p "$CACHE"
  apt "${install[@]}" >"$output" || { apt update && apt "${install[@]}"; } >>"$output" ||
    die "apt-get could not install $*: see $output"
}

# unpack_packages MIRROR SUITE DIR PACKAGE...: downloads the packages of a release,
# with all that they need, and unpacks them into DIR/root. Nothing is installed:
# apt's lists, archives and locks are in DIR too, so no rights are needed.
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

# apt ARG...: apt-get, which waits while another process holds a lock. Its own
# option covers the lock of dpkg, but not those of the package lists and of the
# downloads: these it reports, and this function tries again.
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

# is_locked STATUS OUTPUT: whether apt-get failed because another process holds a lock.
is_locked() {
  [[ $1 != 0 && $2 == *'Could not get lock'* ]]
}
