"""The names that users import."""

import subprocess
import sys

import i2pmae


def test_every_public_name_is_there() -> None:
    assert sorted(i2pmae.__all__) == sorted(i2pmae._HOMES)
    for name in i2pmae.__all__:
        assert getattr(i2pmae, name).__name__ if name != "RECIPES" else i2pmae.RECIPES
    assert set(i2pmae.__all__) < set(dir(i2pmae))
    assert not hasattr(i2pmae, "no_such_name")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, i2pmae; print([m for m in ('torch', 'transformers', 'sklearn', 'lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
