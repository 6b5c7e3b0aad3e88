#!/usr/bin/env bash
# Installs the real clients that the API is tested with, by package name and exact version, into a folder that clones
# share: Python's as tests/clients/requirements.txt pins them, Node's as tests/clients/node/package-lock.json does.
# Does nothing where they are there; a change of the pins gets a folder of its own.
# usage: clients.sh [where]      (where: only says where Python's and Node's are)
set -eu
cd "$(dirname "$0")/.."
. scripts/env.sh
clients="$TRUNKLINE_CACHE/clients"
pins() { cat "$@" | sha256sum | cut -c 1-12; }
python="$clients/python-$(pins tests/clients/requirements.txt)"
node="$clients/node-$(pins tests/clients/node/package.json tests/clients/node/package-lock.json)"
if [ "${1:-}" = where ]; then
    printf '%s\n%s\n' "$python" "$node"
    exit
fi
mkdir -p "$clients"
# Two clones that install at once would disturb each other.
exec 9>"$clients/lock"
flock 9

size() { du -sh "$1" | cut -f 1; }
if [ -e "$python/complete" ]; then
    echo "clients: Python's are in $python"
else
    echo "clients: installing Python's into $python (0.8 GB, about two minutes)"
    rm -rf "$python"
    python3 -m venv "$python"
    "$python/bin/python" -m pip install -q --no-input --disable-pip-version-check -r tests/clients/requirements.txt
    touch "$python/complete"
    echo "clients: installed $(size "$python")"
fi

if ! command -v node >/dev/null || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    echo "clients: Node 20 or newer is not here: its clients are left out"
elif [ -e "$node/complete" ]; then
    echo "clients: Node's are in $node"
else
    echo "clients: installing Node's into $node (20 MB)"
    rm -rf "$node"
    mkdir -p "$node"
    cp tests/clients/node/package.json tests/clients/node/package-lock.json "$node/"
    (cd "$node" && npm ci --silent --no-audit --no-fund)
    touch "$node/complete"
    echo "clients: installed $(size "$node")"
fi
# Modules find packages in a folder above them, and nowhere else.
ln -sfn "$node/node_modules" tests/clients/node/node_modules
