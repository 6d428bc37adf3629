"""A system made ready for a siege, and looked over after it. Django is set up when this is
imported: see `tests.soak.siege`."""

import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, closing
from pathlib import Path

import requests
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from approvals.models import Caller, Delivery, PersonalToken, User
from approvals.models.outbox import FINAL
from tests.emulators import NUMBER, eventually
from tests.soak import facts
from tests.soak.author import WORKFLOWS
from tests.soak.campaign import Campaign, Plan, Turn
from tests.soak.check import Found, compare
from tests.soak.ledger import TRY_AGAIN
from tests.soak.people import Person
from tests.soak.processes import NAMES, Ports, Processes, Release
from tests.soak.telling import say

SOURCES = Path(__file__).with_name("workflows")
CREW = 6
SHOWN = 5  # of each kind of problem
DEADLOCK = "deadlock detected"  # as PostgreSQL says it, and each line of a log after it


def besiege(home: Path, plan: Plan, ports: Ports, before: Path | None = None) -> bool:
    """Run it all, tell the figures, and whether all was well.

    Args:
        before: the code of the release that runs at first; the new one comes in meanwhile.
    """
    with ExitStack() as stack:
        new = stack.enter_context(Release())
        old = stack.enter_context(Release(before)) if before else new
        processes = Processes(home, ports, old)
        processes.releases["emulator"] = new
        _manage(old, "migrate")
        people = prepare(processes)
        turns = upgrade(processes, new) if before else []
        campaign = Campaign(plan, ports, processes, people, turns)
        asyncio.run(campaign.run())
        processes.kill_all()
        return look_over(campaign, home)


def upgrade(processes: Processes, new: Release) -> list[Turn]:
    """What is done for a new release, under way: the tables, the web servers, then the workers."""

    async def web() -> None:
        await asyncio.to_thread(_manage, new, "migrate", times=5)
        say("  migrated: new web servers, workers of the release before")
        _replace(processes, new, "web-1", "web-2")

    async def workers() -> None:
        say("  new workers")
        _replace(processes, new, "worker-1", "worker-2")

    return [(1 / 3, web), (2 / 3, workers)]


def _replace(processes: Processes, release: Release, *names: str) -> None:
    for name in names:
        processes.releases[name] = release
        processes.start(name)


