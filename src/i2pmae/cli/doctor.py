"""``i2pmae doctor``: what this installation and this machine have."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from i2pmae.cli.options import parse
from i2pmae.common.errors import I2PError

__all__ = ["run"]


@dataclass(frozen=True)
class Doctor:
    """Say what is installed, where can be computed, what is kept, and whether the hub answers.

    Versions, extras with what installs them, devices, threads, whether bf16 is
    fast, the cache folder with its size and free disk, weights with a name. The
    exit status is 1 where something that must work does not; that an extra, a
    GPU or a network is absent is no fault.

    Examples:
      i2pmae doctor
      i2pmae doctor --json --no-hub
    """

    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print it as JSON."""
    hub: bool = True
    """Ask whether the Hugging Face hub answers; some seconds where there is no network."""


def run(arguments: Sequence[str]) -> None:
    """Print what was found; :class:`I2PError` names what is broken."""
    options = parse(Doctor, "doctor", arguments)
    from i2pmae.commands.doctor import doctor

    found = doctor(hub=options.hub)
    print(json.dumps(found.to_dict(), indent=2) if options.json else found)
    if found.broken:
        raise I2PError("Broken: " + "; ".join(f"{check.name}: {check.found}" for check in found.broken))
