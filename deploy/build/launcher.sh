#!/bin/sh
# Pinhole @VERSION@ as one file: this script of @HEADER_BYTES@ bytes, followed by a tar.gz of the program.
# The first start unpacks it into a folder of the user; every start then runs it from there.
set -u

name='pinhole-@VERSION@-@SHORT_SHA256@'
sha256='@SHA256@'
# Sizes of the two large files, in bytes, to detect a folder that was changed or truncated by a full disk.
sizes='@SIZES@'

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
  [ "$(tool stat -c %s -- "$home/pinhole" "$home/@ADDON@" 2>/dev/null)" = "$sizes" ]
}

# While a process holds this lock, which survives `exec`, a newer version does not remove the folder.
hold() {
  command exec 9<"$home/.in-use" && tool flock -s 9 && is_whole
} 2>/dev/null

payload() {
  tool tail -c +$((@HEADER_BYTES@ + 1)) <"$0"
}

unpack() {
  umask 077
  said=$({ : >>"$cache/.lock"; } 2>&1) ||
    fail "Cannot unpack into $cache: ${said##*: }; $elsewhere"
  # Of two first starts at once, the second waits and then finds the files.
  exec 8>>"$cache/.lock"
  said=$(tool flock 8 2>&1) || fail "Cannot lock $cache/.lock: $said"
  ! is_whole || return 0
  sum=$(payload | tool sha256sum)
  [ "${sum%% *}" = "$sha256" ] ||
    fail "$0 is damaged (its contents have another SHA-256 than they were built with); copy it here again"
  # It takes seconds on a fast machine, and a minute on a busy one.
  printf 'pinhole: first start, unpacking @UNPACKED_MB@ MB into %s …\n' "$cache" >&2
  for old in "$cache"/pinhole-*; do
    # A folder without the lock file is not from this program.
    [ ! -f "$old/.in-use" ] || tool flock -n "$old/.in-use" rm -rf -- "$old"
  done
  new=$cache/.new
  tool rm -rf -- "$new" "$home"
  said=$({ tool mkdir -- "$new" && payload | tool tar -xzo -f - -C "$new"; } 2>&1) || {
    tool rm -rf -- "$new"
    case $said in
      *'No space left'* | *'Wrote only '*) said='No space left on the disk' ;;
    esac
    said=${said%%"
"*}
    fail "Cannot unpack into $cache, which takes @UNPACKED_MB@ MB: ${said##*: }; make room, or $elsewhere"
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
[ -x "$home/pinhole" ] ||
  fail "Cannot run programs in $cache: its disk is mounted noexec, or a policy forbids it; $elsewhere"

# Deno must ignore files in parent folders, such as a package.json in the user's home.
export DENO_DIR="$home/deno_dir" DENO_NO_PACKAGE_JSON=1 DENO_NO_UPDATE_CHECK=1
exec "$home/pinhole" run --no-prompt --no-remote --cached-only --config "$home/app/deno.json" \
  @PERMISSIONS@ "$home/app/main.ts" "$@"
