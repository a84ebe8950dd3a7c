"""``python -m i2pmae``: the same as the ``i2pmae`` command."""

import sys

from i2pmae.cli import main

if __name__ == "__main__":
    sys.exit(main())
