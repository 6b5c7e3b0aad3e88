#!/usr/bin/env bash
# Runs one story: a program of python/ or node/ that checks a server with a real client, a line of JSON for each check.
# usage: run.sh STORY BASE_URL KEY [PART..]     one story, or those of its checks whose names hold one of the parts
#        run.sh --list                          every check of every story, without a server
# BASE_URL ends in /v1. Recorded speech is taken from the folder in TRUNKLINE_SPEECH, by default ../shared/speech beside
# the project, and where there is none the server's own voice speaks.
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
{
    read -r python
    read -r node
} < <("$here/../../scripts/clients.sh" where)

story() { # name, arguments
    if [ -f "$here/python/$1.py" ]; then
        "$python/bin/python" "$here/python/$1.py" "${@:2}"
    elif [ -f "$here/node/$1.mjs" ]; then
        node "$here/node/$1.mjs" "${@:2}"
    else
        echo "there is no story $1 in $here/python or $here/node" >&2
        exit 2
    fi
}
export PYTHONDONTWRITEBYTECODE=1 TRUNKLINE_SPEECH="${TRUNKLINE_SPEECH:-$here/../../../shared/speech}"

if [ "${1:-}" = --list ]; then
    "$python/bin/python" "$here/python/all_claims.py"
    for file in "$here"/node/*.mjs; do
        if grep -q '^await story.run()' "$file"; then node "$file" --list; fi
    done
else
    [ $# -ge 3 ] || { sed -n '3,6s/^# //p' "$0" >&2; exit 2; }
    story "$@"
fi
