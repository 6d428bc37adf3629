"""What an answer means, what Google's state means, and how long to wait: the two tables."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.google.callbacks import ENDED, GOING_ON, Answer, Reply, Sight, Trace, classify
from approvals.models.outbox import FINAL, State, Trouble
from approvals.verdicts import (
    FIRST_MINUTE,
    SETTLES_WITHIN,
    SLOW,
    Past,
    Step,
    Unseen,
    Verdict,
    look_pause,
    next_step,
    pause,
)

DECISION = "0b0e1c9e-0000-4000-8000-000000000001"
OURS = json.dumps({"body": {"decision_id": DECISION}})
THEIRS = json.dumps({"body": {"decision_id": "somebody else"}})

FRESH = Past(DECISION)
LANDED = replace(FRESH, landed=True)
DOUBT = replace(FRESH, doubt=True)
OLD_DOUBT = replace(DOUBT, quiet=SETTLES_WITHIN)
KEPT = replace(LANDED, kept=FIRST_MINUTE + 1)
LOST = Reply(Answer.UNKNOWN, None, "The answer was lost")
NO_LINE = Reply(Answer.RETRY, None, "No connection")
NOWHERE = Reply(Answer.REFUSED, None, "no such host")


def verdict(*given, **chance):
    """A verdict, where there must be one."""
    step = next_step(*given, **chance)
    assert isinstance(step, Verdict)
    return step


def shape(step):
    """What a table names: the state and the trouble of a verdict, or what to do."""
    if isinstance(step, Step):
        return step
    return (step.state, step.trouble) if step.trouble else step.state


class TestAnswers:
    """The reference's "Answers from the callback endpoint"."""

    @pytest.mark.parametrize(
        ("reply", "end", "least"),
        [
            (classify(200), State.STORED, 1.6),
            (classify(204), State.STORED, 1.6),
            (classify(401), (State.BLOCKED, Trouble.CREDENTIALS), 48),
            (classify(403), (State.BLOCKED, Trouble.ROLE), 480),
            (classify(301), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(302), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(307), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(400), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(405), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(409), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(413), (State.BLOCKED, Trouble.REFUSED), 480),
            (classify(415), (State.BLOCKED, Trouble.REFUSED), 480),
            (NOWHERE, (State.BLOCKED, Trouble.ADDRESS), 480),
            (classify(408), State.UNKNOWN, 0.8),
            (classify(500), State.UNKNOWN, 0.8),
            (classify(502), State.UNKNOWN, 0.8),
            (classify(504), State.UNKNOWN, 0.8),
            (LOST, State.UNKNOWN, 0.8),
            (classify(503), State.QUEUED, 0.8),
            (classify(503, "90"), State.QUEUED, 90),
            (NO_LINE, State.QUEUED, 0.8),
            (classify(429), Step.LOOK, 0),
            (classify(404), Step.LOOK, 0),
        ],
        ids=str,
    )
    def test_each_answer_has_one_meaning_and_a_wait(self, reply, end, least):
        step = next_step(FRESH, reply, chance=0.0)

        assert shape(step) == end
        assert isinstance(step, Step) or step.pause >= least

    @pytest.mark.parametrize(
        ("past", "reply", "sight", "end"),
        [
            (DOUBT, 429, Sight("ACTIVE", 0, (OURS,)), State.STORED),
            (FRESH, 429, Sight("ACTIVE", 0, (OURS,)), State.STORED),
            (FRESH, 429, Sight("ACTIVE", 0, (THEIRS,)), (State.BLOCKED, Trouble.FOREIGN)),
            (FRESH, 429, Sight("ACTIVE", 0), State.QUEUED),
            (FRESH, 429, Sight("ACTIVE", 1), State.QUEUED),
            (FRESH, 429, Sight("SUCCEEDED"), (State.MISSED, Trouble.MISSED)),
            (FRESH, 429, Unseen(500), State.UNKNOWN),
            (FRESH, 404, Sight("SUCCEEDED"), (State.MISSED, Trouble.MISSED)),
            (DOUBT, 404, Sight("SUCCEEDED"), (State.MISSED, Trouble.MISSED)),
            (LANDED, 404, Sight("SUCCEEDED"), Step.TRACE),
            (FRESH, 404, Sight("FAILED"), (State.MISSED, Trouble.MISSED)),
            (FRESH, 404, Sight("CANCELLED"), (State.MISSED, Trouble.MISSED)),
            (FRESH, 404, Sight("ACTIVE"), State.UNKNOWN),
            (FRESH, 404, Sight("GONE"), State.UNKNOWN),
            (replace(FRESH, gone=1), 404, Sight("GONE"), (State.MISSED, Trouble.MISSED)),
            (replace(FRESH, gone=1), 404, Sight("ACTIVE"), (State.BLOCKED, Trouble.NO_CALLBACK)),
            (FRESH, 404, Sight("ACTIVE", 0, (OURS,)), State.STORED),
            (FRESH, 404, Unseen(), State.UNKNOWN),
        ],
        ids=str,
    )
    def test_429_and_404_are_explained_by_a_look(self, past, reply, sight, end):
        assert shape(next_step(past, classify(reply), sight)) == end

    def test_after_a_429_an_end_is_not_said_to_have_come_first(self):
        ended = verdict(FRESH, classify(429), Sight("SUCCEEDED"))

        assert "whether it read the answer is not known" in ended.reason

    def test_a_404_that_nothing_explains_is_asked_about_once_more_after_half_a_minute(self):
        first = verdict(FRESH, classify(404), Sight("ACTIVE"), chance=0.5)
        cannot_tell = verdict(FRESH, classify(404), Unseen(), chance=0.5)
        wedged = replace(FRESH, unsure=True, gone=2, trouble=Trouble.NO_CALLBACK)

        assert first.pause == cannot_tell.pause == 30
        assert next_step(wedged) is Step.LOOK
        assert shape(next_step(wedged, None, Sight("ACTIVE"))) == (
            State.BLOCKED,
            Trouble.NO_CALLBACK,
        )
        assert next_step(wedged, None, Sight("ACTIVE", 1)) is Step.SEND

    def test_403_says_which_role_is_missing(self):
        assert "workflows.callbacks.send" in verdict(FRESH, classify(403)).reason

    def test_a_redirect_says_so(self):
        assert "does not follow" in verdict(FRESH, classify(302)).reason


