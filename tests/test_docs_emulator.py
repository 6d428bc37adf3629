"""What `docs/emulator.md` and `docs/workflow-authors.md` say, held to the code and run."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from emulator import commands as cli
from emulator import faults as faulty
from emulator import world
from emulator.api import (
    callbacks,
    clock,
    executions,
    faults,
    history,
    journal,
    metadata,
    oidc,
    pages,
    pubsub,
    stubs,
    workflows,
)
from emulator.errors import TAGS
from emulator.library.registry import CONNECTORS, CONSTANTS, FUNCTIONS, POLICIES, Function, Kind
from emulator.limits import Limits
from emulator.parser import parse
from emulator.parser.steps import COMPANIONS
from emulator.world import connectors
from tests.emulators import EmulatorProcess
from tests.emulators import command as emulator_command
from tests.pages import FENCE, ROOT, blocks, names, read, section, shown, table, tables
from workflows.bundle import bundle_file

NONE = "\N{EN DASH}"
WORKFLOW = "/v1/projects/{project}/locations/{location}/workflows/{workflow}"
EXECUTION = f"{WORKFLOW}/executions/{{execution}}"
# What Google's references list: tags of errors, and methods of the two APIs.
GOOGLE_TAGS = {
    *("AuthError", "ConnectionError", "ConnectionFailedError", "HttpError", "IndexError"),
    *("KeyError", "OperationError", "ParallelNestingError", "RecursionError"),
    *("ResourceLimitError", "ResponseTypeError", "SystemError", "TimeoutError", "TypeError"),
    *("UnhandledBranchError", "ValueError", "ZeroDivisionError"),
}
GOOGLE_METHODS = {
    ("POST", WORKFLOW.removesuffix("/{workflow}")),
    ("GET", WORKFLOW.removesuffix("/{workflow}")),
    ("GET", WORKFLOW),
    ("PATCH", WORKFLOW),
    ("DELETE", WORKFLOW),
    ("GET", f"{WORKFLOW}:listRevisions"),
    ("GET", "/v1/projects/{project}/locations/{location}/operations"),
    ("GET", "/v1/projects/{project}/locations/{location}/operations/{operation}"),
    ("DELETE", "/v1/projects/{project}/locations/{location}/operations/{operation}"),
    ("GET", "/v1/projects/{project}/locations"),
    ("GET", "/v1/projects/{project}/locations/{location}"),
    ("POST", EXECUTION.removesuffix("/{execution}")),
    ("GET", EXECUTION.removesuffix("/{execution}")),
    ("GET", EXECUTION),
    ("POST", f"{EXECUTION}:cancel"),
    ("GET", f"{EXECUTION}/callbacks"),
    ("GET", f"{EXECUTION}/stepEntries"),
    ("GET", f"{EXECUTION}/stepEntries/{{entry}}"),
    ("GET", f"{EXECUTION}:exportData"),
    ("POST", f"{EXECUTION}:deleteExecutionHistory"),
    ("POST", f"{WORKFLOW}:triggerPubsubExecution"),
}


def signature(function: Function) -> str:
    given = []
    for parameter in function.parameters or ():
        optional = "?" if parameter.may_be_absent else f"={json.dumps(parameter.default)}"
        given.append(parameter.name + ("" if parameter.required else optional))
    return f"{function.name}({', '.join(given)})"


def error_kinds() -> set[str]:
    """Every kind of error that the emulator's code names when it makes one."""
    made = re.compile(r"(?:\berror|_failure)\(\s*\"(\w+Error)\"|\"tags\": \[\"(\w+Error)\"\]")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "emulator").rglob("*.py")]
    return {name for text in sources for pair in made.findall(text) for name in pair if name}


