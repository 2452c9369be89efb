#!/usr/bin/env bash
# Real peers of each protocol with each other and through sabir: see README.md.
#   run.sh [-k PATTERN] [--direct] [--strict] [--list] [--count]
set -euo pipefail
cd "$(dirname "$0")"
command -v python3 >/dev/null || { echo "python3 is needed to run the suite" >&2; exit 2; }
exec python3 -B suite.py "$@"
