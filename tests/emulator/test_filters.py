"""`filter` and `orderBy`: what they let through, and what is refused."""

from typing import Any

import pytest

from emulator.api.filters import filtered, ordered, sort_key
from emulator.refusal import Refusal, Status

FIELDS = {"state", "createTime", "duration", "labels.*", "steps", "entryId", "flag", "name"}
ONE: dict[str, Any] = {
    "name": "projects/p/workflows/one",
    "state": "SUCCEEDED",
    "createTime": "2026-03-01T10:00:00.500000Z",
    "duration": "1.5s",
    "labels": {"team": "blue", "cost-center": "7"},
    "steps": ["ask", "wait"],
    "entryId": 12,
    "flag": True,
}


class TestFilter:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "  ",
            'state="SUCCEEDED"',
            "state = 'SUCCEEDED'",
            "state=SUCCEEDED",
            "state!=FAILED",
            'state="SUCC*"',
            'name="*one"',
            'name:"/workflows/"',
            'createTime>"2026-02-28"',
            "createTime > 2026-03-01T10:00:00Z",
            'createTime<="2026-03-01T11:00:00.500000001+01:00"',
            'duration>"1s" duration<2.5s',
            "labels.team=blue",
            'labels."cost-center"=7',
            "labels.cost-center=7",
            "labels:team",
            "labels.team:*",
            "labels.none!=x",
            "steps:ask",
            "steps=wait",
            "entryId>9 AND entryId<100",
            "entryId=12",
            "flag=true",
            "NOT state=FAILED",
            "-state=FAILED",
            "NOT (state=FAILED OR state=CANCELLED)",
            "state=FAILED OR state=SUCCEEDED",
            "state=FAILED OR state=CANCELLED OR (labels.team=blue AND flag=true)",
            # OR binds tighter than AND
            "state=SUCCEEDED OR state=FAILED AND labels.team=blue",
            'state="SUCCEEDED"AND (flag=true)',
        ],
    )
    def test_what_is_true_of_it_lets_a_resource_through(self, text):
        assert filtered(text, FIELDS)(ONE)

    @pytest.mark.parametrize(
        "text",
        [
            "state=FAILED",
            "state=succeeded",
            'state!="SUCC*"',
            "state=SUCCEEDED AND labels.team=red",
            "state=SUCCEEDED labels.team=red",
            "state=SUCCEEDED OR state=FAILED AND labels.team=red",
            "NOT labels:team",
            "labels:none",
            "labels.none:*",
            "labels.none<x",
            "createTime<2026-03-01",
            "duration<1s",
            "entryId<9",
            "flag=false",
            "steps:none",
            "NOT state=FAILED AND -(flag=true)",
        ],
    )
    def test_what_is_false_of_it_keeps_a_resource_back(self, text):
        assert not filtered(text, FIELDS)(ONE)

    @pytest.mark.parametrize(
        "text",
        [
            "colour=red",
            "state=",
            "=SUCCEEDED",
            "state=A AND",
            "state=A OR",
            "AND state=A",
            "(state=A",
            "state=A)",
            "()",
            "NOT",
            'state="A',
            "createTime>yesterday",
            "createTime>2026-13-01",
            "duration>long",
            "entryId>many",
            "(" * 60 + "state=A" + ")" * 60,
            "state=" + "A" * 5000,
        ],
    )
    def test_what_is_no_filter_is_refused(self, text):
        with pytest.raises(Refusal) as refused:
            filtered(text, FIELDS)(ONE)

        assert refused.value.status in (Status.INVALID_ARGUMENT, Status.UNIMPLEMENTED)

    @pytest.mark.parametrize("text", ["SUCCEEDED", '"free text"', "state", "matches(state, 'S')"])
    def test_free_text_and_functions_are_said_to_be_missing(self, text):
        with pytest.raises(Refusal) as refused:
            filtered(text, FIELDS)

        assert refused.value.status is Status.UNIMPLEMENTED


class TestOrder:
    def test_fields_come_with_their_direction(self):
        assert ordered(" createTime desc, state ,name asc", FIELDS) == [
            *(("createTime", True), ("state", False), ("name", False))
        ]
        assert ordered("", FIELDS) == []

    @pytest.mark.parametrize("text", ["colour", "state down", "state desc asc"])
    def test_another_field_or_direction_is_refused(self, text):
        with pytest.raises(Refusal):
            ordered(text, FIELDS)

    def test_moments_and_durations_are_sorted_as_such(self):
        early, late = {"duration": "9s"}, {"duration": "10s"}

        assert sort_key({}, "duration") < sort_key(early, "duration") < sort_key(late, "duration")
