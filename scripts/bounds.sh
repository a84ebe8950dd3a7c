#!/usr/bin/env bash
# Installs the lowest and the highest versions of all dependencies that pyproject.toml allows, and runs the fast tests
# with each. Prints a table of versions and results; its status is 1 where something failed.
#
#   scripts/bounds.sh [lowest|highest|both] [PYTEST ARGUMENTS]
#
# Arguments for pytest replace "-m 'not slow'". Variables:
#
#   BOUNDS   folder for the two virtual environments, which stay (default: /tmp/bounds)
#   PYTHON   the interpreter that they are made with (default: python3)
#   TORCH    requirement for torch, such as torch==2.6.0. By default it is the lowest or highest build for processors
#            alone that pip finds within the bounds (PIP_EXTRA_INDEX_URL names PyTorch's index of them); where pip finds
#            none, whatever torch the bounds allow.
set -uo pipefail
cd "$(dirname "$0")/.."
bounds=${BOUNDS:-/tmp/bounds}
python=${PYTHON:-python3}
which=both
case ${1:-} in
lowest | highest | both)
    which=$1
    shift
    ;;
esac
[ $# -gt 0 ] || set -- -m "not slow"
[ "$which" = both ] && sides=(lowest highest) || sides=("$which")

# The dependencies of pyproject.toml and of its extras but dev, one on a line: at their minimum, or as they are declared.
# One without bounds stays so: which torchvision is installed follows from torch.
# Arguments: side, TORCH, the versions of torch that pip finds.
read -r -d '' requirements <<'PYTHON'
import re, sys, tomllib

side, torch, found = sys.argv[1:4]
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
extras = project["optional-dependencies"]
apart = {"trackio"} if side == "lowest" else set()  # asks itself for newer versions than others are tested with
declared = project["dependencies"] + [line for name in sorted(set(extras) - {"dev"} - apart) for line in extras[name]]


def numbers(version):
    return tuple(int(part) for part in version.partition("+")[0].split("."))


for name in apart:
    print(f"{name} is left out: it asks for newer versions of fastapi and huggingface-hub.", file=sys.stderr)
for line in declared:
    match = re.fullmatch(r"([\w.-]+)(\[[\w,]+\])?(?:>=([\d.]+)(?:,<([\d.]+))?)?", line)
    if match is None:
        sys.exit(f"pyproject.toml: expected NAME, NAME>=LOWEST or NAME>=LOWEST,<LIMIT, got {line!r}.")
    name, extra, lowest, limit = match.groups()
    if name == "torch" and torch:
        line = torch
    elif name == "torch":
        builds = sorted({v for v in re.findall(r"[\d.]+\+cpu", found) if numbers(v) >= numbers(lowest)}, key=numbers)
        builds = [v for v in builds if not limit or numbers(v) < numbers(limit)]
        chosen = (builds[0] if side == "lowest" else builds[-1]) if builds else lowest if side == "lowest" else ""
        line = f"torch=={chosen}" if chosen else line
        if side == "lowest" and numbers(chosen) != numbers(lowest):
            note = f"torch {lowest} has no build for processors that pip finds: {chosen} is tested instead."
            print(note, file=sys.stderr)
    elif side == "lowest" and lowest:
        line = f"{name}{extra or ''}=={lowest}"
    print(line)
PYTHON

# The versions of direct dependencies that an environment has, as "name version" lines.
read -r -d '' versions <<'PYTHON'
import importlib.metadata, platform, re, sys

print("python", platform.python_version())
for line in sys.stdin:
    name = re.match(r"[\w.-]+", line).group()
    print(name, importlib.metadata.version(name))
PYTHON

# install SIDE: the environment of that side, from scratch where the requirements have changed.
install() {
    local home=$bounds/$1 wanted=$bounds/$1.txt note=$bounds/$1.note
    "$python" -c "$requirements" "$1" "${TORCH:-}" "$("$python" -m pip index versions torch 2>/dev/null)" \
        >"$wanted.new" 2>"$note" || return 1
    if [ ! -f "$home/complete" ] || ! cmp -s "$wanted" "$wanted.new"; then
        rm -rf "$home"
        "$python" -m venv "$home" || return 1
        "$home/bin/pip" install -qq --requirement "$wanted.new" || return 1
        mv "$wanted.new" "$wanted"
        touch "$home/complete"
    fi
    rm -f "$wanted.new"
    "$home/bin/pip" install -qq --no-deps --force-reinstall . || return 1
    "$home/bin/python" -c "$versions" <"$wanted" >"$bounds/$1.versions"
}

mkdir -p "$bounds"
status=0
tables=()
declare -A result
for side in "${sides[@]}"; do
    echo "== $side"
    if ! install "$side"; then
        result[$side]="not installed"
        status=1
        continue
    fi
    tables+=("$bounds/$side.versions")
    "$bounds/$side/bin/python" -m pytest "$@" 2>&1 | tee "$bounds/$side.log"
    if [ "${PIPESTATUS[0]}" -ne 0 ]; then
        status=1
    fi
    result[$side]=$(tail -n 1 "$bounds/$side.log")
done

{
    echo package "${tables[@]##*/}"
    [ ${#tables[@]} -eq 0 ] || paste -d " " "${tables[@]}" |
        awk '{ line = $1; for (i = 2; i <= NF; i += 2) line = line " " $i; print line }'
} | sed 's/\.versions//g' | column -t
for side in "${sides[@]}"; do
    printf '\n%s: %s\n' "$side" "${result[$side]}"
    cat "$bounds/$side.note"
done
exit $status
