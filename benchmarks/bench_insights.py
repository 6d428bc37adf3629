"""The insights of many approvals: each figure of a year, for one who may read all and for one who
was asked a twentieth.

    python -m benchmarks bench_insights

BENCH_APPROVALS (100,000) changes the size. The database is the one that the environment names, and
must be empty. The floor reads the same rows once: their number and their longest time.
"""

import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
from django.core.management import call_command

if TYPE_CHECKING:
    from approvals.models import User

APPROVALS = int(os.environ.get("BENCH_APPROVALS", "100000"))
GROUPS, ROUNDS, WAITING = 20, 3, 2  # of a hundred so many wait


def main() -> None:
    """Fill a database, ask for the figures, write the table."""
    django.setup()
    call_command("migrate", verbosity=0)
    reader, asked = _fill()
    sys.stdout.write(_report(reader, asked) + "\n")


def _fill() -> "tuple[User, User]":
    """Somebody who may read all, and somebody who is in one of the groups."""
    from django.contrib.auth.models import Permission  # noqa: PLC0415 - after setup
    from django.db import connection  # noqa: PLC0415 - after setup
    from django.utils import timezone  # noqa: PLC0415 - after setup

    from benchmarks.google import callback_url  # noqa: PLC0415 - after setup
    from benchmarks.many import Copy, multiply  # noqa: PLC0415 - after setup
    from tests.factories import (  # noqa: PLC0415 - after setup
        make_approval,
        make_group,
        make_user,
    )

    def url() -> str:
        origin = "https://workflowexecutions.googleapis.com"
        return callback_url(origin, "expense", f"e{random.getrandbits(64):x}")

    def copies(number: int, days: float) -> list[Copy]:
        now = timezone.now()
        return [Copy(url(), now - timedelta(days=days * n / number)) for n in range(number)]

    each = APPROVALS // GROUPS
    for n in range(GROUPS):
        person = make_user(f"person{n}@example.com")
        make_group(f"group{n}", person)
        asked: dict[str, Any] = {"approvers": [f"group:group{n}"], "type": f"type{n % 7}"}
        waiting, done = (make_approval(callback_url=url(), **asked) for _ in range(2))
        done.decide("approved", by=person, revision=1)
        multiply(waiting, copies(each * WAITING // 100, 5))
        multiply(done, copies(each - each * WAITING // 100, 364))
    with connection.cursor() as cursor:
        sqlite = "datetime(decided_at, '-' || (abs(random()) % 400000) || ' seconds')"
        postgres = "decided_at - random() * interval '400000 seconds'"
        earlier = postgres if connection.vendor == "postgresql" else sqlite
        cursor.execute(
            f"UPDATE approvals_approval SET created_at = {earlier}"  # noqa: S608 - ours
            " WHERE decided_at IS NOT NULL"
        )
        cursor.execute("ANALYZE")
    reader = make_user("reader@example.com")
    reader.user_permissions.add(Permission.objects.get(codename="view_approval"))
    return reader, person


def _report(reader: "User", asked: "User") -> str:
    from django.core.cache import cache  # noqa: PLC0415 - after setup
    from django.db import connection  # noqa: PLC0415 - after setup
    from django.db.models import Count, Max  # noqa: PLC0415 - after setup
    from django.utils import timezone  # noqa: PLC0415 - after setup

    from approvals.insights import SECONDS, Insights, Selection  # noqa: PLC0415 - after setup
    from approvals.models import Approval  # noqa: PLC0415 - after setup

    today = timezone.localdate()
    year = Selection(today - timedelta(days=364), today)
    rows = Approval.objects.filter(decided_at__gte=year.begins, decided_at__lt=year.ends)
    floor = _best(lambda: rows.aggregate(Count("pk"), longest=Max(SECONDS)))
    lines = [
        f"### Insights of {APPROVALS:,} approvals in a year, {connection.display_name}",
        "",
        "| figure | may read all, ms | times the floor | asked 1 of 20, ms | times the floor |",
        "| --- | --- | --- | --- | --- |",
    ]
    figures = ("waiting", "people", "periods", "spread", "types", "groups", "reminders")
    totals = [0.0, 0.0]
    for name in figures:
        cells = []
        for n, person in enumerate((reader, asked)):

            def figure(person: "User" = person, name: str = name) -> object:
                cache.clear()
                return getattr(Insights(person, year), name)

            seconds = _best(figure)
            totals[n] += seconds
            cells.append(f"{seconds * 1000:.0f} | {seconds / floor:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    cells = [f"{total * 1000:.0f} | {total / floor:.1f}" for total in totals]
    lines.append(f"| all of the page | {' | '.join(cells)} |")
    lines.append(f"| the floor | {floor * 1000:.0f} | floor | | |")
    return "\n".join(lines)


def _best(work: Callable[[], object]) -> float:
    """The fastest of some rounds, in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()