class TestSights:
    """The reference's "What the state query can and cannot tell"."""

    @pytest.mark.parametrize(
        ("sight", "past", "end"),
        [
            (Sight("SUCCEEDED"), LANDED, Step.TRACE),
            (Sight("SUCCEEDED"), replace(LANDED, unheard=True), (State.MISSED, Trouble.MISSED)),
            (Sight("SUCCEEDED"), DOUBT, (State.MISSED, Trouble.MISSED)),
            (Sight("SUCCEEDED"), FRESH, (State.MISSED, Trouble.MISSED)),
            (Sight("FAILED"), LANDED, (State.MISSED, Trouble.MISSED)),
            (Sight("CANCELLED"), DOUBT, (State.MISSED, Trouble.MISSED)),
            (Sight("GONE"), LANDED, (State.MISSED, Trouble.MISSED)),
            (Sight("ACTIVE", 0, (OURS,)), DOUBT, State.STORED),
            (Sight("ACTIVE", 1, (THEIRS, OURS)), FRESH, State.STORED),
            (Sight("ACTIVE", 0, (OURS,)), LANDED, State.STORED),
            (Sight("ACTIVE", 1, (OURS,)), KEPT, State.STORED),
            (Sight("ACTIVE", 0, (OURS,)), KEPT, (State.STORED, Trouble.NOT_LISTENING)),
            (Sight("ACTIVE", 0, (THEIRS,)), DOUBT, (State.BLOCKED, Trouble.FOREIGN)),
            (Sight("ACTIVE", 0, (THEIRS,)), LANDED, (State.CONFIRMED, Trouble.FOREIGN)),
            (Sight("ACTIVE", 1), DOUBT, Step.SEND),
            (Sight("ACTIVE", 1), FRESH, Step.SEND),
            (Sight("ACTIVE", 1), LANDED, State.STORED),
            (Sight("ACTIVE", 0), FRESH, Step.SEND),
            (Sight("QUEUED", 0), FRESH, Step.SEND),
            (Sight("ACTIVE", 0), DOUBT, State.UNKNOWN),
            (Sight("ACTIVE", 0), OLD_DOUBT, Step.SEND),
            (Sight("ACTIVE", 0), replace(DOUBT, quiet=-3600), Step.SEND),
            (Sight("ACTIVE", 0), LANDED, State.CONFIRMED),
            (Unseen(), FRESH, State.UNKNOWN),
            (Unseen(500), DOUBT, State.UNKNOWN),
            (Unseen(500), LANDED, State.STORED),
            (Unseen(401), DOUBT, (State.UNKNOWN, Trouble.CREDENTIALS)),
            (Unseen(403), LANDED, (State.STORED, Trouble.ROLE)),
        ],
        ids=str,
    )
    def test_each_view_of_google_has_one_conclusion(self, sight, past, end):
        assert shape(next_step(past, None, sight)) == end

    @pytest.mark.parametrize(
        ("trace", "end"),
        [
            (Trace.HEARD, State.CONFIRMED),
            (Trace.UNSURE, (State.MISSED, Trouble.MISSED)),
            (Unseen(), State.STORED),
            (Unseen(500), State.STORED),
            (Unseen(403), (State.STORED, Trouble.ROLE)),
        ],
        ids=str,
    )
    def test_who_ended_well_has_the_answer_only_if_none_of_its_waits_timed_out(self, trace, end):
        assert shape(next_step(LANDED, None, Sight("SUCCEEDED"), trace)) == end

    @pytest.mark.parametrize("kept", [0, FIRST_MINUTE])
    def test_in_the_first_minute_nobody_calls_it_unheard(self, kept):
        early = verdict(replace(LANDED, kept=kept), None, Sight("ACTIVE", 0, (OURS,)))

        assert (early.trouble, early.unheard) == ("", False)

    @pytest.mark.parametrize(
        ("past", "step"),
        [
            (FRESH, Step.SEND),
            (LANDED, Step.LOOK),
            (DOUBT, Step.LOOK),
            (replace(FRESH, unsure=True), Step.LOOK),
            (replace(FRESH, tries=9), Step.SEND),
        ],
        ids=str,
    )
    def test_a_round_begins_with_a_look_where_anything_may_be_there(self, past, step):
        assert next_step(past) is step

    def test_what_cannot_be_seen_changes_nothing_that_was_known(self):
        past = replace(KEPT, unheard=True, trouble=Trouble.NOT_LISTENING)

        same = verdict(past, None, Unseen())

        assert (same.trouble, same.unheard) == (Trouble.NOT_LISTENING, True)

    @pytest.mark.parametrize(
        ("past", "sight", "words"),
        [
            (LANDED, Sight("FAILED"), "The workflow had failed; whether it read the answer is not"),
            (FRESH, Sight("CANCELLED"), "was cancelled before the answer could be delivered."),
            (replace(LANDED, unheard=True), Sight("SUCCEEDED"), "was not listening for it"),
            (KEPT, Sight("ACTIVE", 0, (OURS,)), "as when its wait has timed out"),
            (replace(KEPT, doubt=True), Sight("ACTIVE", 0, (OURS,)), "it took an earlier copy, or"),
            (LANDED, Sight("SUCCEEDED"), "had finished; whether it read the answer is not known"),
            (DOUBT, Sight("ACTIVE"), "Checking whether it has the answer before it is sent again"),
        ],
        ids=str,
    )
    def test_what_is_not_known_is_said(self, past, sight, words):
        assert words in verdict(past, None, sight, Trace.UNSURE).reason


