# shellcheck shell=bash
# Checks an image for files that an attacker in its container could use or change.

# audit_image ARCHIVE: fails if the image in this archive (docker save) contains a
# setuid or setgid file, a shell, a package manager, or a file that everybody or the
# user fio can write. Prints each of them.
audit_image() {
  local dir layer found=''
  dir=$(mktemp -d)
  tar --extract --file "$1" --directory "$dir"
  while read -r layer; do
    found+=$(tar --list --verbose --numeric-owner --file "$dir/$layer" | audit_files)
  done < <(grep -o '"Layers": *\[[^]]*\]' "$dir/manifest.json" | grep -o '"[^"]*"' | tr -d '"' | grep -v '^Layers$')
  rm -r "$dir"
  [[ -z $found ]] || die "the image contains forbidden files:"$'\n'"$found"
}

# audit_files: reads the output of tar --list, prints a line for each forbidden file.
audit_files() {
  awk '
    function bad(why) { print why ": " $1 " " $2 " " $6 }
    {
      kind = substr($1, 1, 1)
      split($2, id, "/")
      name = $6
      sub(/\/$/, "", name)
      sub(/.*\//, "", name)
    }
    kind == "l" { if (name in forbidden) bad("a shell or package manager"); next }
    $1 ~ /^...[sS]/ || $1 ~ /^......[sS]/ { bad("setuid or setgid") }
    substr($1, 9, 1) == "w" && !($6 ~ /^(\.\/)?tmp\/$/ && $1 ~ /t$/) { bad("writable by everybody") }
    id[1] == 65532 || (id[2] == 65532 && substr($1, 6, 1) == "w") { bad("writable by the user fio") }
    kind != "d" && name in forbidden { bad("a shell or package manager") }
    BEGIN {
      split("sh bash dash ash zsh ksh csh busybox toybox apt apt-get apt-cache dpkg dpkg-deb rpm dnf yum microdnf apk pip pip3 gem npm curl wget perl python3 su sudo", words, " ")
      for (i in words) forbidden[words[i]]
    }'
}
