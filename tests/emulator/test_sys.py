"""`sys.log`, `sys.sleep_until` and `events.*`: what they take, what they refuse, what they keep."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.settings import Time
from tests.emulator.calling import calls
from tests.emulator.engines import emulator, outcome, start


def given(path: Path, function: str, args: Any, **settings: Any) -> tuple[Any, list[Any]]:
    """What a call gives or raises, and what was logged: severity and payload."""

    async def scenario() -> tuple[Any, list[Any]]:
        async with emulator(path, **settings) as services:
            execution = start(services, calls({"call": function, "args": args}))
            (value,) = await outcome(services, execution)
            logged = services.store.logs(execution.id)
            return value, [(line.severity, json.loads(line.payload)) for line in logged]

    return asyncio.run(scenario())


class TestLog:
    @pytest.mark.parametrize(
        ("args", "severity", "payload"),
        [
            ({"data": "text"}, "DEFAULT", "text"),
            ({"data": {"a": [1]}}, "DEFAULT", {"a": [1]}),
            ({"data": [1, "b", None]}, "DEFAULT", '[1,"b",null]'),
            ({"data": 2.0}, "DEFAULT", "2"),
            ({"data": True}, "DEFAULT", "true"),
            ({"text": "text"}, "DEFAULT", "text"),
            ({"text": {"b": 1, "a": "ä"}}, "DEFAULT", '{"a":"ä","b":1}'),
            ({"text": [1]}, "DEFAULT", "[1]"),
            ({"text": 5}, "DEFAULT", "5"),
            ({"json": {"a": 1}}, "DEFAULT", {"a": 1}),
            ({"json": {}, "severity": "ERROR"}, "ERROR", {}),
            ({"text": "t", "severity": "warning"}, "WARNING", "t"),
            ({"text": "t", "timeout": 5}, "DEFAULT", "t"),
            (["positional"], "DEFAULT", "positional"),
            (["positional", "INFO"], "INFO", "positional"),
            (["${null}", "ERROR", "text"], "ERROR", "text"),
            (["${null}", "ERROR", "${null}", {"a": 1}], "ERROR", {"a": 1}),
            ({"text": None, "json": {"a": 1}}, "DEFAULT", {"a": 1}),
            ({"data": False, "text": None, "json": None}, "DEFAULT", "false"),
        ],
    )
    def test_the_payload_has_the_type_that_was_asked_for(self, tmp_path, args, severity, payload):
        assert given(tmp_path, "sys.log", args) == (None, [(severity, payload)])

    @pytest.mark.parametrize(
        "severity",
        [
            "DEFAULT",
            "DEBUG",
            "INFO",
            "NOTICE",
            "WARNING",
            "ERROR",
            "CRITICAL",
            "ALERT",
            "EMERGENCY",
        ],
    )
    def test_every_severity_is_known(self, tmp_path, severity):
        args = {"text": "t", "severity": severity}

        assert given(tmp_path, "sys.log", args) == (None, [(severity, "t")])

    @pytest.mark.parametrize(
        ("args", "tag"),
        [
            ({}, "TypeError"),
            ({"severity": "INFO"}, "TypeError"),
            ({"data": 1, "text": "t"}, "TypeError"),
            ({"text": "t", "json": {}}, "TypeError"),
            ({"data": 1, "text": "t", "json": {}}, "TypeError"),
            ({"json": "text"}, "TypeError"),
            ({"json": [1]}, "TypeError"),
            ({"json": None}, "TypeError"),
            ({"data": None}, "TypeError"),
            ({"data": None, "text": None, "json": None}, "TypeError"),
            ({"data": '${text.encode("b")}'}, "TypeError"),
            ({"text": "t", "severity": "LOUD"}, "ValueError"),
            ({"text": "t", "severity": 200}, "TypeError"),
            ({"text": "t", "severity": None}, "TypeError"),
            ({"text": "t", "timeout": "5"}, "TypeError"),
        ],
    )
    def test_a_wrong_argument_is_an_error_and_nothing_is_logged(self, tmp_path, args, tag):
        error, logged = given(tmp_path, "sys.log", args)

        assert error["tags"] == [tag]
        assert logged == []


class TestSleepUntil:
    @pytest.mark.parametrize(
        ("written", "seconds"),
        [
            ("%Y-%m-%dT%H:%M:%SZ", 3600),
            ("%Y-%m-%dT%H:%M:%S+00:00", 3600),
            ("%Y-%m-%dT%H:%M:%S+02:00", -3600),
            ("%Y-%m-%dT%H:%M:%S-01:30", 9000),
            ("%Y-%m-%dT%H:%M:%S", 3600),
            ("%Y-%m-%dT%H:%M:%S.250Z", 3600.25),
            ("%Y-%m-%dT%H:%M:%S.123456Z", 3600.123456),
            ("%Y-%m-%d %H:%M:%SZ", 3600),
            ("%Y%m%dT%H%M%SZ", 3600),
        ],
    )
    def test_it_is_over_at_that_moment(self, tmp_path, written, seconds):
        async def scenario() -> float:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                begin = services.clock.now()
                until = (begin + timedelta(hours=1)).strftime(written)
                step = {"call": "sys.sleep_until", "args": {"time": until}}
                await outcome(services, start(services, calls(step)))
                return (services.clock.now() - begin).total_seconds()

        assert asyncio.run(scenario()) == pytest.approx(max(0.0, seconds), abs=1e-4)

    @pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "1969-12-31T00:00:00Z"])
    def test_what_has_passed_is_not_waited_for(self, tmp_path, time):
        assert given(tmp_path, "sys.sleep_until", {"time": time}) == (None, [])

    @pytest.mark.parametrize(
        ("time", "tag"),
        [
            ("tomorrow", "ValueError"),
            ("", "ValueError"),
            ("12:00", "ValueError"),
            ("2026-13-01T00:00:00Z", "ValueError"),
            ("9999-12-31T23:59:59-14:00", "ValueError"),
            (1893456000, "TypeError"),
            (None, "TypeError"),
        ],
    )
    def test_what_is_no_moment_or_too_far_is_an_error(self, tmp_path, time, tag):
        error, _ = given(tmp_path, "sys.sleep_until", {"time": time})

        assert error["tags"] == [tag]


class TestSleep:
    @pytest.mark.parametrize("seconds", [0, 0.5, 31_536_000])
    def test_it_takes_up_to_a_year(self, tmp_path, seconds):
        assert given(tmp_path, "sys.sleep", [seconds], time=Time.SKIP) == (None, [])

    @pytest.mark.parametrize(
        ("seconds", "tag"),
        [(-0.001, "ValueError"), (31_536_000.5, "ValueError"), ("1", "TypeError")],
    )
    def test_other_numbers_and_types_are_errors(self, tmp_path, seconds, tag):
        error, _ = given(tmp_path, "sys.sleep", {"seconds": seconds})

        assert error["tags"] == [tag]


class TestEvents:
    @pytest.mark.parametrize(
        "args", [{}, {"http_callback_method": "PATCH"}, {"http_callback_method": "OPTIONS"}]
    )
    def test_an_endpoint_is_a_map_with_its_url(self, tmp_path, args):
        endpoint, _ = given(tmp_path, "events.create_callback_endpoint", args)

        assert endpoint.keys() == {"url"}
        assert "/v1/projects/123456789012/locations/us-central1/workflows/test/" in endpoint["url"]

    @pytest.mark.parametrize(
        ("function", "args", "tag"),
        [
            ("create_callback_endpoint", {"http_callback_method": "TRACE"}, "ValueError"),
            ("create_callback_endpoint", {"http_callback_method": "post"}, "ValueError"),
            ("create_callback_endpoint", {"http_callback_method": 1}, "TypeError"),
            ("await_callback", {"callback": "https://x/"}, "TypeError"),
            ("await_callback", {"callback": {}}, "TypeError"),
            ("await_callback", {"callback": {"url": 5}}, "TypeError"),
            ("await_callback", {"callback": {"url": "https://x/"}}, "ValueError"),
            ("await_callback", {"callback": {"url": "http://["}}, "ValueError"),
            ("await_callback", {"callback": {"url": "x"}, "timeout": "5"}, "TypeError"),
            ("await_callback", {"callback": {"url": "x"}, "timeout": -1}, "ValueError"),
            ("await_callback", {"callback": {"url": "x"}, "timeout": 31_536_001}, "ValueError"),
        ],
    )
    def test_a_wrong_argument_is_an_error(self, tmp_path, function, args, tag):
        error, _ = given(tmp_path, f"events.{function}", args)

        assert error["tags"] == [tag]

    def test_a_wait_is_twelve_hours_long_unless_told_otherwise(self, tmp_path):
        source = """
        - create: {call: events.create_callback_endpoint, args: {}, result: endpoint}
        - begin: {assign: [{from: "${sys.now()}"}]}
        - wait:
            try: {call: events.await_callback, args: {callback: "${endpoint}"}}
            except:
              as: e
              steps:
                - done: {return: ["${e.tags}", "${sys.now() - from}"]}
        """

        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                return await outcome(services, start(services, source))

        tags, seconds = asyncio.run(scenario())

        assert tags == ["TimeoutError"]
        assert seconds == pytest.approx(43_200)
