"""The commands of the repository: what they list, pin, ship and say."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from tests.test_layers import PACKAGES, imports_of, members

ROOT = Path(__file__).resolve().parent.parent
LISTS = ("requirements.txt", "requirements-emulator.txt", "requirements-dev.txt")
# What .ci/setup calls besides Python.
TOOLS = ("cmp", "cp", "env", "mkdir", "rm", "sed", "sh")


def pins(name: str) -> dict[str, str]:
    """Package -> version, of a compiled list."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", text, re.MULTILINE))


class TestLists:
    @pytest.mark.parametrize("name", LISTS)
    def test_every_package_is_pinned_with_hashes(self, name):
        entries = re.split(r"^(?=[a-z0-9])", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)

        for entry in entries[1:]:
            assert re.match(r"[a-z0-9._-]+==\S+", entry), entry
            assert "--hash=sha256:" in entry, entry

    @pytest.mark.parametrize("name", LISTS)
    def test_no_list_names_a_place_to_fetch_from(self, name):
        text = (ROOT / name).read_text(encoding="utf-8")

        assert not re.search(r"https?://|file:|--index|--find-links|@ ", text)

    def test_the_lists_agree_so_they_install_together(self):
        web, emulator, dev = map(pins, LISTS)

        assert web.items() <= dev.items()
        assert emulator.items() <= dev.items()

    @pytest.mark.parametrize("name", LISTS)
    def test_every_package_that_was_asked_for_is_in_the_list_and_says_why(self, name):
        asked = (ROOT / name).with_suffix(".in").read_text(encoding="utf-8").splitlines()

        for line in asked:
            if line and not line.startswith(("#", "-")):
                package = re.split(r"[\[<>=;\s]", line)[0]
                assert "  # " in line, f"{line}: give the reason"
                assert package.lower() in pins(name)

    @pytest.mark.parametrize(
        ("packages", "but", "name"),
        [
            (("approvals", "config", "countersign", "workflows"), (), "requirements.txt"),
            (("emulator", "workflows"), ("emulator.testing",), "requirements-emulator.txt"),
            (("emulator.testing",), (), "requirements-dev.txt"),
        ],
    )
    def test_what_is_imported_is_in_the_list(self, packages, but, name):
        providers = packages_distributions()
        modules = members(packages, but)
        imported = {top.split(".")[0] for module in modules for top in imports_of(module)}
        foreign = imported - set(PACKAGES) - sys.stdlib_module_names

        for top in foreign:
            named = {provider.lower().replace("_", "-") for provider in providers[top]}
            assert named & pins(name).keys(), top


class TestPackage:
    """What `pip install` makes: the emulator, the plugin for tests, the shared subworkflows."""

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        return found

    def test_it_needs_what_the_emulator_needs(self):
        lines = (ROOT / "requirements-emulator.in").read_text(encoding="utf-8").splitlines()
        asked = [line.split()[0] for line in lines if line and not line.startswith(("#", "-"))]

        assert self.told()["project"]["dependencies"] == asked

    def test_it_holds_every_file_that_is_no_module(self):
        folders = self.told()["tool"]["setuptools"]["package-data"]
        patterns = [
            f"{package.replace('.', '/')}/{pattern}"
            for package, given in folders.items()
            for pattern in given
        ]
        files = [
            str(path.relative_to(ROOT))
            for package in ("countersign", "emulator", "workflows")
            for path in (ROOT / package).rglob("*")
            if path.is_file() and path.suffix not in (".py", ".pyc")
        ]

        assert [name for name in files if not any(fnmatch(name, each) for each in patterns)] == []
        assert "workflows/request_approval.yaml" in files


