#!/bin/sh
# Installs beep-python for this user: verifies an archive by its SHA-256, and puts the command, its manual pages and its completions
# into a prefix.
#
#   sh install.sh                                     the latest release, into ~/.local
#   sh install.sh --version 0.1.0 --prefix /opt/beep  that release, elsewhere
#   sh install.sh --from FOLDER|URL                   archives from there
set -eu

releases=https://github.com/beep-python/beep-python/releases
prefix=${HOME:-}/.local
version='' from=''

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --version | --prefix | --from) [ $# -ge 2 ] || fail "$1 needs a value" ;;
    --help | -h) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit ;;
    *) fail "$1 is no option: --version, --prefix and --from are" ;;
    esac
    case $1 in
    --version) version=$2 ;;
    --prefix) prefix=$2 ;;
    --from) from=${2%/} ;;
    esac
    shift 2
done
case $prefix in /*) ;; *) fail "the prefix must be an absolute path, not '$prefix'" ;; esac
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "there are archives for Linux on x86_64 only; build from the source elsewhere"
command -v sha256sum >/dev/null || fail "sha256sum is missing, which verifies the archive"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# get NAME: fetches a file into the work folder.
get() {
    case $from in
    http://* | https://*)
        if command -v curl >/dev/null; then
            curl --fail --silent --show-error --location --output "$work/$1" "$from/$1" || fail "cannot fetch $from/$1"
        elif command -v wget >/dev/null; then
            wget --quiet --output-document="$work/$1" "$from/$1" || fail "cannot fetch $from/$1"
        else
            fail "curl or wget is needed to fetch $from/$1"
        fi
        ;;
    *) cp "$from/$1" "$work/$1" || fail "cannot read $from/$1" ;;
    esac
}

if [ -z "$from" ]; then
    if [ -n "$version" ]; then from=$releases/download/v$version; else from=$releases/latest/download; fi
fi
get SHA256SUMS
archive=$(sed -n "s/^[0-9a-f]\{64\}  \(beep-python-${version:-[0-9][0-9.]*}-x86_64-[a-z-]*\.tar\.gz\)\$/\1/p" "$work/SHA256SUMS" | tail -1)
[ -n "$archive" ] || fail "$from has no archive of ${version:-any version} for this machine"
get "$archive"
(cd "$work" && grep -F "  $archive" SHA256SUMS | sha256sum --check --quiet --strict -) ||
    fail "$archive is not what SHA256SUMS says; nothing was installed"
tar -xzf "$work/$archive" -C "$work" --no-same-owner

folder=$work/${archive%.tar.gz}
"$folder/bin/beep-python" --version >/dev/null ||
    fail "the command does not run on this machine (it needs the C library of 2021 or later, glibc 2.34); nothing was installed"
mkdir -p "$prefix"
# The command last and in one step, so that a running one is replaced by a whole one.
cp -R "$folder/share" "$prefix/"
mkdir -p "$prefix/bin"
cp "$folder/bin/beep-python" "$prefix/bin/.beep-python.new"
mv -f "$prefix/bin/.beep-python.new" "$prefix/bin/beep-python"
echo "$("$prefix/bin/beep-python" --version) is installed as $prefix/bin/beep-python"
case :$PATH: in
*:"$prefix/bin":*) ;;
*) echo "add it to your PATH:  export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
