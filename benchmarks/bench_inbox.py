"""Every list of the inbox among very many approvals: tabs, orders, filters, search, deep pages.

    python -m benchmarks bench_inbox

BENCH_INBOX is the number of approvals (100,000), BENCH_ROUNDS that of rounds. The database is the
one that the environment names, and must be empty. A request is made in this process, from the
address to the last byte of the page. The floor is a page of the same size that lists nothing.
"""

import os
import random
import re
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import django
from django.core.management import call_command

from benchmarks.measure import Job, again, measure, spread

APPROVALS = int(os.environ.get("BENCH_INBOX", "100000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
PEOPLE, YEARS = 20, 2
# Of a hundred approvals so many still wait for somebody.
WAITING = 2
FLOOR = "a page that lists nothing (the floor)"
Ask = Callable[[], None]


def main() -> None:
    """Fill a database, ask for the lists in turns, write the table."""
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    from django.conf import settings  # noqa: PLC0415 - after setup
    from django.db import connection  # noqa: PLC0415 - after setup

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.DEBUG = False
    settings.LOGGING_CONFIG = None
    call_command("migrate", verbosity=0)
    start = time.monotonic()
    _fill()
    seconds = time.monotonic() - start
    jobs = [Job(name, 3, again(ask)) for name, ask in _asks().items()]
    found = measure(jobs, ROUNDS)
    lines = [
        f"### {APPROVALS:,} approvals of {PEOPLE} people, {connection.display_name}",
        "",
        f"The database was filled in {seconds:.0f} s.",
        "",
        "| a page of | ms | times the floor |",
        "| --- | --- | --- |",
    ]
    for name, times in found.items():
        ratios = [one / base for one, base in zip(times, found[FLOOR], strict=True)]
        ratio = "floor" if name == FLOOR else spread(ratios, ".1f")
        lines.append(f"| {name} | {spread([1000 * one for one in times], '.1f')} | {ratio} |")
    sys.stdout.write("\n".join([*lines, ""]) + "\n")


def _fill() -> None:
    """Nearly all decided over two years, in the groups of twenty people; somebody new has ten, and
    somebody who left for another department many, all of them old."""
    from django.db import connection  # noqa: PLC0415 - after setup

    from tests.factories import make_caller, make_group, make_user  # noqa: PLC0415 - after setup

    on_postgres = connection.vendor == "postgresql"
    if on_postgres:  # a part takes longer than a request may
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
    caller = make_caller()
    make_user("eva@example.com", first="Eva", last="Lind")
    each = APPROVALS // PEOPLE
    for number in range(PEOPLE):
        person = make_user(f"person{number}@example.com")
        make_group(f"group{number}", person)
        waiting = _waiting(caller, number, f"Hotel in city {number}", ["payment", "travel"])
        _copies(waiting, each * WAITING // 100, days=5)
        done = _waiting(caller, number, f"Hotel in town {number}", ["payment", "travel"])
        done.decide("approved", by=person, revision=1)
        _copies(done, each - each * WAITING // 100, days=365 * YEARS)
    for name, number, days in (("new", 10, 300), ("left", min(8000, each), 60)):
        person = make_user(f"{name}@example.com")
        make_group(name, person)
        done = _waiting(caller, name, "Zeppelin", ["rare"])
        done.decide("approved", by=person, revision=1)
        _copies(done, number, days=days, since=300)
    with connection.cursor() as cursor:
        # Words of their own, as people write many: PostgreSQL guesses how many have one by that.
        own = "' w' || (id % 997) || ' v' || (id % 211)"
        cursor.execute(f"UPDATE approvals_searchtext SET text = text || {own}")  # noqa: S608 - ours
        cursor.execute("VACUUM ANALYZE" if on_postgres else "ANALYZE")


def _waiting(caller: Any, group: object, title: str, types: list[str]) -> Any:
    from benchmarks.google import callback_url  # noqa: PLC0415 - after setup
    from tests.factories import make_approval  # noqa: PLC0415 - after setup

    name = f"group{group}" if isinstance(group, int) else str(group)
    kind = types[group % len(types)] if isinstance(group, int) else types[0]
    url = callback_url(ORIGIN, "expense", f"e{random.getrandbits(64):x}")
    return make_approval(
        caller=caller, title=title, type=kind, approvers=[f"group:{name}"], callback_url=url
    )


def _copies(template: Any, number: int, *, days: float, since: float = 0) -> None:
    """Copies over so many days, the last of them that many days ago; in parts, for the memory."""
    from django.utils import timezone  # noqa: PLC0415 - after setup

    from benchmarks.google import callback_url  # noqa: PLC0415 - after setup
    from benchmarks.many import Copy, multiply  # noqa: PLC0415 - after setup

    now = timezone.now() - timedelta(days=since, seconds=60)
    for start in range(0, number, PART):
        multiply(
            template,
            [
                Copy(
                    callback_url(ORIGIN, "expense", f"e{random.getrandbits(64):x}"),
                    now - timedelta(days=days * place / number),
                )
                for place in range(start, min(start + PART, number))
            ],
        )


ORIGIN, PART = "workflowexecutions.googleapis.com", 5_000


def _asks() -> dict[str, Ask]:
    """Name -> one request, each of a person who has signed in."""
    from django.test import Client  # noqa: PLC0415 - after setup

    from approvals.models import User  # noqa: PLC0415 - after setup

    def person(name: str) -> Client:
        client = Client()
        client.force_login(User.objects.get(email=f"{name}@example.com"))
        return client

    def ask(client: Client, path: str) -> None:
        response = client.get(path)
        assert response.status_code == 200, (path, response.status_code)

    def deep(client: Client, path: str, pages: int = 20) -> str:
        for _ in range(pages):
            body = client.get(path).content.decode()
            more = re.search(r'href="(\?[^"]+)" rel="next"', body)
            path = "/" + more[1].replace("&amp;", "&") if more else path
        return path

    some, new, left = person("person7"), person("new"), person("left")
    lists = {"needs me": "?tab=needs-me", "waiting on others": "?tab=waiting"}
    lists |= {f"needs me, {sort}": f"?sort={sort}" for sort in ("newest", "oldest", "priority")}
    lists |= {"decided": "?tab=decided"}
    lists |= {f"decided, {sort}": f"?tab=decided&sort={sort}" for sort in ("newest", "oldest")}
    lists |= {
        "decided, of a type": "?tab=decided&type=travel",
        "decided, of one outcome": "?tab=decided&outcome=approved",
        "decided, asked by Eva": "?tab=decided&requester=eva",
        "decided, a word of all": "?tab=decided&q=hotel",
        "decided, a word of few": "?tab=decided&q=town+7",
        "decided, a word of others": "?tab=decided&q=zeppelin",
        "decided, a type without any": "?tab=decided&type=rare",
        "needs me, a word of all": "?q=hotel",
    }
    asks: dict[str, Ask] = {name: partial(ask, some, f"/{path}") for name, path in lists.items()}
    asks["decided, page 20"] = partial(ask, some, deep(some, "/?tab=decided"))
    asks["needs me, newest, page 10"] = partial(ask, some, deep(some, "/?sort=newest", 10))
    asks["decided, of somebody new"] = partial(ask, new, "/?tab=decided")
    asks["decided, of somebody who left long ago"] = partial(ask, left, "/?tab=decided")
    body = some.get("/").content.decode()
    found = re.search(r'id="ask" hx-get="([^"]+)"', body)
    assert found
    asks["what is new"] = partial(ask, some, found[1].replace("&amp;", "&"))
    asks[FLOOR] = partial(ask, some, "/views/")
    return asks


if __name__ == "__main__":
    main()
