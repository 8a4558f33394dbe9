# shellcheck shell=bash
# The version of this checkout, and what a version looks like.

# The crate's version.
crate_version() {
  sed -nE '/^\[package\]/,/^\[[^p]/ s/^version = "(.*)"/\1/p' "$CHECKOUT/Cargo.toml"
}

# check_version VERSION: X.Y.Z, with a pre-release behind it or not
# (https://semver.org); build metadata cannot be an image's tag.
check_version() {
  local number='(0|[1-9][0-9]*)'
  [[ $1 =~ ^$number\.$number\.$number(-[0-9A-Za-z.-]+)?$ ]] ||
    die "VERSION='$1' is no semantic version: use X.Y.Z, as in VERSION=2.1.0"
}