PASTS = st.builds(
    Past,
    decision_id=st.just(DECISION),
    landed=st.booleans(),
    doubt=st.booleans(),
    unsure=st.booleans(),
    unheard=st.booleans(),
    tries=st.integers(0, 100),
    gone=st.integers(0, 3),
    kept=st.floats(-4000, 1e7),
    quiet=st.floats(-4000, 1e7),
    trouble=st.sampled_from(["", *Trouble]),
)
REPLIES = st.one_of(
    st.builds(classify, st.integers(200, 599), st.sampled_from([None, "", "5", "soon", "999999"])),
    st.sampled_from([LOST, NO_LINE, NOWHERE]),
)
SIGHTS = st.builds(
    Sight,
    state=st.sampled_from(sorted(ENDED | GOING_ON)),
    waiters=st.integers(0, 2),
    payloads=st.sampled_from([(), (OURS,), (THEIRS,), (THEIRS, OURS)]),
)
NOTHING_SEEN = st.builds(Unseen, st.sampled_from([None, 401, 403, 429, 500]))
VIEWS = st.one_of(SIGHTS, NOTHING_SEEN)
TRACES = st.one_of(st.sampled_from(Trace), NOTHING_SEEN)
CHANCES = st.floats(0, 1)


class TestEverything:
    """What holds for every combination of past, answer and sight."""

    @given(PASTS, st.none() | REPLIES, st.none() | VIEWS, st.none() | TRACES, CHANCES)
    def test_there_is_always_a_step_or_a_verdict_with_a_sentence(
        self, past, reply, sight, trace, chance
    ):
        step = next_step(past, reply, sight, trace, chance=chance)

        if isinstance(step, Verdict):
            assert step.reason[0].isupper()
            assert step.reason.endswith(".")
            assert (step.pause == 0) == (step.state in FINAL)
            assert step.pause <= 1.2 * SLOW + 1e-6  # as floats add up
            assert step.trouble != "" or step.state not in (State.BLOCKED, State.MISSED)

    @given(PASTS, st.none() | REPLIES, SIGHTS)
    def test_nothing_is_sent_where_it_is_seen_or_had_landed_or_can_never_arrive(
        self, past, reply, sight
    ):
        if next_step(past, reply, sight) is Step.SEND:
            assert (past.landed, sight.ended, sight.payloads, reply) == (False, False, (), None)

    @given(PASTS, REPLIES, st.tuples(VIEWS, VIEWS), TRACES, CHANCES)
    def test_a_round_has_four_steps_at_most_and_sends_once(self, past, reply, two, trace, chance):
        views, said, seen, told, steps = list(two), None, None, None, []
        while not isinstance(step := next_step(past, said, seen, told, chance=chance), Verdict):
            steps.append(step)
            if step is Step.SEND:
                said, seen = reply, None
            elif step is Step.LOOK:
                seen = views.pop(0)
            else:
                told = trace

        assert len(steps) <= 4
        assert steps.count(Step.SEND) <= 1
        assert steps.count(Step.TRACE) <= 1

    @given(PASTS, VIEWS, st.none() | TRACES)
    def test_only_a_landed_answer_is_ever_called_read(self, past, sight, trace):
        step = next_step(past, None, sight, trace)

        assert isinstance(step, Step) or step.state != State.CONFIRMED or past.landed

    @given(PASTS, st.none() | REPLIES, SIGHTS, st.none() | TRACES)
    def test_a_run_that_ended_is_called_to_have_read_it_only_where_no_wait_of_it_timed_out(
        self, past, reply, sight, trace
    ):
        step = next_step(past, reply, sight, trace)

        if isinstance(step, Verdict) and step.state == State.CONFIRMED and sight.ended:
            assert trace is Trace.HEARD


