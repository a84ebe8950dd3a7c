#!/usr/bin/env bash
# Builds the wheel and the source archive as they would be released, and looks at them: their description (twine), what
# they hold, one version everywhere. Needs `pip install build twine`. Leaves both in the folder that is named (default: a
# temporary one).
#
#   scripts/package.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
place=${1:-$(mktemp -d)}
python -m build --outdir "$place" .
python -m twine check --strict "$place"/*
python scripts/package_contents.py "$place"
