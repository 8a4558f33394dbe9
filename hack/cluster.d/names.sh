# shellcheck shell=bash
# What could clash with another checkout on the same machine: ports, sockets and
# the names of network namespaces and cgroups are derived from this one's path.

# Eight hex digits: names built from them fit into an interface name (15 bytes)
# and a socket's path (107 bytes) whatever the checkout's path is.
CHECKOUT_ID=$(printf %s "$CHECKOUT" | sha256sum | cut -c1-8)

# Sockets and pid files. /run, because pids mean nothing after a reboot.
if [[ $(id -u) == 0 ]]; then
  RUN=/run/fio-$CHECKOUT_ID
else
  RUN=${XDG_RUNTIME_DIR:-/tmp}/fio-$CHECKOUT_ID
fi

# Four ports below the ephemeral range (32768 up), so that no outgoing
# connection of the machine holds one of them by chance.
PORT_BASE=${FIO_PORT_BASE:-$((20000 + 0x$CHECKOUT_ID % 3000 * 4))}
