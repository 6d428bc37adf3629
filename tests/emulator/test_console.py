"""What reaches the terminal, for texts that others have made up."""

import json
import logging

import pytest

from emulator import console
from emulator.commands.exits import report

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202etxt\x7f\r"
STEERING = set(HOSTILE) - set("]0;title[2J31mtxt")


class TestReport:
    def test_an_error_cannot_steer_the_terminal(self, capsys):
        error = {"payload": json.dumps(HOSTILE), "context": f'{HOSTILE}\nin step "ask"'}

        report({"state": "FAILED", "error": error})

        printed = capsys.readouterr().err
        assert STEERING.isdisjoint(printed)
        assert "\\u001b[2J" in printed
        assert printed.endswith('\nin step "ask"\n')

    def test_nor_can_a_result_which_stays_the_same_json(self, capsys):
        report({"state": "SUCCEEDED", "result": json.dumps([HOSTILE, "é"], ensure_ascii=False)})

        printed = capsys.readouterr().out
        assert STEERING.isdisjoint(printed)
        assert json.loads(printed) == [HOSTILE, "é"]


class TestEvent:
    @pytest.mark.parametrize("text", [HOSTILE, f"with spaces {HOSTILE}", "\u202eplain"])
    def test_a_value_cannot_steer_the_terminal(self, caplog, monkeypatch, text):
        monkeypatch.setattr(logging.getLogger("emulator"), "propagate", True)
        with caplog.at_level(logging.INFO, logger="emulator"):
            console.event("log", text=text)

        # Emulators of other tests, in their threads, may have something to say too.
        lines = [line for line in caplog.messages if line.startswith("log ")]
        assert lines
        assert all(STEERING.isdisjoint(line) for line in lines)
