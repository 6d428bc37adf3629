"""Sources as large as the limits allow: they build, run, and take no longer for it."""

import time

import pytest

from emulator.document import Mapping, load
from emulator.errors import SourceError
from emulator.limits import Limits
from emulator.parser import parse
from emulator.parser.steps import StepParser

LIMITS = Limits()


class TestShared:
    SOURCE = """- all:
    parallel:
      shared: [%s]
      for: {value: v, in: [], steps: [{a: {}}]}
"""

    def test_a_long_list_is_checked_in_one_pass(self):
        names = ", ".join(f"v{number}" for number in range(15_000))
        body = load(f"shared: [{names}]\n", LIMITS)
        assert isinstance(body, Mapping)

        begin = time.process_time()
        shared = StepParser(LIMITS)._shared(body)

        assert len(shared) == 15_000
        assert time.process_time() - begin < 1

    def test_a_variable_that_stands_in_it_twice_is_named(self):
        with pytest.raises(SourceError, match="'b' is shared twice") as refused:
            parse(self.SOURCE % "a, b, c, b")

        assert (refused.value.line, refused.value.column) == (3, 25)
