#!/bin/sh
# Pinhole @VERSION@ as one file: this script of @HEADER_BYTES@ bytes, followed by the compressed program.
# The first start unpacks it into a folder of the user; every start then runs it from there.
set -u

name='pinhole-@VERSION@-@SHORT_SHA256@'
# Sizes of the two large files, in bytes, to detect a folder that was changed or truncated by a full disk.
sizes='@SIZES@'
# Size of this file, in bytes, to detect a copy that was cut short; its pieces have checksums.
size=@SIZE@

fail() {
  printf 'pinhole: %s\n' "$*" >&2
  exit 1
}

# Runs a system tool with a fixed PATH and untranslated messages; the PATH of the program is not changed.
tool() {
  PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C "$@"
}

choose_cache() {
  elsewhere='set CACHE_DIRECTORY to a folder of your own on another disk'
  xdg=${XDG_CACHE_HOME-} home=${HOME-}
  if [ -n "${CACHE_DIRECTORY-}" ]; then
    # systemd lists several folders with colons.
    cache=${CACHE_DIRECTORY%%:*}
  elif [ "${xdg#/}" != "$xdg" ]; then
    cache=$xdg/pinhole
  elif [ "${home#/}" != "$home" ] && [ -d "$home" ] && [ -O "$home" ]; then
    # Not another user's home, which `sudo` may keep, and not the missing home of a service user.
    cache=$home/.cache/pinhole
  else
    cache=/var/tmp/pinhole-$(tool id -u)
    # Any user can make a link there.
    [ ! -L "$cache" ] || fail "Cannot unpack into $cache: it is a link; remove it, or $elsewhere"
  fi
}

