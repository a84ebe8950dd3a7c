"""``python -m i2pmae``: the same as the ``i2pmae`` command."""

from i2pmae.cli import run

if __name__ == "__main__":
    run()
