#!/bin/bash
# enter.sh FOLDER: run the script on standard input as root of a Debian that is this one with a layer above it.
# Only inside a mount namespace of its own: what it mounts must not be the machine's.
set -eu
[ "$(readlink /proc/self/ns/mnt)" != "$OUTSIDE" ] || { echo "refusing: not in a mount namespace of its own" >&2; exit 2; }
mount --make-rprivate /
given=$(realpath "$1")
layer=$(mktemp -d)
mount -t tmpfs tmpfs "$layer"
mkdir "$layer"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
root=$layer/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run" # no systemd runs in here, whatever runs outside
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/given"
mount --bind "$given" "$root/given"
ip link set lo up 2>/dev/null || true
exec chroot "$root" /bin/bash -eu -s
