"""The whole product as processes: emulator, web server and worker, and people who use it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psycopg
import requests

from tests.emulators import NUMBER, ROOT, EmulatorProcess, Execution, eventually
from tests.services import free_port

EXPENSE = {
    "requester": "eva@example.com",
    "purpose": "Hotel in Lisbon",
    "amount": 1240,
    "currency": "EUR",
}


class Process:
    """One of our own programs, which can be killed and started again at any moment."""

    def __init__(self, arguments: tuple[str, ...], env: Mapping[str, str], log: Path) -> None:
        self.arguments, self.env, self.log = arguments, env, log
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, *self.arguments],
                cwd=ROOT,
                env=dict(self.env),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end(self, signum: signal.Signals) -> int:
        """Signal the whole process group, workers of a master included; its exit code."""
        popen, self.popen = self.popen, None
        if popen is None:
            return 0
        if signum == signal.SIGKILL:
            os.killpg(popen.pid, signum)
        else:
            popen.send_signal(signum)
        return popen.wait(timeout=15)

    def kill(self) -> None:
        self.end(signal.SIGKILL)


class Person:
    """A signed-in manager with a browser that runs no script."""

    def __init__(self, base: str, email: str, password: str = "demo") -> None:
        self.base, self.session = base, requests.Session()
        form = {"username": email, "password": password}
        signed_in = self.post("/sign-in/", form, page="/sign-in/")
        assert signed_in.status_code == 302, signed_in.text

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.base + path, timeout=20)

    def post(self, path: str, form: dict[str, Any], *, page: str) -> requests.Response:
        """Send a form that stands on a page, with that page's token."""
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page).text)
        assert found, f"there is no form on {page}"
        fields = {"csrfmiddlewaretoken": found[1], **form}
        headers = {"Referer": self.base + page}
        return self.session.post(
            self.base + path, fields, headers=headers, allow_redirects=False, timeout=20
        )

    def decide(self, approval: str, outcome: str, comment: str = "") -> requests.Response:
        """Open the approval's page and press the button."""
        page = f"/approvals/{approval}/"
        return self.post(f"{page}decide/", answer(outcome, comment), page=page)

    def decide_directly(self, approval: str, outcome: str, comment: str = "") -> requests.Response:
        """Press the button of a page that was opened before, whatever it would show now."""
        path = f"{self.base}/approvals/{approval}/decide/"
        form = answer(outcome, comment)
        form["csrfmiddlewaretoken"] = self.session.cookies["csrf"]
        headers = {"Referer": f"{self.base}/"}
        return requests.post(
            path,
            form,
            headers=headers,
            cookies=dict(self.session.cookies.items()),
            allow_redirects=False,
            timeout=30,
        )


def answer(outcome: str, comment: str) -> dict[str, str]:
    """The fields of the decision form."""
    return {"outcome": outcome, "comment": comment, "revision": "1"}


class System:
    """Emulator, web and worker on free ports, with demo people and deployed workflows."""

    def __init__(self, home: Path, *, time_scale: float = 1.0, lease: int = 120) -> None:
        self.home = home
        self.emulator = EmulatorProcess(home / "emulator.sqlite3", time_scale=time_scale)
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.lease = lease

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.emulator.start()
        kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "DEBUG"}}
        self.env = kept | {
            "SECRET_KEY": "only-for-the-tests",
            "DEBUG": "1",
            "BASE_URL": self.base,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": database(self.home),
            "WORKFLOWS_EMULATOR_HOST": self.emulator.url,
            "GOOGLE_CLOUD_PROJECT": "countersign-demo",
            "LOG_FORMAT": "json",
            "DEMO_PASSWORD": "demo",
            "DELIVERY_LEASE": str(self.lease),
            **self.emulator.environment,
        }
        gunicorn = ("-m", "gunicorn", "-c", "config/gunicorn.py")
        address = ("--bind", f"127.0.0.1:{self.port}")
        self.web = Process((*gunicorn, *address), self.env, self.home / "web.log")
        worker = ("manage.py", "deliver", "--idle", "0.1")
        self.worker = Process(worker, self.env, self.home / "worker.log")
        for command in (("migrate",), ("seed_demo",), ("deploy_workflows",)):
            self.manage(*command)
        self.start("web")
        self.start("worker")

    def __exit__(self, *error: object) -> None:
        for name in ("worker", "web", "emulator"):
            self.kill(name)

    def manage(self, *arguments: str) -> str:
        """Run `manage.py …` to its end; what it printed."""
        return manage(self.env, *arguments)

    def kill(self, name: str) -> None:
        """`kill -9` of "emulator", "web" or "worker"."""
        if process := getattr(self, name, None):
            process.kill()

    def start(self, name: str) -> None:
        """Start one (again), and wait until it answers."""
        if name == "emulator":
            self.emulator.restart()
            return
        getattr(self, name).start()
        if name == "web":
            eventually(lambda: healthy(self.base), "the web server")

    # What a workflow's author sees

    def approvals(self, execution: Execution) -> list[dict[str, Any]]:
        """The approvals of an execution, asked over the API with an ID token."""
        name = execution.name.replace("countersign-demo", NUMBER)
        headers = {"Authorization": f"Bearer {self.emulator.id_token(self.base)}"}
        query = {"execution": name}
        answer = requests.get(f"{self.base}/api/v1/approvals", query, headers=headers, timeout=20)
        if answer.status_code == 503:  # "please try again": the issuer's keys were out of reach
            return []
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["approvals"]
        return found

    def asked(self, execution: Execution) -> str:
        """The id of the approval that an execution asks for, once it is there."""
        found: list[dict[str, Any]] = eventually(
            lambda: self.approvals(execution), "the approval", 30
        )
        return str(found[0]["id"])

    def delivery(self, execution: Execution, *states: str) -> str:
        """The state of the delivery, once it is one of these."""

        def look() -> str | None:
            state = self.approvals(execution)[0]["delivery"]
            return state if state in states else None

        return str(eventually(look, f"a delivery that is {' or '.join(states)}", 30))


def database(home: Path) -> str:
    """A database of this system's own: on the server of DATABASE_URL, or a file of SQLite."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        return f"sqlite:///{home / 'inbox.sqlite3'}"
    name = f"system_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server.rpartition('/')[0]}/{name}"


def manage(env: Mapping[str, str], *arguments: str) -> str:
    """Run `manage.py …` in this environment to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def healthy(base: str) -> bool:
    """Whether the web server at this address answers."""
    try:
        return requests.get(f"{base}/healthz", timeout=5).ok
    except requests.RequestException:
        return False
