"""Where a request comes from: in the record, in the logs, and in the answer."""

import logging

import pytest

from approvals.models import Event
from approvals.origin import NOWHERE, origin
from config.logs import RequestFilter
from tests.approvals.calling import URL
from tests.factories import make_request

TRACE = "105445aa7843bc8bf206b12000100000"


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

        answer = client.get("/healthz", headers={"X-Cloud-Trace-Context": "<script>/1"})
        assert answer["X-Request-ID"] != "<script>"

    def test_logs_show_it(self, api, caplog):
        only_for_now = RequestFilter()
        caplog.handler.addFilter(only_for_now)
        with caplog.at_level(logging.INFO, logger="approvals"):
            answer = api.post(URL, make_request())
        caplog.handler.removeFilter(only_for_now)

        assert [record.request_id for record in caplog.records] == [answer["X-Request-ID"]]

    def test_outside_of_requests_there_is_none(self):
        assert origin() == NOWHERE