def _manage(release: Release, *arguments: str, times: int = 1) -> None:
    """Run `manage.py …` of a release to its end, again where the tables were in use."""
    for left in range(times - 1, -1, -1):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=release.code,
            env=os.environ | {"DATABASE_STATEMENT_TIMEOUT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        say(f"  {' '.join(arguments)} failed, {left} times left: {done.stderr[-300:]}")
    raise RuntimeError(f"manage.py {' '.join(arguments)} failed")


def prepare(processes: Processes) -> list[Person]:
    """People and workflows; all five processes run, and answer."""
    people = _people()
    connections.close_all()
    processes.start("emulator")
    _answers(f"http://127.0.0.1:{processes.ports.emulator}/healthz")
    _deploy(processes.home / "workflows")
    for name in NAMES:
        if name != "emulator":
            processes.start(name)
    for port in processes.ports.web:
        _answers(f"http://127.0.0.1:{port}/healthz")
    return people


def _deploy(folder: Path) -> None:
    """The workflow of each mode, under several names."""
    folder.mkdir()
    for name in WORKFLOWS:
        shutil.copy(SOURCES / f"{name.partition('-')[0]}.yaml", folder / f"{name}.yaml")
    call_command("deploy_workflows", folder, stdout=io.StringIO())


def _people() -> list[Person]:
    crew = Group.objects.create(name="crew")
    Caller.objects.create(email="workflow@emulator.invalid", name="Soak", projects=NUMBER)
    people = []
    for number in range(1, CREW + 1):
        user = User.objects.create(email=f"person{number}@example.com", first_name=f"P{number}")
        user.groups.add(crew)
        client = Client()
        client.force_login(user)
        session = {name: morsel.value for name, morsel in client.cookies.items()}
        _, token = PersonalToken.objects.issue(user, "soak")
        people.append(Person(user.email, token, session | {"csrf": "x" * 32}))
    return people


def _answers(url: str) -> None:
    def look() -> bool:
        try:
            return requests.get(url, timeout=5).ok
        except requests.RequestException:
            return False

    eventually(look, url, 30)


def look_over(campaign: Campaign, home: Path) -> bool:
    """Compare everything, and say what came out; whether all was well."""
    executions, faults, errors = facts.ran(home / "emulator.sqlite3")
    approvals = facts.recorded()
    found = compare(campaign.ledger, approvals, executions)
    if campaign.stuck:
        found.add("stuck", f"{campaign.stuck}: {_stuck()}")
    for error in errors:
        found.add("wrong answers", error)
    for error in _complaints(home):
        found.add("errors in the logs", error)
    verified = _verify(found)
    tell(campaign, found, faults, len(approvals), verified)
    return not found.problems


def _verify(found: Found) -> str:
    """What `verify_record` says of every chain."""
    said = io.StringIO()
    try:
        call_command("verify_record", stdout=said, stderr=io.StringIO())
    except CommandError as error:
        found.add("broken records", f"{error} {said.getvalue()[:500]}")
    return said.getvalue().strip()


def _complaints(home: Path) -> list[str]:
    """Errors in the logs of web servers and workers, but that the database was not to be had.

    On a machine without a free core SQLite's one writer may take longer than its patience; the
    row is as it was, or whoever asked is told to try again. A deadlock is no trouble of the
    database's: two of us take the same rows in different orders.
    """
    found = []
    for log in home.glob("w*-?.log"):
        for line in log.read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
            except ValueError:
                continue  # cut off by a kill, or gunicorn's own
            if not isinstance(said, dict):
                continue
            serious = said.get("severity") in {"ERROR", "CRITICAL"}
            away = said.get("status_code") == TRY_AGAIN or "OperationalError" in line
            if serious and (DEADLOCK in line or not away):
                found.append(f"{log.name}: {line[:1500]}")
    return found


def _stuck() -> str:
    """What is not over, for whoever looks for the reason."""
    rows = Delivery.objects.exclude(state__in=FINAL).values_list(
        "approval", "state", "reason", "tries", "next_attempt_at", "lease"
    )
    return " / ".join(str(row) for row in rows[:10])


def tell(
    campaign: Campaign, found: Found, faults: Counter[str], approvals: int, verified: str
) -> None:
    """The figures of one siege, and its problems."""
    ledger, kills = campaign.ledger, campaign.killer.kills
    posts, tried = _posts()
    say(
        f"  {approvals} approvals in {campaign.took:.0f} s"
        f" ({approvals / campaign.took:.1f} decisions a second) and {campaign.settling:.0f} s more"
        " until all was settled"
    )
    say(f"  {sum(kills.values())} kills: {_counted(kills)}")
    say(f"  {sum(faults.values())} faults at callbacks: {_counted(faults)}")
    say(
        f"  {posts} POSTs, {posts - tried} of them repeated, {found.copies} copies that were kept"
        f" and never read; {found.missed_in_doubt} arrived of which the inbox could not be sure"
    )
    say(
        f"  {len(ledger.answers)} votes sent; {found.ambiguous} of them never answered, of which"
        f" {found.ambiguous_saved} are saved and {found.ambiguous - found.ambiguous_saved} are not;"
        f" HTTP {_counted(Counter(map(str, ledger.statuses.elements())))}"
    )
    say(f"  {verified}")
    say(f"  {sum(map(len, found.problems.values()))} problems")
    for kind, problems in found.problems.items():
        say(f"  {len(problems)} {kind}")
        for problem in problems[:SHOWN]:
            say(f"    {problem}")


def _posts() -> tuple[int, int]:
    """How many POSTs left for callbacks, and for how many deliveries."""
    with closing(connections["default"]):
        tried = Delivery.objects.filter(attempts__isnull=False)
        return tried.count(), tried.distinct().count()


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counter.items()))
