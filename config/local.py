"""`make run`: emulator, web and worker on this machine with demo data, until Ctrl-C; `make deploy`.

Only the standard library and the commands that a deployment uses as well; what makes the run local
is the environment that `environment` builds. Everything listens on the loopback address alone.
"""

import hashlib
import os
import signal
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from config.data_dir import (
    claim,
    is_claimed,
    keep_secret_key,
    named,
    shut_database,
    write_environment,
)
from config.databases import require_local_database
from config.ports import (
    HOST,
    Ports,
    is_free,
    keep_ports,
    kept_ports,
    read_port,
    require_free,
    require_same,
    require_two,
)
from config.processes import ROOT, CannotRun, Children, CommandFailed, Stopped, say

PROJECT = "countersign-demo"
# Each of these would lead google-auth to the developer's own login, or past the emulator.
NOT_INHERITED = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_QUOTA_PROJECT", "NO_GCE_CHECK")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start where: ports, the directory for all data, the password of the demo people.

    `new_ports`: start although what waits in the directory waits at other ports.
    """

    port: int
    emulator_port: int
    data_dir: Path
    password: str
    new_ports: bool = False

    @property
    def ports(self) -> Ports:
        return self.port, self.emulator_port

    @property
    def web(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def emulator(self) -> str:
        return f"http://{HOST}:{self.emulator_port}"

    @property
    def grpc_port(self) -> int:
        """Where the emulator serves gRPC, unless somebody else listens there."""
        return self.emulator_port + 1


def read_plan(given: Mapping[str, str]) -> Plan:
    """The plan that environment variables describe. Raises CannotRun where they do not fit."""
    require_local_database(given)
    plan = Plan(
        port=read_port("PORT", given.get("PORT") or "8000"),
        emulator_port=read_port("EMULATOR_PORT", given.get("EMULATOR_PORT") or "8787"),
        data_dir=Path(given.get("DATA_DIR") or ROOT / "var").resolve(),
        password=given.get("DEMO_PASSWORD") or "demo",
        new_ports=bool(given.get("NEW_PORTS")),
    )
    require_two(plan.ports, given)
    return plan


def environment(
    plan: Plan, given: Mapping[str, str], secret_key: str, *, grpc: bool = True
) -> dict[str, str]:
    """The environment of all children: what was given, and what makes them speak to each other.

    `grpc`: the emulator serves it; without it the inbox starts executions over REST.
    """
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
        "WORKFLOWS_EMULATOR_GRPC_HOST": f"{HOST}:{plan.grpc_port}" if grpc else "",
        "GCE_METADATA_HOST": here,
        "GCE_METADATA_IP": here,
        "DEFAULT_APPROVERS": given.get("DEFAULT_APPROVERS") or "group:managers",
        "EMAIL_URL": given.get("EMAIL_URL") or f"filemail:///{plan.data_dir}/mail",
        "CLOUDSDK_CONFIG": str(plan.data_dir / "no-gcloud-login"),
        "NO_PROXY": direct,
        "no_proxy": direct,
        "PYTHONUNBUFFERED": "1",
    }


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


def start(plan: Plan, children: Children, *, grpc: bool) -> None:
    """Everything in order, each step in a line; `grpc`: the emulator is to serve gRPC as well."""
    say(f"Starting the Workflows emulator at {plan.emulator}")
    children.start("emulator", *emulator(plan, grpc=grpc))
    say("Bringing the database up to date")
    if "DATABASE_URL" not in children.env:
        shut_database(plan.data_dir)
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
    keep_ports(plan.data_dir, plan.ports)
    write_environment(plan.data_dir, *shared(children.env))


def shared(env: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What another terminal must set, and unset, to see what the children with this see."""
    names = [*environment(read_plan({}), {}, ""), "DATABASE_URL"]
    without = [name for name in (*NOT_INHERITED, "DATABASE_URL") if name not in env]
    return {name: env[name] for name in names if name in env}, without


def may_serve_grpc(plan: Plan) -> bool:
    """Whether there is a port for gRPC: the inbox needs none, so nothing fails for want of it."""
    port = plan.grpc_port
    return port < 65536 and port != plan.port and is_free(port)


def emulator(plan: Plan, *, grpc: bool) -> tuple[str, ...]:
    """The emulator, which deploys what changes in workflows/ with the variable they all read."""
    told = {
        "--port": str(plan.emulator_port),
        "--grpc-port": str(plan.grpc_port) if grpc else "off",
        "--data": str(plan.data_dir / "emulator.sqlite3"),
        "--watch": "workflows",
        "--env": f"COUNTERSIGN_URL={plan.web}",
    }
    return ("-m", "emulator", "serve", *(word for pair in told.items() for word in pair))


def gunicorn(plan: Plan) -> tuple[str, ...]:
    """The web server as a container runs it, at a loopback port."""
    return ("-m", "gunicorn", "-c", "config/gunicorn.py", "--bind", f"{HOST}:{plan.port}")


