#!/bin/sh
# Collects the root file system of the image: fio, AIDE, their libraries, and the package
# records and licenses for scanners and license audits. Runs in the Debian stage of the
# Containerfile.
#
# collect.sh ROOT
set -eu

root=$1
files=$(mktemp)

# add FILE: copies it to the same path, follows symbolic links, and records the path for
# dpkg.
add() {
  path=$(realpath "$(dirname "$1")")/$(basename "$1")
  [ ! -e "$root$path" ] || return 0
  mkdir -p "$root$(dirname "$path")"
  cp -a "$path" "$root$path"
  echo "$path" >>"$files"
  if [ -L "$path" ]; then
    target=$(readlink "$path")
    case $target in
      /*) add "$target" ;;
      *) add "$(dirname "$path")/$target" ;;
    esac
  fi
}

# The top-level links of Debian, which programs need to find their loader.
link_usr() {
  mkdir -p "$root/usr"
  for dir in bin sbin lib lib64; do
    [ ! -L "/$dir" ] || ln -s "usr/$dir" "$root/$dir"
    mkdir -p "$root/$(readlink "/$dir" || echo "$dir")"
  done
}

# add_program FILE: adds it with its libraries and its loader.
add_program() {
  libraries=$(ldd "$1" 2>&1) || { echo "$1 is not dynamically linked: $libraries" >&2; exit 1; }
  if echo "$libraries" | grep 'not found' >&2; then
    echo "$1 was built with later libraries than this Debian has: build it on an earlier system" >&2
    exit 1
  fi
  add "$1"
  for library in $(echo "$libraries" | grep -Eo '/[^ ]+'); do
    [ "$library" = "$1:" ] || add "$library"
  done
}

# Adds the entry of the dpkg database, in the format of distroless images, and the license
# of each package with a collected file.
add_packages() {
  packages=$(xargs -n1 dpkg -S <"$files" 2>/dev/null | sed 's/:.*//' | sort -u)
  mkdir -p "$root/var/lib/dpkg/status.d"
  for package in $packages base-files ca-certificates; do
    dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
  done
}

# User names for lookups; the operator runs as fio.
add_users() {
  cat >"$root/etc/passwd" <<'EOF'
root:x:0:0:root:/:/sbin/nologin
fio:x:65532:65532:file integrity operator:/:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
EOF
  cat >"$root/etc/group" <<'EOF'
root:x:0:
fio:x:65532:
nogroup:x:65534:
EOF
  cat >"$root/etc/nsswitch.conf" <<'EOF'
passwd: files
group: files
hosts: files dns
EOF
}

link_usr
add_program /usr/bin/aide
add_program /usr/local/bin/fio
add /etc/os-release
add /etc/debian_version
add /etc/ssl/certs/ca-certificates.crt
add_packages
add_users
ln -s fio "$root/usr/local/bin/file-integrity-operator"
mkdir -m 1777 "$root/tmp"
