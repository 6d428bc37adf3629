"""What an answer means, what Google's state means, and how long to wait: pure tables."""

import json

import pytest

from approvals.delivery import conclude, judge, look_pause, pause
from approvals.google.callbacks import Answer, Reply, Sight
from approvals.models.outbox import State

DECISION = "0b0e1c9e-0000-4000-8000-000000000001"
OURS = json.dumps({"body": {"decision_id": DECISION}})
THEIRS = json.dumps({"body": {"decision_id": "somebody else"}})


class TestPause:
    def test_waits_grow_then_stay_at_a_minute_then_at_ten(self):
        middle = [pause(tries, chance=lambda: 0.5) for tries in range(6)]

        assert middle == pytest.approx([1, 2, 5, 10, 30, 60])
        assert pause(40, chance=lambda: 0.5) == pytest.approx(60)
        assert pause(66, chance=lambda: 0.5) == pytest.approx(600)

    def test_jitter_is_twenty_percent_either_way(self):
        assert pause(5, chance=lambda: 0.0) == pytest.approx(48)
        assert pause(5, chance=lambda: 1.0) == pytest.approx(72)

    def test_retry_after_lengthens_but_never_beyond_an_hour(self):
        assert pause(0, 20.0, chance=lambda: 0.5) == 20.0
        assert pause(0, 10.0**9, chance=lambda: 0.5) == 3600.0
        assert pause(5, 1.0, chance=lambda: 0.5) == pytest.approx(60)


class TestJudge:
    @pytest.mark.parametrize(
        ("reply", "state", "least"),
        [
            (Reply(Answer.STORED, 200), State.STORED, look_pause(0)),
            (Reply(Answer.RETRY, 503), State.QUEUED, 0.8),
            (Reply(Answer.RETRY, 503, retry_after=30.0), State.QUEUED, 30.0),
            (Reply(Answer.UNKNOWN, 500), State.UNKNOWN, 0.8),
            (Reply(Answer.DENIED, 401), State.BLOCKED, 60.0),
            (Reply(Answer.DENIED, 403), State.BLOCKED, 600.0),
            (Reply(Answer.REFUSED, 302), State.BLOCKED, 600.0),
        ],
    )
    def test_an_answer_leads_to_a_state_a_sentence_and_a_wait(self, reply, state, least):
        verdict = judge(reply, 0)

        assert verdict is not None
        assert (verdict.state, verdict.pause >= least) == (state, True)
        assert verdict.reason.endswith(".")

    @pytest.mark.parametrize("answer", [Answer.FULL, Answer.GONE])
    def test_429_and_404_need_a_look(self, answer):
        assert judge(Reply(answer), 0) is None

    def test_403_says_which_role_is_missing(self):
        assert "Workflows Invoker" in judge(Reply(Answer.DENIED, 403), 0).reason


class TestConclude:
    @pytest.mark.parametrize(
        ("sight", "landed", "doubt", "state"),
        [
            (Sight("SUCCEEDED"), True, False, State.CONFIRMED),
            (Sight("SUCCEEDED"), False, True, State.MISSED),
            (Sight("SUCCEEDED"), False, False, State.MISSED),
            (Sight("FAILED"), True, False, State.MISSED),
            (Sight("CANCELLED"), False, True, State.MISSED),
            (Sight("GONE"), False, False, State.MISSED),
            (Sight("ACTIVE", 0, (OURS,)), False, True, State.STORED),
            (Sight("ACTIVE", 1, (THEIRS, OURS)), False, False, State.STORED),
            (Sight("ACTIVE", 0, (THEIRS,)), True, True, State.BLOCKED),
            (Sight("ACTIVE", 0), True, False, State.CONFIRMED),
            (Sight("ACTIVE", 1), False, True, None),
            (Sight("ACTIVE", 0), False, True, None),
            (Sight("ACTIVE", 0), False, False, None),
            (Sight("QUEUED"), False, False, None),
        ],
    )
    def test_each_view_of_google_has_one_conclusion(self, sight, landed, doubt, state):
        verdict = conclude(sight, DECISION, landed=landed, doubt=doubt, tries=0)

        assert (verdict and verdict.state) == state

    def test_what_is_not_known_is_said(self):
        verdict = conclude(Sight("FAILED"), DECISION, landed=True, doubt=False, tries=0)

        assert verdict.reason == "The workflow had failed; whether it read the answer is not known."