def deploy(plan: Plan, children: Children) -> bool:
    """Deploy workflows/, and start the examples unless they were; whether all of it worked.

    A slip in one file is no reason to stop what runs, nor to keep back what was deployed.
    """
    worked = tried(children, "deploy", "manage.py", "deploy_workflows")
    if not examples_note(plan).exists():
        say("Starting the example executions, which wait for the demo people")
        if tried(children, "examples", "manage.py", "seed_demo", "--examples"):
            examples_note(plan).touch()
        else:
            worked = False
            say("The examples are executions of workflows/, which must be deployed first.")
    return worked


def tried(children: Children, name: str, *arguments: str) -> bool:
    """Run a command; False, and a sentence, if it fails."""
    try:
        children.run(name, *arguments)
    except CommandFailed as error:
        say(f"\n{error}")
        return False
    return True


def examples_note(plan: Plan) -> Path:
    """Stands in the data directory once the examples were started there."""
    return plan.data_dir / "examples-started"


AMISS = "Something of workflows/ could not be deployed or started; the lines above say why."


def deploy_command(plan: Plan) -> str:
    """What deploys to this run."""
    usual = plan.data_dir == ROOT / "var"
    return "make deploy" if usual else f"make deploy DATA_DIR={named(plan.data_dir)}"


def welcome(plan: Plan, *, fresh: bool, grpc: bool, mail_url: str = "") -> str:
    """What to do now.

    Args:
        fresh: the examples were started just now and wait in the inbox.
        grpc: the emulator serves it.
        mail_url: the `EMAIL_URL` that the environment gave; mails are files without one.
    """
    then = "open" if fresh else "start an example (see below), if none waits; open"
    served = (
        f"at {HOST}:{plan.grpc_port}"
        if grpc
        else f"off, for port {plan.grpc_port} cannot be had (it is the one after EMULATOR_PORT)"
    )
    mails = "where EMAIL_URL says" if mail_url else f"files: {named(plan.data_dir / 'mail')}/*.log"
    return f"""
Countersign runs.

    Open      {plan.web}/
    Sign in   ana@example.com, password {plan.password}
    Then      {then} an expense in the inbox and click Approve or Reject:
              its page shows the answer on its way, and what the workflow did with it.
    Others    ben@example.com and dora@example.com decide too, eva@example.com asks,
              olga@example.com is the operator ({plan.web}/admin/): same password
    Mails     {mails}

What runs, step by step: {plan.emulator}/
Google's clients: REST at the same address, gRPC {served}

In a second terminal:

    # what runs and what has ended
    .venv/bin/python -m emulator executions --emulator {plan.emulator}
    # one more example; it waits in the inbox a moment later
    .venv/bin/python -m emulator start expense-approval --emulator {plan.emulator} \\
      --data '{EXAMPLE}'
    # all of workflows/ once more; a file that you change there is deployed at once
    {deploy_command(plan)}
    # Django's commands, with the same data
    . {named(plan.data_dir / "env")} && .venv/bin/python manage.py help

    Ctrl-C stops everything. Your data stays in {plan.data_dir}.
"""


EXAMPLE = '{"requester": "eva@example.com", "purpose": "Train", "amount": 180, "currency": "EUR"}'


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C (exit code 0) or until something fails (1, with a sentence)."""
    try:
        plan = read_plan(os.environ)
        if arguments == ["deploy"]:
            return deploy_anew(plan)
        with claim(plan.data_dir):
            return run(plan)
    except CannotRun as error:
        sys.stderr.write(f"\n{error}\n")
        return 1


def deploy_anew(plan: Plan) -> int:
    """`make deploy`: what `make run` did last, done again from another terminal."""
    ports = kept_ports(plan.data_dir)
    if ports is None or not is_claimed(plan.data_dir):
        raise CannotRun(
            f"Nothing runs with the data in {plan.data_dir}. `make run` starts it, and deploys."
        )
    plan = replace(plan, port=ports[0], emulator_port=ports[1])
    if not answers(f"{plan.emulator}/healthz"):
        raise CannotRun(f"The emulator does not answer at {plan.emulator}. Try again in a moment.")
    children = Children(environment(plan, os.environ, keep_secret_key(plan.data_dir)))
    if not deploy(plan, children):
        raise CannotRun(f"{AMISS} Fix it and run `{deploy_command(plan)}` again.")
    return 0


def run(plan: Plan) -> int:
    """Start, welcome, follow, stop."""
    if not plan.new_ports:
        require_same(plan.ports, plan.data_dir, os.environ)
    require_free(plan.ports, plan.data_dir, os.environ)
    grpc = may_serve_grpc(plan)
    key = keep_secret_key(plan.data_dir)
    children = Children(environment(plan, os.environ, key, grpc=grpc))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: children.stopping.set())
    try:
        start(plan, children, grpc=grpc)
        first = not examples_note(plan).exists()
        say("Deploying workflows/ to the emulator")
        worked = deploy(plan, children)
        mail_url = os.environ.get("EMAIL_URL", "")
        say(
            welcome(
                plan, fresh=first and examples_note(plan).exists(), grpc=grpc, mail_url=mail_url
            )
        )
        if not worked:
            say(f"{AMISS} Everything else runs: fix it and run `{deploy_command(plan)}`.\n")
        children.follow()
    except Stopped:
        say("\nStopping")
        return 0
    finally:
        children.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
