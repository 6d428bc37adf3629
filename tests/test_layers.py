"""Who may import whom, as a table. The code is read, not run: imports in functions count too."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("approvals", "config", "countersign", "emulator", "workflows")
OPENS_SOCKETS = (
    "aiohttp",
    "apprise",
    "django.core.mail",
    "google.auth.transport",
    "google.cloud",
    "http.client",
    "httpx",
    "requests",
    "smtplib",
    "socket",
    "urllib.request",
    "urllib3",
)
WORLD = (*OPENS_SOCKETS, "asyncio", "os", "random", "secrets", "sqlite3", "threading", "time")


def of(package: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{package}.{name}" for name in names)


PAGES = of("approvals", "admin", "forms", "iap", "urls", "views")
PROGRAMS = of("approvals", "api", "health", "management", "schemas")
GROUND = of("emulator", "charsets", "errors", "limits", "syntax", "values")
READING = of("emulator", "checker", "document", "expressions", "parser", "references", "walk")
VALUES = of("emulator", "evaluate", "library", "memory", "operators")
STEPS = of(
    *("emulator", "compiler", "emitter", "frames", "interpreter", "operations", "threads", "trace")
)
PURE = (*GROUND, *READING, *VALUES, *STEPS, *of("emulator", "protocol", "scopes"))
KEEPING = of("emulator", "catalog", "database", "overview", "rows", "store")
DOING = of(
    *("emulator", "calls", "driver", "engine", "history", "replies", "retention", "stubs"),
    *("timekeeper", "turn", "world"),
)
SERVING = of(
    *("emulator", "__main__", "api", "client", "commands", "pages", "reloading", "remote"),
    *("methods", "rpc", "server", "services"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """The modules of `where` (and those in them) import none of `never` (nor anything in those).

    `but`: modules that the rule is not for. `besides`: what may be imported all the same.
    """

    where: tuple[str, ...]
    never: tuple[str, ...]
    why: str
    but: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()


RULES = (
    Rule(("approvals",), ("emulator",), "the halves meet only over HTTP"),
    Rule(("emulator",), ("approvals", "config", "django"), "the halves meet only over HTTP"),
    Rule(
        ("emulator",),
        ("emulator.testing",),
        "whoever tests uses the emulator, which knows nothing of it",
        but=("emulator.testing",),
    ),
    Rule(("workflows",), ("approvals", "config", "django", "emulator"), "both halves use it"),
    Rule(
        ("countersign",),
        ("approvals", "config", "django", "emulator", "workflows", *WORLD),
        "both halves decide by it",
    ),
    Rule(
        ("approvals",),
        OPENS_SOCKETS,
        "one package opens sockets, so one place guards Google's tokens",
        but=of("approvals", "google", "senders"),
    ),
    Rule(
        ("approvals.senders",),
        (
            *of("approvals", "delivery", "google", "identity", "models"),
            *("google", "http.client", "requests", "socket", "urllib.request", "urllib3"),
        ),
        "what speaks to mail servers and chats never has Google's tokens, nor approvals",
    ),
    Rule(of("approvals", "audience"), ("django",), "who is told is decided apart from the telling"),
    Rule(
        ("approvals.google",),
        ("approvals",),
        "it knows addresses and tokens, not approvals",
        besides=("approvals.google",),
    ),
    Rule(
        ("approvals.models",),
        (
            *(*PAGES, *PROGRAMS),
            *of("approvals", "delivery", "google", "identity", "letters", "notices", "senders"),
        ),
        "rules know nothing of pages, programs and the network",
    ),
    Rule(("approvals.delivery",), (*PAGES, *PROGRAMS), "the worker has no pages and no API"),
    Rule(
        ("approvals.drawing",),
        (*of("approvals", "api", "google", "models", "views"), "django.db", *WORLD),
        "a drawing is made of a text alone, whoever wrote it",
    ),
    Rule(("approvals.verdicts",), ("django", *WORLD), "a table has no clock, chance or database"),
    Rule(of("approvals", "api", "schemas"), PAGES, "programs and people come in by two doors"),
    Rule(GROUND, ("emulator",), "everything else of the emulator builds on these"),
    Rule(PURE, WORLD, "a run asks for the world and never touches it"),
    Rule(PURE, (*KEEPING, *DOING, *SERVING), "a run is driven, and does not know by whom"),
    Rule(READING, (*STEPS, "emulator.evaluate"), "a source is read before it runs"),
    Rule((*VALUES, *STEPS), READING, "what runs was read before"),
    Rule(("emulator.library",), (*STEPS, "emulator.evaluate"), "functions know values alone"),
    Rule(
        ("emulator.evaluate",),
        of("emulator", "compiler", "interpreter", "operations"),
        "expressions know no steps",
    ),
    Rule(KEEPING, (*DOING, *SERVING), "what is kept does not act"),
    Rule(("emulator.world",), (*SERVING, *of("emulator", "engine", "turn")), "it does as asked"),
    Rule(DOING, SERVING, "executions run the same without a server"),
)


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of all our modules but the tests."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(source: str, name: str, *, is_package: bool) -> Iterator[str]:
    """Every name that a module's text imports: of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".") if is_package else name.split(".")[:-1]
            base = parents[: len(parents) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


@cache
def imports_of(name: str) -> list[str]:
    path = modules()[name]
    is_package = path.name == "__init__.py"
    return list(imports(path.read_text(encoding="utf-8"), name, is_package=is_package))


def inside(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def members(where: tuple[str, ...], but: tuple[str, ...] = ()) -> list[str]:
    return [name for name in modules() if inside(name, where) and not inside(name, but)]


class TestImport:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.where[0]}: {rule.why}")
    def test_no_module_imports_what_is_above_it(self, rule):
        broken = [
            f"{name} imports {imported}: {rule.why}"
            for name in members(rule.where, rule.but)
            for imported in imports_of(name)
            if inside(imported, rule.never) and not inside(imported, rule.besides)
        ]

        assert broken == []

    def test_every_module_of_ours_in_the_table_exists(self):
        named = {name for rule in RULES for name in (*rule.where, *rule.never, *rule.but)}

        assert [name for name in named if inside(name, PACKAGES) and not members((name,))] == []


class TestReading:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("import os.path as p, json", ["os.path", "json"]),
            ("from google.auth import transport", ["google.auth", "google.auth.transport"]),
            ("def f():\n    import socket", ["socket"]),
            ("from . import views", ["approvals", "approvals.views"]),
            ("from .models import User", ["approvals.models", "approvals.models.User"]),
        ],
    )
    def test_every_way_to_write_an_import_is_seen(self, line, expected):
        assert list(imports(line, "approvals.api", is_package=False)) == expected

    def test_a_package_counts_from_itself(self):
        found = list(imports("from .user import User", "approvals.models", is_package=True))

        assert found == ["approvals.models.user", "approvals.models.user.User"]
