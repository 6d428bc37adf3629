"""How many decisions a second: `Approval.decide()` end to end, beside one durable UPDATE.

    python -m benchmarks bench_decide

The database is the one that the settings name, and must be empty. A decision is what a click
does on the database: the conditional UPDATE, vote, delivery and event in one transaction. The floor
is one single-row UPDATE, committed by itself, through the same Django connection.
"""

import itertools
import sys
from collections.abc import Iterable
from functools import partial

import django
from django.core.management import call_command

ROUNDS, DECISIONS, UPDATES = 15, 80, 160


def main() -> None:
    """Migrate, measure, write the table."""
    django.setup()
    call_command("migrate", verbosity=0)

    from django.db import connection  # noqa: PLC0415 - after setup

    from approvals.models import Caller  # noqa: PLC0415 - after setup
    from benchmarks.measure import Job, Operation, again, measure, report  # noqa: PLC0415 - theirs
    from tests.factories import make_approval, make_caller, make_group, make_user  # noqa: PLC0415

    ana = make_user("ana@example.com")
    make_group("managers", ana)
    caller = make_caller()
    number = itertools.count()

    def decisions(count: int) -> Iterable[Operation]:
        approvals = [make_approval(caller=caller) for _ in range(count)]
        return [partial(each.decide, "approved", by=ana, revision=1) for each in approvals]

    def update() -> None:
        Caller.objects.filter(pk=caller.pk).update(name=f"caller {next(number)}")

    floor = "one durable UPDATE (the floor)"
    jobs = [Job("decide()", DECISIONS, decisions), Job(floor, UPDATES, again(update))]
    found = measure(jobs, ROUNDS)
    sys.stdout.write(report(f"Deciding, {connection.display_name}", found, floor) + "\n")


if __name__ == "__main__":
    main()
