"""Write golden records anew: ``python -m tests.golden.write [NAME ...]``, all where none is named.

With ``--check`` nothing is written: it says how far each run lies from what is stored, in tolerances, which is how they
were measured. A record changes only where a fault is mended, or behaviour is meant to change; the commit says why.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.golden.records import Mismatch, check, load, save
from tests.golden.runs import RUNS

STORED = Path(__file__).parent / "stored"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(RUNS)}")
    parser.add_argument("--check", action="store_true", help="compare with what is stored instead of writing it")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in RUNS]
    if unknown:
        parser.error(f"no golden run {', '.join(unknown)}; there are {', '.join(RUNS)}")
    changed = False
    for name in options.names or RUNS:
        started, path = time.monotonic(), STORED / f"{name}.json"
        record, said = RUNS[name](), "written"
        if options.check:
            try:
                said = f"{check(name, load(path), record):.2g} of the tolerance"
            except Mismatch as error:
                said, changed = str(error), True
        else:
            save(record, path)
        print(f"{name}: {said} ({time.monotonic() - started:.1f} s)", flush=True)
    return int(changed)


if __name__ == "__main__":
    sys.exit(main())
