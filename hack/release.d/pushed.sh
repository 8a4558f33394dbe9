# shellcheck shell=bash
# Remembers which image of the operator a release has pushed, for its manifests and its chart.

# pushed_file VERSION: prints the path of the file with the image.
pushed_file() {
  printf '%s\n' "$CHECKOUT/out/pushed-image-$1"
}

# record_pushed VERSION REPOSITORY DIGEST
record_pushed() {
  mkdir -p "$CHECKOUT/out"
  printf '%s@%s\n' "$2" "$3" >"$(pushed_file "$1")"
}

# pushed_image VERSION: prints REPOSITORY@DIGEST, or nothing.
pushed_image() {
  cat "$(pushed_file "$1")" 2>/dev/null || true
}
