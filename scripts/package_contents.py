"""Whether a folder holds one wheel and one source archive with what they should have, and nothing else.

python scripts/package_contents.py FOLDER
"""

import fnmatch
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STRANGE = ("*/__pycache__/*", "*.pyc", "*.nbc", "*.nbi", "*/.git/*", "*/runs/*.safetensors", "*.ckpt", "*.npz")
"""What no archive has; a stored case of a test may be an .npz."""
MOST = 12e6
"""Bytes that a wheel may have: PyPI asks for less than 100 MB, and people for less."""


def tracked(folder: str) -> set[str]:
    """The files of a folder that git knows, from the root on; where the sources lie outside of git, all but caches."""
    if not (ROOT / ".git").exists():
        files = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
        return {path.as_posix() for path in files if "__pycache__" not in path.parts}
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name}


def faults_of_wheel(names: Iterable[str], metadata: str, size: int, version: str) -> list[str]:
    """What is wrong with a wheel: its files must be those of the package, and its description that of the project."""
    held = set(names)
    wanted = {name.removeprefix("src/") for name in tracked("src")}
    own = {name for name in held if ".dist-info/" not in name}
    faults = [f"the wheel lacks {name}" for name in sorted(wanted - own)]
    faults += [f"the wheel has {name}, which git does not know" for name in sorted(own - wanted)]
    told = re.search(r"^Version: (.+)$", metadata, re.MULTILINE)
    if told is None or told[1] != version:
        faults.append(f"the wheel says version {told and told[1]}, pyproject.toml {version}")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in held):
        faults.append("the wheel lacks the licence")
    if "Requires-Python: >=3.11" not in metadata:
        faults.append("the wheel does not ask for Python 3.11")
    return [*faults, *([f"the wheel has {size / 1e6:.1f} MB"] if size > MOST else [])]


def faults_of_archive(names: Iterable[str]) -> list[str]:
    """What is wrong with a source archive: it must have the package, its tests and what documents it."""
    held = {name.partition("/")[2] for name in names}
    needed = (
        {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"} | tracked("src") | tracked("tests")
    )
    faults = [f"the source archive lacks {name}" for name in sorted(needed - held)]
    strange = [name for name in held - needed if any(fnmatch.fnmatch(f"/{name}", pattern) for pattern in STRANGE)]
    return faults + [f"the source archive has {name}" for name in sorted(strange)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 where something is wrong, which is printed."""
    folder = Path((sys.argv[1:] if arguments is None else arguments)[0])
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    wheels, archives = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    if len(wheels) != 1 or len(archives) != 1:
        print(f"{folder} holds {len(wheels)} wheels and {len(archives)} source archives, not one of each")
        return 1
    with zipfile.ZipFile(wheels[0]) as wheel:
        described = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        size = wheels[0].stat().st_size
        faults = faults_of_wheel(wheel.namelist(), wheel.read(described).decode(), size, version)
    with tarfile.open(archives[0]) as archive:
        faults += faults_of_archive(entry.name for entry in archive.getmembers() if entry.isfile())
    print("\n".join(faults) or f"{wheels[0].name} ({size / 1e6:.1f} MB) and {archives[0].name} are as they should be")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
