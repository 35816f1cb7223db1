#!/bin/sh
# rootfs.sh DIR: makes the files of the image beside the programs: DIR/system belongs to root there, DIR/user to the user.
set -eu
cd "$(dirname "$0")/../.."
dir=$1
rm -rf "$dir"
mkdir -p "$dir/system/tmp" "$dir/system/etc" "$dir/system/licenses" "$dir/user/app/state" "$dir/user/data"
printf 'root:x:0:0::/:/sbin/nologin\nnonroot:x:65532:65532::/app:/sbin/nologin\n' >"$dir/system/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$dir/system/etc/group"
cp LICENSE "$dir/system/licenses/LICENSE"
chmod -R go+rX "$dir"
chmod 1777 "$dir/system/tmp"
