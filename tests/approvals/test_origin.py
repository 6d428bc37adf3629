"""Where a request comes from: in the record, in the logs, and in the answer."""

import logging
import re

import pytest

from approvals.models import Event
from approvals.origin import NOWHERE, Origin, one_round, origin, traced
from config.logs import RequestFilter
from tests.approvals.calling import URL
from tests.factories import make_request

TRACE = "105445aa7843bc8bf206b12000100000"
SPAN = "00f067aa0ba902b7"


class TestClient:
    @pytest.mark.parametrize(
        ("hops", "passed", "seen"),
        [
            (0, "203.0.113.9", "127.0.0.1"),
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "10.9.8.7, 203.0.113.9", "203.0.113.9"),
            (2, "10.9.8.7,203.0.113.9,35.191.0.1", "203.0.113.9"),
            (2, "203.0.113.9", ""),
            (1, "", ""),
            (1, "<script>", ""),
            (1, "2001:DB8::1", "2001:db8::1"),
        ],
    )
    def test_only_what_our_proxies_appended_is_believed(self, api, settings, hops, passed, seen):
        settings.CLIENT_HOPS = hops

        answer = api.post(URL, make_request(), **{"X-Forwarded-For": passed})

        assert answer.status_code == 201
        assert Event.objects.get().client == seen


class TestRequestId:
    def test_it_is_in_the_record_and_in_the_answer(self, api):
        answer = api.post(URL, make_request())

        assert len(answer["X-Request-ID"]) == 32
        assert Event.objects.get().request == answer["X-Request-ID"]

    def test_it_is_cloud_runs_where_there_is_one(self, client, db):
        answer = client.get("/healthz", headers={"X-Cloud-Trace-Context": f"{TRACE}/1;o=1"})
        assert answer["X-Request-ID"] == TRACE

        answer = client.get("/healthz", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})
        assert answer["X-Request-ID"] == TRACE

    @pytest.mark.parametrize("name", ["X-Cloud-Trace-Context", "traceparent"])
    @pytest.mark.parametrize("text", ["<script>/1", f"{TRACE}x", f"00-{TRACE}-{SPAN}-1", "00--"])
    def test_what_is_none_of_a_trace_is_not_repeated(self, client, db, name, text):
        answer = client.get("/healthz", headers={name: text})

        assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])
        assert answer["X-Request-ID"] != TRACE

    def test_logs_show_it(self, api, caplog):
        only_for_now = RequestFilter()
        caplog.handler.addFilter(only_for_now)
        with caplog.at_level(logging.INFO, logger="approvals"):
            answer = api.post(URL, make_request())
        caplog.handler.removeFilter(only_for_now)

        said = [(record.getMessage(), record.request_id) for record in caplog.records]
        assert said == [
            ("registered", answer["X-Request-ID"]),
            ("POST /api/v1/approvals 201", answer["X-Request-ID"]),
        ]

    def test_outside_of_requests_there_is_none(self):
        assert origin() == NOWHERE

    def test_each_round_of_the_worker_has_one(self):
        seen = []
        for _ in range(2):
            with one_round():
                seen.append(origin())

        assert origin() == NOWHERE
        assert len({each.request for each in seen}) == 2

    def test_a_round_that_a_request_makes_has_that_of_the_request(self):
        with one_round(Origin("203.0.113.9", TRACE, SPAN, sampled=True)):
            assert origin() == Origin("", TRACE, SPAN, sampled=True)

    @pytest.mark.parametrize(
        ("traceparent", "cloud", "span", "sampled"),
        [
            (f"00-{TRACE}-{SPAN}-01", "", SPAN, True),
            (f"00-{TRACE}-{SPAN}-00", "", SPAN, False),
            ("", f"{TRACE}/74;o=1", "000000000000004a", True),
            ("", f"{TRACE}/74", "000000000000004a", False),
            ("", TRACE, "", False),
            (f"00-{TRACE}-{SPAN}-01", f"{TRACE}/74;o=0", SPAN, True),
        ],
    )
    def test_its_place_in_the_trace_is_kept(self, traceparent, cloud, span, sampled):
        assert traced("", traceparent, cloud) == Origin("", TRACE, span, sampled)