class TestMake:
    def make(self, *arguments: str) -> str:
        command = ["make", "--no-print-directory", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    def test_make_alone_lists_every_target(self):
        phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        listed = re.findall(r"^  make (\S+) +\S", self.make(), re.MULTILINE)

        assert phony is not None
        assert listed == phony[1].split()

    @pytest.mark.parametrize(("target", "argument"), [("run", ""), ("deploy", " deploy")])
    def test_run_and_deploy_install_only_what_they_run(self, target, argument):
        commands = self.make("--dry-run", target)

        assert commands.splitlines() == [
            ".ci/setup requirements.txt requirements-emulator.txt",
            f".venv/bin/python -m config.local{argument}",
        ]

    @pytest.mark.parametrize("command", ["check", "test"])
    def test_ci_calls_the_same_targets(self, command):
        workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")

        assert f"make {command}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
        assert f"make {command}" in workflow


class TestSetup:
    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        """A directory with the script and one list that asks for nothing."""
        shutil.copytree(ROOT / ".ci", tmp_path / "checkout" / ".ci")
        (tmp_path / "checkout" / "list.txt").touch()
        return tmp_path / "checkout"

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A PATH with the tools of the script and no Python."""
        directory = tmp_path / "bin"
        directory.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (directory / tool).symlink_to(found)
        return directory

    def run_setup(self, checkout: Path, path: Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", ".ci/setup", "list.txt"],
            cwd=checkout,
            env={"PATH": str(path), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def pretend(self, path: Path, name: str, script: str) -> None:
        (path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (path / name).chmod(0o755)

    def test_without_python_it_says_what_to_install(self, checkout, path):
        done = self.run_setup(checkout, path)

        assert done.returncode == 1
        assert "needs Python 3.11, 3.12 or 3.13 and found none on the PATH. Install" in done.stderr

    def test_a_python_that_does_not_run_is_passed_over(self, checkout, path):
        self.pretend(path, "python3.13", "echo 'choose a version first' >&2; exit 127")
        self.pretend(path, "python3.11", f'exec "{sys.executable}" "$@"')

        done = self.run_setup(checkout, path)

        assert done.returncode == 0, done.stderr
        assert "Making .venv with python3.11" in done.stdout

    def test_a_chosen_python_that_does_not_fit_is_refused(self, checkout, path):
        self.pretend(path, "python2", "exit 0")

        done = self.run_setup(checkout, path, PYTHON="python2")

        assert done.returncode == 1
        assert "PYTHON=python2 is not a Python 3.11, 3.12 or 3.13 that runs here." in done.stderr

    def test_without_the_venv_module_it_names_the_package(self, checkout, path):
        script = f'case "$*" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"'
        self.pretend(path, "python3", script)

        done = self.run_setup(checkout, path)

        assert done.returncode == 1
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        assert f"apt-get install python{version}-venv" in done.stderr

    def test_packages_that_cannot_be_fetched_end_with_a_sentence(self, checkout, path):
        self.pretend(path, "python3", f'exec "{sys.executable}" "$@"')
        (checkout / "list.txt").write_text(f"nothing==1 --hash=sha256:{'0' * 64}\n", "utf-8")

        done = self.run_setup(checkout, path, PIP_NO_INDEX="1")

        assert done.returncode == 1
        assert "The packages could not be installed" in done.stderr
        assert "run the same command again." in done.stderr
        assert not (checkout / ".venv" / "installed").exists()

    def test_a_second_run_installs_nothing(self, checkout, path):
        self.pretend(path, "python3", f'exec "{sys.executable}" "$@"')
        first = self.run_setup(checkout, path)

        second = self.run_setup(checkout, path, PIP_NO_INDEX="1")

        assert "Installing the packages of list.txt" in first.stdout
        assert (second.returncode, second.stdout) == (0, "")


class TestShip:
    def test_the_image_has_all_that_a_deployment_imports(self):
        copied = re.findall(
            r"^COPY (\S+?)/? ", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE
        )

        needed = {"approvals", "config", "countersign", "static", "templates", "workflows"}
        assert needed <= set(copied)
        assert "emulator" not in copied
        for name in copied:
            assert (ROOT / name).exists()

    @pytest.mark.parametrize("name", [".ci/run", ".ci/setup"])
    def test_scripts_can_be_run(self, name):
        assert os.access(ROOT / name, os.X_OK)

    def test_actions_are_pinned_by_hash(self):
        workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
        used = re.findall(r"uses: \S+@(\S+)", workflow)

        assert used
        assert all(re.fullmatch(r"[0-9a-f]{40}", version) for version in used)
