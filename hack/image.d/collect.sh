#!/bin/sh
# Collects the image's root file system: fio, AIDE, what the two load, and what
# tells a scanner or a lawyer where that came from. Runs in the Containerfile's
# Debian stage.
#
# collect.sh ROOT
set -eu

root=$1
files=$(mktemp)

# add FILE: copies it to where it is, with every symbolic link on the way to it,
# and notes the path under which dpkg knows it.
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

# Debian's top-level links, without which no program finds its loader.
link_usr() {
  mkdir -p "$root/usr"
  for dir in bin sbin lib lib64; do
    [ ! -L "/$dir" ] || ln -s "usr/$dir" "$root/$dir"
    mkdir -p "$root/$(readlink "/$dir" || echo "$dir")"
  done
}

# add_program FILE: with its libraries and its loader.
add_program() {
  libraries=$(ldd "$1" 2>&1) || { echo "$1 is not dynamically linked: $libraries" >&2; exit 1; }
  if echo "$libraries" | grep 'not found' >&2; then
    echo "$1 was built against newer libraries than this Debian's: build it on an older system" >&2
    exit 1
  fi
  add "$1"
  for library in $(echo "$libraries" | grep -Eo '/[^ ]+'); do
    [ "$library" = "$1:" ] || add "$library"
  done
}

# The entries of dpkg's database in the form that distroless images made usual,
# and the licences, of each package that a file came from.
add_packages() {
  packages=$(xargs -n1 dpkg -S <"$files" 2>/dev/null | sed 's/:.*//' | sort -u)
  mkdir -p "$root/var/lib/dpkg/status.d"
  for package in $packages base-files ca-certificates; do
    dpkg -s "$package" >"$root/var/lib/dpkg/status.d/$package"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/"
  done
}

# Users for who looks up a number's name; the operator runs as fio.
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