look() {
  said=$(tool stat -c '%u %a' -- "$1" 2>&1) || fail "Cannot unpack: ${said#stat: }; $elsewhere"
  owner=${said% *} mode=${said#* }
}

# Makes the folder, and refuses one in which other users could replace the program.
check_cache() {
  user=$(tool id -u)
  while [ "${cache%?/}" != "$cache" ]; do cache=${cache%/}; done
  [ -d "$cache" ] || said=$(umask 077 && tool mkdir -p -- "$cache" 2>&1) ||
    fail "Cannot unpack: ${said#mkdir: }; $elsewhere"
  look "$cache/."
  [ "$owner" = "$user" ] ||
    fail "Cannot unpack into $cache: it belongs to user $owner, not to $user; $elsewhere"
  case $mode in
    # Such as /tmp, whose mode must not be changed.
    [1357]??[2367] | [1357]?[2367]?)
      fail "Cannot unpack into $cache: others may write there (mode $mode); $elsewhere"
      ;;
    *[2367] | *[2367]?)
      fail "Cannot unpack into $cache: others may write there (mode $mode); run chmod go-w on it, or $elsewhere"
      ;;
  esac
  check_parent "$cache/.."
  [ -L "$cache" ] || return 0
  # systemd makes a link where users are dynamic (DynamicUser=).
  look "$cache"
  case $owner in
    0 | "$user") ;;
    *) fail "Cannot unpack into $cache: it is a link of user $owner; remove it, or $elsewhere" ;;
  esac
  case $cache in
    */*) check_parent "${cache%/*}/." ;;
    *) check_parent . ;;
  esac
}

# A user who may rename a folder can replace it: the owner of its parent, and users who may write there, unless the
# sticky bit prevents it.
check_parent() {
  look "$1"
  case $owner in
    0 | "$user") ;;
    *) fail "Cannot unpack into $cache: the folder around it belongs to user $owner; $elsewhere" ;;
  esac
  case $mode in
    [1357]???) ;;
    *[2367] | *[2367]?)
      fail "Cannot unpack into $cache: others may write to the folder around it (mode $mode); run chmod go-w on that, or $elsewhere"
      ;;
  esac
}

is_whole() {
  [ "$(tool stat -c %s -- "$1/pinhole" "$1/@ADDON@" 2>/dev/null)" = "$sizes" ]
}

# While a process holds this lock, which survives `exec`, a newer version does not remove the folder.
hold() {
  command exec 9<"$home/.in-use" && tool flock -s 9 && is_whole "$home"
} 2>/dev/null

damaged() {
  fail "$0 is damaged ($1); copy it here again"
}

noexec() {
  fail "Cannot run programs in $cache: its disk is mounted noexec, or a policy forbids it; $elsewhere"
}

# Prints LENGTH bytes of this file, from byte FIRST on, which counts from 1.
part() {
  tool tail -c "+$1" <"$0" 2>/dev/null | tool head -c "$2"
}

# Begins to unpack a piece of FILE: FIRST and LENGTH in this file, its START in FILE in MiB, and what decompresses it.
begin() {
  (
    file=$1 start=$4
    part "$2" "$3" | {
      shift 4
      tool dd bs=1048576 seek="$start" count=0 conv=notrunc status=none </dev/null && tool "$@"
    } 1<>"$file"
  ) &
  jobs="$jobs $!"
}

# Waits for everything that was begun.
finish() {
  result=0
  for job in $jobs; do wait "$job" || result=1; done
  jobs=
  return $result
}

# Unpacks all of this file, each piece on a core if there are enough. Every piece has a checksum, which is verified.
unpack_into() {
  jobs='' deno=$1/pinhole addon=$1/@ADDON@
  tool mkdir -- "$1" || return
  (part @FILES@ | tool tar -xzo -f - -C "$1") &
  jobs=$!
  @DENO_PIECES@
  finish && tool chmod 700 "$deno" || return
  [ -x "$deno" ] || return 0
  zstd='run --no-prompt --no-config --no-remote --no-code-cache'
  export DENO_DIR="$1/deno_dir" DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
  @ADDON_PIECES@
  finish && is_whole "$1"
}

unpack() {
  umask 077
  said=$({ : >>"$cache/.lock"; } 2>&1) ||
    fail "Cannot unpack into $cache: ${said##*: }; $elsewhere"
  # Of two first starts at once, the second waits and then finds the files.
  exec 8>>"$cache/.lock"
  said=$(tool flock 8 2>&1) || fail "Cannot lock $cache/.lock: $said"
  ! is_whole "$home" || return 0
  [ "$(tool stat -c %s -- "$0")" = $size ] || damaged "it should have $size bytes"
  # It takes a second on a fast machine, and many on a busy one.
  printf 'pinhole: first start, unpacking @UNPACKED_MB@ MB into %s …\n' "$cache" >&2
  for old in "$cache"/pinhole-*; do
    # A folder without the lock file is not from this program.
    [ ! -f "$old/.in-use" ] || tool flock -n "$old/.in-use" rm -rf -- "$old"
  done
  new=$cache/.new
  tool rm -rf -- "$new" "$home"
  said=$(unpack_into "$new" 2>&1) || {
    tool rm -rf -- "$new"
    case $said in
      *'No space left'* | *'Wrote only '*) said='No space left on the disk' ;;
      *'gzip: stdin: '* | *'zstd: '*) damaged 'its contents do not match their checksums' ;;
      '') said='a file is incomplete' ;;
    esac
    said=${said%%"
"*}
    fail "Cannot unpack into $cache, which takes @UNPACKED_MB@ MB: ${said##*: }; make room, or $elsewhere"
  }
  [ -x "$new/pinhole" ] || {
    tool rm -rf -- "$new"
    noexec
  }
  said=$(tool mv -- "$new" "$home" 2>&1) || fail "Cannot unpack into $cache: $said"
}

[ -f "$0" ] || fail "Cannot find itself as \"$0\"; start it by its path"
choose_cache
check_cache
home=$cache/$name
if ! hold; then
  (unpack) || exit 1
  hold || fail "$home is gone right after it was unpacked; remove it and start again"
fi
[ -x "$home/pinhole" ] || noexec

# Deno must ignore files in parent folders, such as a package.json in the user's home.
export DENO_DIR="$home/deno_dir" DENO_NO_PACKAGE_JSON=1 DENO_NO_UPDATE_CHECK=1
exec "$home/pinhole" run --no-prompt --no-remote --cached-only --config "$home/app/deno.json" \
  @PERMISSIONS@ "$home/app/main.js" "$@"
