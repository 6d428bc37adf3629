"""What the options of the command line say, and what is said of those that cannot be used."""

import re

import pytest

from emulator.__main__ import main


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and all output of a command that ends at once."""
    try:
        code = main(arguments)
    except SystemExit as usage:  # argparse
        code = int(usage.code or 0)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


class TestHelp:
    @pytest.mark.parametrize(
        "command", ["serve", "run", "check", "deploy", "start", "executions", "cancel"]
    )
    def test_every_option_says_what_it_does(self, monkeypatch, capsys, command):
        monkeypatch.setenv("COLUMNS", "200")

        code, printed = told(capsys, command, "--help")

        lines = re.split(r"\n +(?=-)", printed.partition("options:")[2])[1:]
        assert code == 0
        assert len(lines) > 1
        assert [line for line in lines if not re.search(r"\S {2,}\S|\n {10,}\S", line)] == []


class TestWrong:
    def test_a_file_that_is_not_there_is_named_first(self, capsys):
        assert told(capsys, "check", "/no/such.yaml") == (
            2,
            "/no/such.yaml: No such file or directory\n",
        )

    def test_a_stub_file_that_is_not_there_too(self, tmp_path, capsys):
        data = f"--data={tmp_path / 'd'}"
        code, printed = told(capsys, "serve", "--port=0", data, "--stubs=/no/such.yaml")

        assert code == 2
        assert printed == "--stubs: cannot read /no/such.yaml: No such file or directory\n"

    @pytest.mark.parametrize("port", ["-5", "x", "65536"])
    def test_a_port_that_is_none_is_no_way_to_switch_grpc_off(self, tmp_path, capsys, port):
        data = f"--data={tmp_path / 'd'}"
        code, printed = told(capsys, "serve", "--port=0", data, f"--grpc-port={port}")

        assert code == 2
        assert "grpc-port" in printed
        assert "off" in printed
        assert "_port" not in printed
