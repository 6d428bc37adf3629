"""The emulator's own pages: what is deployed, what runs, and what each execution has done."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from emulator.pages import shown

_HERE = Path(__file__).parent
STATIC = {"style.css": "text/css", "page.js": "text/javascript"}
"""Files that the pages load, with their types."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
        " img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": shown.moment,
        "seconds": shown.seconds,
        "cut": shown.cut,
        "number": shown.number,
        "part": lambda text: quote(str(text), safe=""),
    }
    return environment


async def page(template: str, status: int = 200, **context: object) -> web.Response:
    """A page made of a template, for this machine's own browser.

    It is made in a thread, since a large workflow takes seconds; so the context holds values alone.
    """
    text = await asyncio.to_thread(_environment().get_template(template).render, context)
    raw = text.encode("utf-8", errors="replace")
    return web.Response(
        body=raw, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS
    )


def plain(text: str) -> web.Response:
    """A text in full, as it is."""
    raw = text.encode("utf-8", errors="replace")
    return web.Response(body=raw, content_type="text/plain", charset="utf-8", headers=_HEADERS)


def static(name: str) -> web.Response:
    """A file that the pages load."""
    raw = (_HERE / "static" / name).read_bytes()
    return web.Response(body=raw, content_type=STATIC[name], charset="utf-8", headers=_HEADERS)
