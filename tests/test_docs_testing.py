"""`docs/testing-workflows.md` says what the plugin does: its example runs, its tables are whole."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from emulator import testing
from emulator.testing import Approval, Callback, PlayedInbox, Run, TestingError, Workflows
from tests.authors import run_tests
from tests.pages import blocks, names, section, table

PAGE = "testing-workflows.md"


def example() -> dict[str, str]:
    """File name -> text, of every block that begins with the name of its file."""
    files = {}
    for language in ("yaml", "python"):
        for block in blocks(PAGE, language):
            if found := re.match(r"# (\S+\.(?:yaml|py))\n", block):
                files[found[1]] = block
    return files


def members(kind: type[Any]) -> set[str]:
    """What a class offers: methods with their parameters, properties and attributes."""
    found = {
        name
        for name in (*vars(kind), *inspect.get_annotations(kind.__init__))
        if not name.startswith("_") and isinstance(vars(kind).get(name), property)
    }
    for name, function in vars(kind).items():
        if inspect.isfunction(function) and not name.startswith("_"):
            found.add(f"{name}({', '.join(parameters(function))})")
    assigned = re.findall(r"self\.([a-z]\w*) = ", inspect.getsource(kind.__init__))
    return found | set(assigned)


def parameters(function: Any) -> list[str]:
    shown, starred = [], False
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        default = parameter.default
        text = "…" if default is ... else repr(default).replace("'", '"')
        plain = default is parameter.empty
        prefix = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        prefix = "*" if parameter.kind is parameter.VAR_POSITIONAL else prefix
        starred = starred or prefix == "*"
        shown.append(prefix + parameter.name + ("" if plain else f"={text}"))
    return shown


class TestExample:
    def test_it_passes_as_it_stands(self, tmp_path: Path) -> None:
        files = example()
        assert files.keys() == {"workflows/pay-order.yaml", "conftest.py", "test_pay_order.py"}

        done = run_tests(tmp_path, files)

        tests = len(re.findall(r"^def test_", files["test_pay_order.py"], re.MULTILINE))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{tests} passed" in done.stdout


class TestReference:
    @pytest.mark.parametrize(
        ("heading", "kind"),
        [
            ("### `workflows`", Workflows),
            ("### `workflows.inbox`", PlayedInbox),
            ("### `Run`", Run),
            ("### `Approval`", Approval),
            ("### `Callback`", Callback),
        ],
    )
    def test_every_member_is_listed_with_its_parameters(self, heading, kind):
        rows = table(section(PAGE, heading), "member", "does")

        assert set(names(rows)) == members(kind)

    def test_every_error_is_listed(self):
        rows = table(section(PAGE, "### Errors"), "error", "when")
        found = [
            name
            for name in testing.__all__
            if isinstance(kind := getattr(testing, name), type) and issubclass(kind, TestingError)
        ]

        assert sorted(names(rows)) == sorted(found)
