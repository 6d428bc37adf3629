"""The directory of a local run's data: whose it is, its key, its settings for other terminals."""

import fcntl
import secrets
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from config.processes import ROOT, CannotRun

DATABASE = "countersign.sqlite3"  # as in config/settings.py


def claim(data_dir: Path) -> IO[bytes]:
    """Make the data directory and lock it while the returned file is open."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "run.lock").open("wb")
    except OSError as error:
        raise CannotRun(
            f"DATA_DIR={data_dir} cannot be used ({error.strerror}). Name a directory that is"
            " yours to write in, or that can be made: make run DATA_DIR=…"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise CannotRun(
            f"Another run uses {data_dir}. Stop it, or choose another directory:"
            " make run DATA_DIR=…"
        ) from error
    return lock


def is_claimed(data_dir: Path) -> bool:
    """True while a run has the directory."""
    try:
        with (data_dir / "run.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it was never used
        return False
    return False


def keep_secret_key(data_dir: Path) -> str:
    """The key of this data directory, made at the first start, for its owner's eyes only."""
    path = data_dir / "secret-key"
    path.touch(mode=0o600)
    if not path.read_text(encoding="ascii"):
        path.write_text(secrets.token_urlsafe(50), encoding="ascii")
    return path.read_text(encoding="ascii")


def shut_database(data_dir: Path) -> None:
    """Nobody else reads the SQLite file; SQLite gives those beside it the same mode."""
    path = data_dir / DATABASE
    path.touch(mode=0o600)
    path.chmod(0o600)


def write_environment(data_dir: Path, env: Mapping[str, str], without: Iterable[str]) -> Path:
    """A file that a shell reads with `.` to be what our children are; for its owner alone."""
    path = data_dir / "env"
    path.touch(mode=0o600)
    path.chmod(0o600)
    lines = ["# Of the last `make run`. Use it with:  . " + named(path)]
    lines += [f"unset {name}" for name in without]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in env.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def named(path: Path) -> str:
    """The path as one types it in the checkout; with its directory, as `.` of a shell wants it."""
    return shlex.quote(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))