class TestEmulator:
    def test_every_option_is_listed_with_its_default(self):
        rows = table(read("emulator.md"), "option", "of", "default", "meaning")
        listed = {
            (name, command.strip()): row[2]
            for row in rows
            for name in names([row])
            for command in row[1].split(",")
        }
        found = {}
        (commands,) = cli.parser()._subparsers._group_actions
        for command, parser in dict(commands.choices or {}).items():
            for action in parser._actions:
                if action.option_strings and action.dest != "help":
                    default = NONE if action.default in (None, "", []) else shown(action.default)
                    found[action.option_strings[-1], command] = default

        assert listed == found

    def test_every_step_type_is_listed_with_its_companions(self):
        rows = table(read("emulator.md"), "step", "may have", "notes")

        assert {row[0].strip("`"): tuple(names([row], 1)) for row in rows} == COMPANIONS

    def test_every_function_is_listed_with_its_parameters(self):
        rows = table(read("emulator.md"), "function", "expr.", "notes")
        listed = {row[0].strip("`"): row[1] for row in rows}

        assert listed == {
            signature(function): "no" if function.kind is Kind.BLOCKING else "yes"
            for function in FUNCTIONS.values()
        }
        text = section("emulator.md", "## The language")
        for name in (*CONSTANTS, *POLICIES):
            assert f"`{name}`" in text

    def test_every_function_is_performed(self):
        asked = {name for name, function in FUNCTIONS.items() if function.kind is not Kind.PURE}

        assert [name for name in asked if not world.performs(name)] == []

    def test_every_connector_is_listed_with_its_arguments(self):
        rows = table(read("emulator.md"), "connector", "arguments")
        listed = {row[0].strip("`"): set(names([row], 1)) for row in rows}
        found = {name for name in connectors.CONNECTORS if name.startswith(CONNECTORS)}

        assert listed.keys() == found | connectors.METHODS.keys()
        for name, method in connectors.METHODS.items():
            named = method.path.partition("{")[2].partition("=")[0]
            assert listed[name] == {named, *method.query}

    def test_every_tag_of_an_error_is_listed(self):
        rows = table(read("emulator.md"), "tag", "further tags", "when")
        listed = {row[0].strip("`"): (row[0].strip("`"), *names([row], 1)) for row in rows}

        assert listed == {kind: TAGS.get(kind, (kind,)) for kind in error_kinds() | TAGS.keys()}

    def test_what_google_lists_is_there_or_left_out_for_a_reason(self):
        page = read("emulator.md")
        left_out = {name for row in table(page, "left out", "because") for name in names([row])}
        tags = {row[0].strip("`") for row in table(page, "tag", "further tags", "when")}
        methods = {(row[0], row[1].strip("`")) for row in table(page, "method", "path", "")}
        missing = {path.rpartition(":")[2] for verb, path in GOOGLE_METHODS - methods}

        assert GOOGLE_TAGS - tags | missing <= left_out
        assert not left_out & (tags | {path.rpartition(":")[2] for _, path in methods})
        assert all(row[1] for row in table(page, "left out", "because"))

    def test_every_limit_is_listed_with_its_value(self):
        rows = table(read("emulator.md"), "limit", "value", "what")
        limits = Limits()

        assert {row[0].strip("`"): int(row[1]) for row in rows} == {
            name: getattr(limits, name) for name in Limits.__dataclass_fields__
        }

    def test_every_route_is_listed(self):
        rows = table(read("emulator.md"), "method", "path", "")
        listed = {(row[0], row[1].strip("`")) for row in rows}
        found = set()
        for module in (
            callbacks,
            clock,
            executions,
            faults,
            history,
            journal,
            metadata,
            oidc,
            pages,
            pubsub,
            stubs,
            workflows,
        ):
            for route in module.routes():
                path = re.sub(r"\{(\w+):(?:[^{}]|\{[^{}]*\})*\}", r"{\1}", route.path)
                found.add((route.method.replace("*", "any"), path))

        assert listed == found

    def test_every_kind_of_fault_is_listed_with_its_fields(self):
        rows = table(read("emulator.md"), "kind", "fields", "what the client sees")
        listed = {row[0].strip("`"): set(names([row], 1)) for row in rows}

        assert listed == {
            kind: {faulty.camel(name) for name, kinds in faulty.TAKES.items() if kind in kinds}
            for kind in faulty.Kind
        }

    def test_the_stubs_let_the_workflow_run_as_it_says(self, tmp_path):
        stubs, workflow = (
            next(block for block in blocks("emulator.md", "yaml") if block.startswith(begin))
            for begin in ("strict: true", "main:")
        )
        (tmp_path / "stubs.yaml").write_text(stubs, encoding="utf-8")
        (tmp_path / "order.yaml").write_text(workflow, encoding="utf-8")

        done = emulator_command(
            "run", f"{tmp_path / 'order.yaml'}", f"--stubs={tmp_path / 'stubs.yaml'}"
        )

        told = re.search(
            r"run order.yaml --stubs stubs.yaml` prints `([^`]+)`", read("emulator.md")
        )
        assert told is not None
        assert json.loads(done.stdout) == json.loads(told[1]), done.stderr

    def test_the_programs_run_as_they_stand(self, tmp_path):
        programs = blocks("emulator.md", "python")
        data, folder = tmp_path / "data.sqlite3", ROOT / "workflows"
        with EmulatorProcess(data, workflows=folder, grpc=True) as emulator:
            for program in programs:
                here = program.replace("127.0.0.1:8787", emulator.url[7:])
                here = here.replace("127.0.0.1:8788", f"127.0.0.1:{emulator.grpc_port}")
                done = subprocess.run(
                    [sys.executable, "-c", here],
                    env={**os.environ, **emulator.environment, "CLOUDSDK_CONFIG": str(tmp_path)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert "workflows/expense-approval" in done.stdout, done.stderr
        assert len(programs) == 3

    @pytest.mark.parametrize("heading", ["## Time", "## Faults"])
    def test_the_curl_lines_run_as_they_stand(self, heading, tmp_path):
        (program,) = [
            text for name, text in FENCE.findall(section("emulator.md", heading)) if name == "sh"
        ]
        options = ["--time", "virtual"]
        with EmulatorProcess(tmp_path / "data.sqlite3", options=options) as emulator:
            done = subprocess.run(
                ["sh", "-e", "-c", program.replace("127.0.0.1:8787", emulator.url[7:])],
                capture_output=True,
                text=True,
                check=False,
            )
        answers = re.split(r"(?<=})\n(?={|$)", done.stdout)[:-1]

        assert done.returncode == 0, done.stderr
        assert len(answers) == program.count("curl")
        assert not any("error" in json.loads(answer) for answer in answers)


class TestWorkflowAuthors:
    @pytest.mark.parametrize("position", [0, -1], ids=["request_approval", "simple mode"])
    def test_the_workflows_build(self, position, tmp_path):
        shutil.copy(ROOT / "workflows" / "request_approval.yaml", tmp_path)
        path = tmp_path / "example.yaml"
        path.write_text(blocks("workflow-authors.md", "yaml")[position], encoding="utf-8")

        parse(bundle_file(path).text)

    @pytest.mark.parametrize(
        ("position", "name"),
        [(0, "request_approval"), (1, "report_outcome"), (2, "withdraw_approvals")],
    )
    def test_every_argument_is_listed_with_its_default(self, position, name):
        library = yaml.safe_load((ROOT / "workflows" / "request_approval.yaml").read_text("utf-8"))
        found = [
            next(iter(param.items())) if isinstance(param, dict) else (param, ...)
            for param in library[name]["params"]
        ]
        text = section("workflow-authors.md", "## The three subworkflows")
        rows = [rows[1:] for rows in tables(text) if rows[0] == ("argument", "default", "meaning")]

        assert [row[:2] for row in rows[position]] == [
            (f"`{param}`", "required" if default is ... else f"`{json.dumps(default)}`")
            for param, default in found
        ]
