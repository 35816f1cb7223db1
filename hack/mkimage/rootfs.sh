#!/bin/sh
# rootfs.sh DIR: makes the files of the image beside the programs. The licence is among them.
set -eu
cd "$(dirname "$0")/../.."
dir=$1
rm -rf "$dir"
mkdir -p "$dir/app/state" "$dir/data" "$dir/tmp" "$dir/etc" "$dir/licenses"
chmod 1777 "$dir/tmp"
printf 'root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/app:/sbin/nologin\n' >"$dir/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$dir/etc/group"
cp LICENSE "$dir/licenses/LICENSE"
chmod -R go+rX "$dir"
