#!/bin/bash
# udevd.sh RULES: a real systemd-udevd with a /dev, a /run and a network of its own; says what a tty becomes by our rules.
# In a mount namespace of its own alone: a second udevd in the machine's /dev would change its nodes.
set -eu
[ "$(readlink /proc/self/ns/mnt)" != "$OUTSIDE" ] || { echo "refusing: not in a mount namespace of its own" >&2; exit 2; }
mount --make-rprivate /
rules=$(realpath "$1")
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/udev/rules.d
# What 60-serial.rules and the kernel say of an adapter, where there is none: of one with each driver.
cat >/run/udev/rules.d/60-serial.rules <<'R'
SUBSYSTEM=="tty", KERNEL=="tty1|tty2", ENV{ID_BUS}="usb", ENV{ID_PATH_TAG}="platform-usb-0_1_2_1_0-$kernel"
SUBSYSTEM=="tty", KERNEL=="tty1", ENV{ID_USB_DRIVER}="ftdi_sio"
SUBSYSTEM=="tty", KERNEL=="tty2", ENV{ID_USB_DRIVER}="option"
R
ln -s "$rules" /run/udev/rules.d/70-edge-serial.rules
printf '%s\n' 'ENV{ID_MM_PORT_IGNORE}=="1", ENV{SEEN_BY_MODEMMANAGER}="ignored"' >/run/udev/rules.d/77-later.rules
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/urandom c 1 9
mknod -m 600 /dev/tty1 c 4 1
mknod -m 600 /dev/tty2 c 4 2
mknod -m 600 /dev/tty3 c 4 3
daemon=/lib/systemd/systemd-udevd
[ -x $daemon ] || daemon=$(command -v udevadm)
$daemon >/run/udevd.log 2>&1 &
for _ in $(seq 100); do udevadm control --ping --timeout=1 2>/dev/null && break; sleep 0.1; done
udevadm trigger --action=add --subsystem-match=tty --sysname-match=tty1 --sysname-match=tty2 --sysname-match=tty3
udevadm settle --timeout=20
for name in tty1 tty2 tty3; do
    echo "== $name"
    udevadm info --query=property "/sys/class/tty/$name"
done
echo "== links"
find /dev/edge -type l -printf '%f -> %l\n'
echo "== log"
cat /run/udevd.log
