# shellcheck shell=bash
# Reads and checks the version of the checkout.

# Prints the version of the crate.
crate_version() {
  sed -nE '/^\[package\]/,/^\[[^p]/ s/^version = "(.*)"/\1/p' "$CHECKOUT/Cargo.toml"
}

# check_version VERSION: X.Y.Z, optionally with a pre-release (https://semver.org).
# Build metadata is not allowed in the tag of an image.
check_version() {
  local number='(0|[1-9][0-9]*)'
  [[ $1 =~ ^$number\.$number\.$number(-[0-9A-Za-z.-]+)?$ ]] ||
    die "VERSION='$1' is not a semantic version: use X.Y.Z, such as VERSION=2.1.0"
}
