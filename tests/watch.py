"""What is watched in every test: headers and cookies of answers, log lines, and the way out.

Each finding is a sentence in `FOUND`; a test that leaves one there has failed.
"""

import errno
import ipaddress
import logging
import re
import socket
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponseBase
from django.test import Client

from config.logs import TextFormatter

FOUND: list[str] = []

# --- every answer -------------------------------------------------------------------------------

SAME = "same-origin"
HEADERS: Mapping[str, str] = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": SAME,
    "Cross-Origin-Opener-Policy": SAME,
    "Cross-Origin-Resource-Policy": SAME,
}
# Data between script tags is no script.
INLINE = re.compile(
    r"""<script(?![^>]*\s(?:src=|type="application/json"))|<style"""
    r"""|<[a-z][^>]*\s(?:on[a-z]+|style)\s*=""",
    re.IGNORECASE,
)


def amiss(response: HttpResponseBase) -> list[str]:
    """What an answer of the inbox lacks, or has and should not."""
    has = response.headers
    found = [f"{name}: {has.get(name)}" for name, want in HEADERS.items() if has.get(name) != want]
    policy = has.get("Content-Security-Policy", "")
    if "default-src 'none'" not in policy or "unsafe" in policy:
        found.append(f"Content-Security-Policy: {policy}")
    if "camera=()" not in has.get("Permissions-Policy", ""):
        found.append("no Permissions-Policy")
    if not has.get("Cache-Control"):
        found.append("no Cache-Control")
    for name, cookie in response.cookies.items():
        ours = cookie["samesite"] == "Lax" and cookie["path"] == "/" and not cookie["domain"]
        if not ours or bool(cookie["secure"]) != settings.SESSION_COOKIE_SECURE:
            found.append(f"cookie {name}")
        if name == settings.SESSION_COOKIE_NAME and cookie.value and not cookie["httponly"]:
            found.append(f"cookie {name} can be read by scripts")
    if not response.streaming and "html" in has.get("Content-Type", ""):
        inline = INLINE.search(getattr(response, "content", b"").decode())
        found += [f"inline: {inline[0]}"] if inline else []
    return found


def _watch_answers(patch: pytest.MonkeyPatch) -> None:
    real = Client.request

    def request(self: Client, **given: Any) -> Any:
        response: Any = real(self, **given)
        path = given.get("PATH_INFO", "")
        if not settings.DEBUG and not path.startswith(settings.STATIC_URL):
            FOUND.extend(f"{path} ({response.status_code}): {each}" for each in amiss(response))
        return response

    patch.setattr(Client, "request", request)


# --- every line of the log ----------------------------------------------------------------------

# Tokens of Google's and of the tests, and the part of a callback's address that answers it.
SECRETS = re.compile(r"Bearer ey|ya29\.|canary-token-that-must|callbacks/[\w-]{8,}")
TRIED = "tried"
"""Loggers below this name say such things on purpose."""


class Listener(logging.Handler):
    """Reads all lines before anything is cut out of them."""

    def __init__(self) -> None:
        super().__init__()
        self.form = TextFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in {TRIED, "emulator"}:
            return
        if secret := SECRETS.search(self.form.told(record)):
            FOUND.append(f"a secret in the log of {record.name}: {secret[0]}")


# --- the way out --------------------------------------------------------------------------------


def own_address() -> str:
    """An address of this machine that others can reach, or else a loopback one.

    It is the sender's of a datagram that is never sent, to an address that nobody has.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


OWN = own_address()


def is_here(host: Any) -> bool:
    """Whether a name or address is this machine's own."""
    if host in {None, "", "localhost", b"localhost", OWN}:
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def stop(host: Any) -> None:
    """Note it, unless the name is one that nobody can have, as tests use them."""
    name = host.decode() if isinstance(host, bytes) else str(host)
    if not name.endswith(".invalid"):
        FOUND.append(f"a way out to {name}")


def _watch_sockets(patch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        if not is_here(host):
            stop(host)
            raise socket.gaierror(socket.EAI_NONAME, "tests do not look up names")
        return resolve(host, *rest, **named)

    def kept_here(name: str) -> None:
        real = getattr(socket.socket, name)

        def connect(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX and not is_here(address[0]):
                stop(address[0])
                raise OSError(errno.ENETUNREACH, "tests stay on this machine")
            return real(self, address)

        patch.setattr(socket.socket, name, connect)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    kept_here("connect")
    kept_here("connect_ex")


def watch(patch: pytest.MonkeyPatch) -> None:
    """Begin; `patch` ends it."""
    _watch_answers(patch)
    _watch_sockets(patch)
    listener = Listener()
    for name in ("", "django"):
        logger = logging.getLogger(name)
        patch.setattr(logger, "handlers", [*logger.handlers, listener])
