"""Where HTTP calls go: to other addresses than the written ones, and to allowed hosts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yarl import URL

from emulator.errors import error
from emulator.settings import Settings

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not bound


def own_address(settings: Settings) -> URL:
    """The origin of the emulator for this machine; a wildcard is reached over loopback."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    return URL.build(scheme="http", host=host, port=settings.port).origin()


def leads_somewhere(url: URL, settings: Settings) -> bool:
    """Whether it was said where a URL leads: to this emulator, or by `--host-map` to another."""
    origin = url.origin()
    return origin in _own(settings) or str(origin) in settings.hosts


@dataclass(frozen=True, slots=True)
class Reached:
    """The address that is called for a URL, and the Host header where that is another's."""

    address: URL
    host: str | None = None


def reached(url: URL, settings: Settings) -> Reached:
    """Where a call goes: by `--host-map` to another origin, with the same path and query.

    What is called in place of another is told whom the call is for; not so this emulator, which
    answers under its own name alone.

    Raises:
        WorkflowError: ConnectionFailedError, the host is not among those that may be called.
    """
    origin = url.origin()
    mapped = settings.hosts.get(str(origin))
    if mapped is not None:
        to = URL(mapped)
        address = url.with_scheme(to.scheme).with_host(str(to.host)).with_port(to.explicit_port)
        own = address.origin() in _own(settings)
        return Reached(address, None if own else url.host_port_subcomponent)
    known = origin in _own(settings) or str(origin) in settings.hosts.values()
    if settings.allowed_hosts and not known and settings.allowed_hosts.isdisjoint(_names(url)):
        raise error(
            "ConnectionFailedError",
            f"{url.host} is not among the hosts that workflows may call here: allow it with"
            f" --allow-host {url.host}, or name another address with --host-map {origin}=ORIGIN",
        )
    return Reached(url)


def _own(settings: Settings) -> Iterator[URL]:
    yield own_address(settings)
    yield URL(settings.base_url).origin()


def _names(url: URL) -> Iterator[str]:
    """The ways to allow the host of a URL: `a.b.example`, with port, `*.b.example`, `*.example`."""
    host = str(url.host)
    yield host
    yield f"{host}:{url.port}"
    parts = host.split(".")
    yield from (f"*.{'.'.join(parts[index:])}" for index in range(1, len(parts)))
