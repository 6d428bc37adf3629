"""Which database `make run` may use: one of this machine, for its people have known passwords."""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import unquote

from environ import Env

from config.processes import CannotRun

UNREADABLE = "an address that cannot be read"


def require_local_database(given: Mapping[str, str]) -> None:
    """Raise CannotRun where the environment's DATABASE_URL leads to another machine."""
    url = given.get("DATABASE_URL")
    if not url:
        return
    elsewhere = [host for host in hosts_of(url, given) if not is_local(host)]
    if elsewhere:
        raise CannotRun(
            f"DATABASE_URL leads to {elsewhere[0]}, and `make run` makes people with known"
            " passwords. Unset it, or name a database of this machine."
        )


def hosts_of(url: str, given: Mapping[str, str]) -> list[str]:
    """Where a connection may go, as the settings read the URL; none for SQLite and for a socket.

    Where the URL names no host, PostgreSQL's client goes by variables of its own.
    """
    try:
        database = Env.db_url_config(url)
    except ValueError:
        return [UNREADABLE]
    options = database.get("OPTIONS", {})
    if "://" not in url or "service" in options:
        return [UNREADABLE]
    if database["ENGINE"] == Env.DB_SCHEMES["sqlite"]:
        return []
    named = [database["HOST"], options.get("host"), options.get("hostaddr")]
    if not any(named):
        named = [given.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE")]
    return [host for hosts in named if hosts for host in str(hosts).split(",")]


def is_local(host: str) -> bool:
    """True for a loopback address and for the directory of a socket."""
    name = unquote(host)
    if name.startswith("/") or name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
