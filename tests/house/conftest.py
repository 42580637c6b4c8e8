"""What the tests of the house share: the wheel, installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The wheel in an environment where NumPy is all there is."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as shipped:
        shipped.extractall(folder)

    def run(code):
        import numpy

        # NumPy alone: its folders beside ours, no other site-packages
        site = Path(numpy.__file__).parent.parent
        for name in ("numpy", "numpy.libs"):
            if (site / name).exists() and not (folder / name).exists():
                (folder / name).symlink_to(site / name)
        done = subprocess.run(
            [sys.executable, "-S", "-c", code], cwd=folder,
            capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run
