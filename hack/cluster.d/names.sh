# shellcheck shell=bash
# Names that must differ between checkouts on the same machine: ports, sockets, network
# namespaces and cgroups are derived from the path of the checkout.

# Eight hex digits: names with them fit the limits of an interface name (15 bytes) and
# the path of a socket (107 bytes) for any checkout.
CHECKOUT_ID=$(printf %s "$CHECKOUT" | sha256sum | cut -c1-8)

# Sockets and pid files. In /run, because pids are invalid after a reboot.
if [[ $(id -u) == 0 ]]; then
  RUN=/run/fio-$CHECKOUT_ID
else
  RUN=${XDG_RUNTIME_DIR:-/tmp}/fio-$CHECKOUT_ID
fi

# Four ports below the ephemeral range (from 32768), so that outgoing connections of the
# machine do not use them.
PORT_BASE=${FIO_PORT_BASE:-$((20000 + 0x$CHECKOUT_ID % 3000 * 4))}
