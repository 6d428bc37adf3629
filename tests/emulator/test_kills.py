"""`kill -9` again and again while many executions are at work; see `tests.emulator.kills`."""

import pytest

from tests.emulator.kills import besiege

ROUNDS, SEED = 200, 20
WITHIN = 90.0
"""Seconds after which a machine that is busy with other things has killed enough."""
AT_LEAST = 20


@pytest.mark.timeout(600)
def test_no_kill_loses_doubles_or_repeats_anything():
    siege = besiege(ROUNDS, SEED, WITHIN)

    assert not siege.problems, "\n".join([str(siege), *siege.problems[:20]])
    assert sum(siege.kills.values()) >= AT_LEAST
    assert siege.repeated, "no kill fell into a call, so nothing was tried"
