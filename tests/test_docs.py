"""The pages of `docs/` say what the code does: settings, states, commands and links."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from google.auth import environment_vars

from approvals import verdicts
from approvals.checks import METADATA
from approvals.google.callbacks import Answer, Reply, Sight, classify
from approvals.models.outbox import State
from approvals.verdicts import Past, Unseen, Verdict, next_step
from config import local
from emulator import commands as emulator_cli
from tests.pages import (
    DOCS,
    FENCE,
    PAGES,
    ROOT,
    code,
    names,
    read,
    section,
    shown,
    table,
    tables,
)

# --- reading the code ---------------------------------------------------------------------------


def calls(path: Path) -> Iterator[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def literal(node: ast.expr | None) -> Any:
    """The value of a constant, or `...` for what is worked out."""
    try:
        return ... if node is None else ast.literal_eval(node)
    except ValueError:
        return ...


def settings_read() -> dict[str, Any]:
    """Variable -> default, of every `env.kind("NAME", default=…)` in the settings."""
    found = {}
    for call in calls(ROOT / "config" / "settings.py"):
        match call:
            case ast.Call(ast.Attribute(ast.Name("env")), [ast.Constant(name), *_]):
                given = {keyword.arg: keyword.value for keyword in call.keywords}
                found[str(name)] = literal(given.get("default"))
    return found


def local_read() -> dict[str, Any]:
    """The same of `given.get("NAME") or default` in `make run`."""
    tree = ast.parse((ROOT / "config" / "local.py").read_text(encoding="utf-8"))
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        match node:
            case ast.BoolOp(ast.Or(), [ast.Call(ast.Attribute(), [ast.Constant(name)]), other]):
                found[str(name)] = literal(other)
            case ast.Call(ast.Attribute(ast.Name("given"), "get"), [ast.Constant(name)]):
                found.setdefault(str(name), ...)
    return found


def environment_read(*places: str) -> set[str]:
    """What is asked of `os.environ` by name below these folders or files."""
    files = [ROOT / place for place in places]
    sources = [p for f in files for p in (f.rglob("*.py") if f.is_dir() else [f])]
    pattern = re.compile(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"")
    return {name for path in sources for name in pattern.findall(path.read_text("utf-8"))}


class TestSettings:
    def test_every_variable_of_the_settings_is_listed_with_its_default(self):
        rows = table(section("settings.md", "## The inbox"), "variable", "default", "what it does")
        listed = {row[0].strip("`"): row[1] for row in rows}
        found = settings_read()

        assert listed.keys() == found.keys()
        literals = {name: value for name, value in found.items() if value is not ...}
        assert {name: listed[name] for name in literals} == {
            name: shown(value) for name, value in literals.items()
        }
        assert len(literals) > 10

    def test_every_variable_of_make_run_is_listed_with_its_default(self):
        text = section("settings.md", "## `make run`")
        rows = table(text, "variable", "default", "what it does")
        listed = {name: row[1] for row in rows for name in names([row])}
        found = local_read()

        assert listed.keys() == found.keys()
        for name, value in found.items():
            assert value is ... or listed[name] == shown(value), name

    def test_what_make_run_sets_is_listed(self):
        rows = table(section("settings.md", "## `make run`"), "variable", "value")
        plan = local.read_plan({})

        assert names(rows) == list(local.environment(plan, {}, "key"))
        for name in local.NOT_INHERITED:
            assert f"`{name}`" in section("settings.md", "## `make run`")

    def test_variables_read_elsewhere_are_listed(self):
        listed = {name for rows in tables(read("settings.md")) for name in names(rows[1:])}

        assert environment_read("approvals", "config", "emulator", "workflows") <= listed
        ours = names(
            table(section("settings.md", "## Tests and setup"), "variable", "what it does")
        )
        scripts = (ROOT / ".ci" / "setup").read_text(encoding="utf-8")
        read_there = environment_read(
            *("tests/services.py", "tests/conftest.py", "tests/__main__.py"),
            *(f"tests/approvals/test_{name}.py" for name in ("openapi", "hostile", "machine")),
            "tests/round_trip/test_signals.py",
            "tests/approvals/test_races_figures.py",
        )
        assert set(ours) == read_there | set(re.findall(r"\$\{(PYTHON)\b", scripts))

    def test_variables_of_others_are_really_theirs(self):
        text = section("settings.md", "## google-auth's own")
        googles = {value for key, value in vars(environment_vars).items() if key.isupper()}
        listed = names(table(text, "variable", "what it does"))
        assert set(METADATA) <= set(listed) <= googles

        text = section("settings.md", "## The web server's own")
        spec = importlib.util.find_spec("gunicorn.config")
        assert spec
        source = Path(str(spec.origin)).read_text(encoding="utf-8")
        for name in names(table(text, "variable", "what it does")):
            assert name in source

    def test_every_system_check_is_listed(self):
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "approvals").rglob("*.py")]
        found = {name for text in sources for name in re.findall(r"approvals\.[EWI]\d{3}", text)}
        rows = table(section("settings.md", "## System checks"), "check", "says", "mend it by")

        assert [row[0].strip("`") for row in rows] == sorted(found)


class TestOperations:
    def test_everything_that_blocks_a_delivery_is_explained(self):
        rows = table(section("operations.md", "## When something needs attention"), *ATTENTION)
        past = Past("decision")
        stored = replace(past, landed=True, kept=61.0)
        theirs, ours = Sight("ACTIVE", payloads=("{}",)), Sight("ACTIVE", payloads=("decision",))
        steps = [
            *(next_step(past, classify(status)) for status in (302, 400, 401, 403)),
            next_step(past, Reply(Answer.REFUSED)),
            next_step(past, None, theirs),
            next_step(stored, None, theirs),
            next_step(stored, None, ours),
            next_step(stored, None, Unseen(403)),
            next_step(replace(past, gone=1), classify(404), Sight("ACTIVE")),
        ]

        listed = [row[0] for row in rows]
        for step in steps:
            assert isinstance(step, Verdict)
            assert step.trouble
            assert any(step.reason.startswith(text) for text in listed), step.reason


ATTENTION = ("it says", "cause", "do")


class TestDesign:
    def test_every_state_of_a_delivery_is_listed_as_people_read_it(self):
        rows = table(read("design.md"), "state", "people read", "meaning", "next")

        assert sorted((row[0].strip("`"), row[1]) for row in rows) == sorted(
            (state, str(label)) for state, label in State.choices
        )

    def test_its_pauses_are_the_codes(self):
        for pauses in (verdicts.PAUSES, verdicts.LOOKS):
            assert f"after {', '.join(map(str, pauses))} s," in read("design.md")


# --- commands and links -------------------------------------------------------------------------


def in_code(pattern: str) -> set[tuple[str, str]]:
    """(page, match) for every match in the code of any page."""
    return {
        (page.relative_to(ROOT).as_posix(), match)
        for page in PAGES
        for line in code(page.read_text(encoding="utf-8"))
        for match in re.findall(pattern, line)
    }


class TestCommands:
    def test_every_make_target_exists(self):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
        named = in_code(r"(?:^|\s)make (?:[A-Z_]+=\S+ )*([a-z]+)")

        assert {each for each in named if each[1] not in targets} == set()
        assert {"run", "test", "check"} <= {target for _, target in named}

    def test_every_management_command_exists_with_its_options(self):
        known = get_commands()
        named = in_code(r"manage\.py[ ,]([a-z_]+[^#|)]*)")
        wrong = set()
        for page, text in named:
            name = re.split(r"[ ,]", text)[0]
            if name not in known:
                wrong.add((page, name))
                continue
            app = known[name]
            command = app if not isinstance(app, str) else load_command_class(app, name)
            parser = command.create_parser("manage.py", name)
            for option in re.findall(r"--[a-z][a-z-]*", text):
                if option not in parser._option_string_actions:
                    wrong.add((page, f"{name} {option}"))

        assert wrong == set()
        assert {"deliver", "deploy_workflows", "create_api_key", "seed_demo"} <= {
            re.split(r"[ ,]", text)[0] for _, text in named
        }

    def test_every_module_that_is_run_exists(self):
        (commands,) = emulator_cli.parser()._subparsers._group_actions
        known = set(commands.choices or ())
        for page, called in in_code(r"python -m ([a-z_.]+(?: [a-z]+)?)"):
            module, _, command = called.partition(" ")
            assert importlib.util.find_spec(module), (page, module)
            if module == "emulator" and command:
                assert command in known, (page, command)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


class TestLinks:
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
    def test_every_relative_link_leads_somewhere(self, page):
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        broken = []
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(link)

        assert broken == []

    def test_every_page_is_reachable_from_the_map(self):
        linked = set()
        todo = [DOCS / "index.md"]
        while todo:
            page = todo.pop()
            if page in linked or page.suffix != ".md":
                continue
            linked.add(page)
            for link in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8")):
                target = (page.parent / link).resolve()
                todo.append(target / "README.md" if target.is_dir() else target)
                todo = [each for each in todo if each.exists()]

        assert {page for page in PAGES if DOCS in page.parents} - linked == set()
