"""`make run`: emulator, web and worker on this machine with demo data, until Ctrl-C.

Only the standard library and the commands that a deployment uses as well; what makes the run local
is the environment that `environment` builds. Everything listens on the loopback address alone.
"""

import fcntl
import hashlib
import os
import secrets
import signal
import socket
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from config.databases import require_local_database
from config.processes import ROOT, CannotRun, Children, Stopped, say

HOST = "127.0.0.1"
PROJECT = "countersign-demo"
# Each of these would lead google-auth to the developer's own login, or past the emulator.
NOT_INHERITED = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_QUOTA_PROJECT", "NO_GCE_CHECK")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start where: ports, the directory for all data, the password of the demo people."""

    port: int
    emulator_port: int
    data_dir: Path
    password: str

    @property
    def web(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def emulator(self) -> str:
        return f"http://{HOST}:{self.emulator_port}"


def read_plan(given: Mapping[str, str]) -> Plan:
    """The plan that environment variables describe. Raises CannotRun for a port that is none."""
    require_local_database(given)
    return Plan(
        port=_port("PORT", given.get("PORT") or "8000"),
        emulator_port=_port("EMULATOR_PORT", given.get("EMULATOR_PORT") or "8787"),
        data_dir=Path(given.get("DATA_DIR") or ROOT / "var").resolve(),
        password=given.get("DEMO_PASSWORD") or "demo",
    )


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotRun(f"{name}={text} is not a port: give a number from 1 to 65535.")
    return int(text)


def environment(plan: Plan, given: Mapping[str, str], secret_key: str) -> dict[str, str]:
    """The environment of all children: what was given, and what makes them speak to each other."""
    kept = {name: value for name, value in given.items() if name not in NOT_INHERITED}
    here = f"{HOST}:{plan.emulator_port}"
    direct = ",".join(filter(None, (given.get("no_proxy") or given.get("NO_PROXY"), HOST)))
    return kept | {
        "BASE_URL": plan.web,
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "DATA_DIR": str(plan.data_dir),
        "DEMO_PASSWORD": plan.password,
        "SECRET_KEY": given.get("SECRET_KEY") or secret_key,
        "LOG_FORMAT": given.get("LOG_FORMAT") or "text",
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "WORKFLOWS_LOCATION": "us-central1",
        "WORKFLOWS_EMULATOR_HOST": plan.emulator,
        "GCE_METADATA_HOST": here,
        "GCE_METADATA_IP": here,
        "CLOUDSDK_CONFIG": str(plan.data_dir / "no-gcloud-login"),
        "NO_PROXY": direct,
        "no_proxy": direct,
        "PYTHONUNBUFFERED": "1",
    }


def require_free(plan: Plan) -> None:
    """Raise CannotRun if one of the two ports is taken."""
    for name, port in (("PORT", plan.port), ("EMULATOR_PORT", plan.emulator_port)):
        if not is_free(port):
            others = (other for other in range(port + 1, 65536) if is_free(other))
            raise CannotRun(
                f"Port {port} is taken. Stop what uses it (another `make run`?), or choose another"
                f" port: make run {name}={next(others, 'NUMBER')}"
            )


def is_free(port: int) -> bool:
    """True if we could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def claim(data_dir: Path) -> IO[bytes]:
    """Make the data directory and lock it while the returned file is open."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (data_dir / "run.lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise CannotRun(
            f"Another run uses {data_dir}. Stop it, or choose another directory:"
            " make run DATA_DIR=…"
        ) from error
    return lock


def keep_secret_key(data_dir: Path) -> str:
    """The key of this data directory, made at the first start, for its owner's eyes only."""
    path = data_dir / "secret-key"
    path.touch(mode=0o600)
    if not path.read_text(encoding="ascii"):
        path.write_text(secrets.token_urlsafe(50), encoding="ascii")
    return path.read_text(encoding="ascii")


def answers(url: str) -> bool:
    """True if a GET of the URL is a 200 (asked directly, whatever proxy the environment names)."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:  # URLError is one
        return False


def collect_static(children: Children) -> None:
    """Build the static files if one of them, or a package that brings some, has changed."""
    stamp = ROOT / "staticfiles" / ".built-from"
    sources = [ROOT / "requirements.txt", *sorted((ROOT / "static").rglob("*"))]
    state = [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in sources]
    digest = hashlib.sha256("\n".join(state).encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    say("Building the static files")
    children.run("static", "manage.py", "collectstatic", "--no-input", "--verbosity", "0")
    stamp.write_text(digest, encoding="ascii")


def start(plan: Plan, children: Children) -> None:
    """Everything in order, each step in a line."""
    say(f"Starting the Workflows emulator at {plan.emulator}")
    store = str(plan.data_dir / "emulator.sqlite3")
    children.start(
        "emulator", "-m", "emulator", "serve", "--port", str(plan.emulator_port), "--data", store
    )
    say("Bringing the database up to date")
    children.run("migrate", "manage.py", "migrate", "--no-input", "--verbosity", "0")
    collect_static(children)
    say("Making the demo people, unless they are there")
    children.run("people", "manage.py", "seed_demo")
    say(f"Starting the inbox at {plan.web}, and its worker")
    children.start("web", *gunicorn(plan))
    children.start("worker", "manage.py", "deliver")
    for name, address in (("emulator", plan.emulator), ("inbox", plan.web)):
        health = f"{address}/healthz"
        children.wait_until(partial(answers, health), f"The {name} did not answer at {health}")
    say("Deploying workflows/ to the emulator")
    children.run("deploy", "manage.py", "deploy_workflows")
    start_examples(plan, children)


def gunicorn(plan: Plan) -> tuple[str, ...]:
    """The web server as a container runs it, at a loopback port."""
    return ("-m", "gunicorn", "-c", "config/gunicorn.py", "--bind", f"{HOST}:{plan.port}")


def start_examples(plan: Plan, children: Children) -> None:
    """Start the two example executions, once for each data directory."""
    done = plan.data_dir / "examples-started"
    if done.exists():
        return
    say("Starting two example executions")
    children.run("examples", "manage.py", "seed_demo", "--examples")
    done.touch()


def welcome(plan: Plan) -> str:
    """What to do now, for somebody who sees this for the first time."""
    return f"""
Countersign runs.

    Open      {plan.web}/
    Sign in   ana@example.com, password {plan.password}
    Then      open an expense in the inbox and click Approve or Reject:
              its page shows the answer on its way, and what the workflow did with it.

    Ctrl-C stops everything. Your data stays in {plan.data_dir}.
"""


def main() -> int:
    """Run until Ctrl-C (exit code 0) or until something fails (1, with a sentence)."""
    try:
        plan = read_plan(os.environ)
        with claim(plan.data_dir):
            return run(plan)
    except CannotRun as error:
        sys.stderr.write(f"\n{error}\n")
        return 1


def run(plan: Plan) -> int:
    """Start, welcome, follow, stop."""
    require_free(plan)
    children = Children(environment(plan, os.environ, keep_secret_key(plan.data_dir)))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: children.stopping.set())
    try:
        start(plan, children)
        say(welcome(plan))
        children.follow()
    except Stopped:
        say("\nStopping")
        return 0
    finally:
        children.stop()


if __name__ == "__main__":
    sys.exit(main())
