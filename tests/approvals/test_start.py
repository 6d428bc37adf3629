"""The web server does not start where it would lose decisions."""

import os
import subprocess
import sys

from django.conf import settings


def start(**environment):
    """Load the WSGI application in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "DEBUG"}}
    return subprocess.run(
        [sys.executable, "-c", "import config.wsgi"],
        cwd=settings.BASE_DIR,
        env=kept | {"SECRET_KEY": "x" * 50, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestStart:
    def test_on_cloud_run_a_database_that_forgets_is_refused(self, tmp_path):
        done = start(K_SERVICE="inbox", DATA_DIR=str(tmp_path))

        assert done.returncode != 0
        assert "approvals.E002" in done.stderr

    def test_on_a_laptop_it_starts(self, tmp_path):
        done = start(DATA_DIR=str(tmp_path))

        assert done.returncode == 0, done.stderr