class TestPause:
    def test_waits_grow_then_stay_at_a_minute_then_at_ten(self):
        assert [pause(tries) for tries in range(6)] == pytest.approx([1, 2, 5, 10, 30, 60])
        assert [pause(tries) for tries in (40, 65, 66, 500)] == pytest.approx([60, 60, 600, 600])

    def test_looks_at_a_stored_answer_come_soon_and_then_seldom(self):
        assert [look_pause(tries) for tries in range(7)] == pytest.approx(
            [2, 8, 30, 30, 60, 300, 300]
        )

    @pytest.mark.parametrize(("chance", "wait"), [(0.0, 48), (1.0, 72)])
    def test_jitter_is_twenty_percent_either_way(self, chance, wait):
        assert pause(5, chance=chance) == pytest.approx(wait)
        assert look_pause(4, chance) == pytest.approx(wait)

    def test_retry_after_lengthens_but_never_beyond_ten_minutes(self):
        assert pause(0, 20.0, chance=0.0) == 20.0
        assert pause(0, 10.0**9, chance=0.0) == 600.0
        assert pause(5, 1.0) == pytest.approx(60)

    def test_what_all_were_asked_to_wait_does_not_bring_them_back_at_once(self):
        assert pause(0, 20.0, chance=0.0) <= pause(0, 20.0, chance=0.5) < pause(0, 20.0, chance=1.0)
