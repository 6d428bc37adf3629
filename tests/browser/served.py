"""The inbox as in production: gunicorn, built and compressed static files, no DEBUG."""

import os
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from tests.emulators import eventually
from tests.round_trip.system import Process, healthy, manage
from tests.services import free_port

ROWS = 60  # more than a page of the inbox holds


class Served:
    """A web server over a database of its own in `home`, where Ana has sixty requests to decide."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "DEBUG"}}
        self.env = kept | {
            "SECRET_KEY": "only-for-the-tests",
            "BASE_URL": self.base,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": f"sqlite:///{home / 'inbox.sqlite3'}",
            "STATIC_ROOT": str(home / "static"),
            "LOG_FORMAT": "json",
        }
        command = ("-m", "gunicorn", "-c", "config/gunicorn.py", "--bind", f"127.0.0.1:{self.port}")
        self.web = Process(command, self.env, home / "web.log")
        self.cookie: Any = {}  # Playwright has a type of its own, and keeps it
        self.request = ""  # the address of one of them

    def __enter__(self) -> Self:
        manage(self.env, "migrate", "--verbosity", "0")
        manage(self.env, "collectstatic", "--no-input", "--verbosity", "0")
        said = manage(self.env, "shell", "-c", "from tests.browser.served import fill; fill()")
        name, value, self.request = said.split()[-3:]
        self.cookie = {"name": name, "value": value, "url": self.base}
        self.web.start()
        eventually(lambda: healthy(self.base), "the web server")
        return self

    def __exit__(self, *error: object) -> None:
        self.web.kill()


def fill() -> None:
    """Make the requests, in the server's database; tells Ana's session cookie, and where one is."""
    from django.test import Client  # noqa: PLC0415 - where Django is set up

    from approvals.models import Approval  # noqa: PLC0415 - likewise
    from tests.factories import make_approval, make_group, make_user  # noqa: PLC0415 - likewise

    ana = make_user("ana@example.com", first="Ana", last="Almeida")
    make_group("managers", ana)
    make_user("eva@example.com", first="Eva", last="Lind")
    towns = ("Lisbon", "Porto", "Berlin", "Vienna", "Madrid", "Zürich", "Oslo")
    for n in range(ROWS):
        make_approval(
            title=f"Hotel in {towns[n % 7]}, {n % 4 + 1} nights, customer {n * 7919 % 1000}",
            type=("expense", "travel", "supplier payment")[n % 3],
            fields={"Amount": f"{n * 7919 % 9000}.00 EUR", "Cost centre": f"{4700 + n} Sales"},
            priority=("normal", "normal", "high")[n % 3],
            expires_in=3600 * (n + 1),
        )
    client = Client()
    client.force_login(ana)
    name = settings.SESSION_COOKIE_NAME
    path = Approval.objects.all()[0].get_absolute_url()
    print(name, client.cookies[name].value, path)  # noqa: T201 - to the process that asked
