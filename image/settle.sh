#!/bin/sh
# settle FOLDER: what a build leaves behind in FOLDER becomes the same in every build.
# Bytecode checked against nothing (the code never changes in an image), one date, no way to write,
# readable by whatever user Lambda picks.
set -eu
folder=$1
date="@${SOURCE_DATE_EPOCH:-0}"

compile() {
    python3.11 -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$1" || true
}

if [ "$folder" = / ]; then
    # Debian compiles a part of its standard library only; the rest every start would compile again.
    compile /usr/lib/python3.11
    rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
        /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/cache/ldconfig/aux-cache \
        /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /tmp/*
else
    compile "$folder"
    chmod -R a+rX,a-w "$folder"
fi
# In the system only what was written just now: packages bring their own dates.
recent=""
if [ "$folder" = / ]; then recent="-mmin -60"; fi
# shellcheck disable=SC2086  # one word or two, by intention
find "$folder" -xdev \( -path /proc -o -path /sys -o -path /dev \) -prune \
    -o $recent -exec touch --no-dereference --date="$date" {} +
