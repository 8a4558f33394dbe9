# shellcheck shell=bash
# Tools from crates, compiled and cached if they are not installed.

# shellcheck disable=SC2034 # used by the scripts that source this
DENY_VERSION=0.20.2
# shellcheck disable=SC2034
CYCLONEDX_VERSION=0.5.9

# cargo_tool NAME VERSION: prints the tool's path.
cargo_tool() {
  local name=$1 version=$2 dir=$CACHE/$1/$2
  if command -v "$name"; then
    return
  fi
  cached "$dir" "$name" install_cargo_tool "$name" "$version"
  printf '%s\n' "$dir/bin/$name"
}

# install_cargo_tool NAME VERSION DIR: compiles without optimization, which would take
# longer than it saves.
install_cargo_tool() {
  need_compiler
  log "compiling $1 $2 (minutes the first time)"
  cargo install --locked --quiet --debug --root "$3" --target-dir "$3/target" "$1@$2" >&2
  rm -r "$3/target"
}
