"""A repository of a workflow author, whose tests run with pytest in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.pages import ROOT

CONFTEST = 'pytest_plugins = ["emulator.testing"]\n'


def run_tests(
    folder: Path, files: Mapping[str, str], *options: str
) -> subprocess.CompletedProcess[str]:
    """Write the files, and run the tests among them; a warning is an error."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
