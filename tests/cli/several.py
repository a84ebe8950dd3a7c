"""Command lines in one of several processes, one after the other: ``python -m tests.cli.several JSON``.

Only the first of the processes can write to a file.
"""

import json
import os
import resource
import sys

from i2pmae import cli
from i2pmae.common.ranks import leave


def main() -> int:
    """The first exit status that is not 0."""
    if os.environ["RANK"] != "0":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return next(filter(None, map(cli.main, json.loads(sys.argv[1]))), 0)


if __name__ == "__main__":
    leave(main())
