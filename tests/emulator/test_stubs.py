"""Stubs: calls that are answered and never sent."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from emulator.settings import Time
from emulator.stubs import Stub, Stubs, raises, read, responds, returns
from tests.emulator.calling import calls, connector, get
from tests.emulator.engines import emulator, outcome, site, start
from tests.emulators import EmulatorProcess, eventually

OBJECT = "googleapis.storage.v1.objects.get"
FILE = f"""
stubs:
  {OBJECT}:
    - when: {{object: orders.csv}}
      returns: {{size: "42"}}
    - raises: {{code: 404, body: no such object}}
  googleapis.pubsub.*: {{returns: {{}}}}
  POST https://api.example/orders/*:
    when: {{body: {{amount: 80}}, headers: {{x-team: travel}}, query: {{dry: true}}}}
    status: 201
    headers: {{location: /orders/7}}
    json: {{id: 7}}
  https://api.example/health:
    replies:
      - raises: ConnectionError
      - {{status: 503, text: later}}
      - text: fine
"""


def results(path: Path, stubs: str | Stubs, *steps: dict[str, Any], **settings: Any) -> Any:
    """What calls give where these stubs are, each call in one workflow after the other."""

    async def scenario() -> Any:
        async with emulator(path, **settings) as services:
            if isinstance(stubs, str):
                services.stubs.take(read(stubs))
            else:
                services.stubs.add(*(entry.stub for entry in stubs.entries))
                services.stubs.strict = stubs.strict
            return await outcome(services, start(services, calls(*steps)))

    return asyncio.run(scenario())


def stubbed(*stubs: Stub, strict: bool = False) -> Stubs:
    made = Stubs(strict=strict)
    made.add(*stubs)
    return made


class TestConnector:
    def test_the_first_stub_that_fits_answers(self, tmp_path):
        found, missing = results(
            tmp_path, FILE, connector(OBJECT, object="orders.csv"), connector(OBJECT, object="no")
        )

        assert found == {"size": "42"}
        assert missing == {
            "body": "no such object",
            "code": 404,
            "headers": {},
            "message": "HTTP server responded with error code 404",
            "tags": ["HttpError"],
        }

    def test_a_star_takes_all_that_begin_so(self, tmp_path):
        publish = "googleapis.pubsub.v1.projects.topics.publish"

        assert results(tmp_path, FILE, connector(publish, topic="t")) == [{}]

    def test_connectors_of_kubernetes_can_be_stubbed(self, tmp_path):
        stubs = stubbed(Stub("gke.create_job", returns({"status": {"active": 1}})))

        given = results(tmp_path, stubs, connector("gke.create_job", cluster_id="c"))

        assert given == [{"status": {"active": 1}}]

    def test_without_a_stub_it_is_refused_with_its_name_and_the_way_to_stub_it(self, tmp_path):
        (error,) = results(tmp_path, "stubs: {}", connector(OBJECT, object="a"))

        assert error["tags"] == ["SystemError"]
        assert f"'{OBJECT}: {{returns: …}}'" in error["message"]
        assert "--stubs" in error["message"]

    def test_one_that_is_here_can_be_stubbed_too(self, tmp_path):
        name = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run"
        stubs = stubbed(
            Stub(name, returns("stubbed")), Stub("experimental.executions.*", returns("old"))
        )
        old = connector("experimental.executions.run", workflow_id="none")

        given = results(tmp_path, stubs, connector(name, workflow_id="none"), old)

        assert given == ["stubbed", "old"]

    @pytest.mark.parametrize(
        ("raised", "seen"),
        [
            ("no luck", "no luck"),
            ({"reason": 1}, {"reason": 1}),
            ({"code": "E1"}, {"code": "E1"}),
            (
                "TimeoutError",
                {"message": "TimeoutError: as its stub says", "tags": ["TimeoutError"]},
            ),
            (
                {"code": 503, "message": "busy", "tags": ["HttpError", "X"]},
                {
                    "body": None,
                    "code": 503,
                    "headers": {},
                    "message": "busy",
                    "tags": ["HttpError", "X"],
                },
            ),
        ],
    )
    def test_an_error_is_raised_as_it_is_or_made_whole(self, tmp_path, raised, seen):
        assert results(tmp_path, stubbed(Stub(OBJECT, raises(raised))), connector(OBJECT)) == [seen]

    def test_one_added_later_stands_in_front(self):
        stubs = stubbed(Stub(OBJECT, returns(1)))

        stubs.add(Stub(OBJECT, returns(2), when={"a": 1}), Stub(OBJECT, returns(3), when={"a": 2}))

        given = [stubs.answer(OBJECT, {"a": number}) for number in (1, 2, 3)]
        assert [answer and answer.reply.value for answer in given] == [2, 3, 1]

    def test_bytes_can_be_given_from_python(self, tmp_path):
        step = connector(OBJECT)
        source = calls(step).replace('"${list.concat(all, got)}"', '"${text.decode(got)}"')

        async def scenario() -> Any:
            async with emulator(tmp_path) as services:
                services.stubs.add(Stub(OBJECT, returns(b"raw")))
                return await outcome(services, start(services, source))

        assert asyncio.run(scenario()) == "raw"


class TestHttp:
    def test_a_response_is_read_as_a_workflow_reads_it(self, tmp_path):
        order = get(
            "https://api.example/orders/new?x=1",
            "http.post",
            query={"dry": True},
            headers={"X-Team": "travel"},
            body={"amount": 80, "currency": "EUR"},
        )

        (made,) = results(tmp_path, FILE, order)

        assert made == {
            "body": {"id": 7},
            "code": 201,
            "headers": {"Content-Type": "application/json", "Location": "/orders/7"},
        }

    def test_replies_are_given_in_turn_and_the_last_one_repeats(self, tmp_path):
        health = get("https://api.example/health?verbose=1")

        broken, busy, fine, again = results(tmp_path, FILE, health, health, health, health)

        assert broken["tags"] == ["ConnectionError"]
        assert (busy["code"], busy["body"], busy["tags"]) == (503, "later", ["HttpError"])
        assert (fine["code"], fine["body"]) == (200, "fine")
        assert again == fine

    @pytest.mark.parametrize(
        ("call", "url", "fits"),
        [
            ("GET https://a.example/x", "https://a.example/x", True),
            ("GET https://a.example/x", "https://a.example/x?q=1", True),
            ("GET https://a.example/x", "https://a.example/x/y", False),
            ("POST https://a.example/x", "https://a.example/x", False),
            ("https://a.example/x", "https://a.example/x", True),
            ("https://a.example/x", "http://a.example/x", False),
            ("https://A.example:443", "https://a.example/", True),
            ("https://a.example/*", "https://a.example/x/y?q=1", True),
            ("https://*.example/x", "https://b.a.example/x", True),
            ("https://a.example*", "https://a.example/x", True),
            ("https://a.example/x?q=*&z=1", "https://a.example/x?q=5&z=1", True),
            ("https://a.example/x?q=1", "https://a.example/x", False),
            ("https://a.example/a b", "https://a.example/a%20b", True),
            ("https://a.example/a.b", "https://a.example/aXb", False),
        ],
    )
    def test_a_url_fits_whole_and_a_star_is_any_text(self, tmp_path, call, url, fits):
        (given,) = results(tmp_path, stubbed(Stub(call, responds(json=1)), strict=True), get(url))

        assert (given.get("code") == 200) is fits

    @pytest.mark.parametrize(
        ("call", "answer", "instead"),
        [
            ("GET https://a.example/", returns({"id": 1}), r"responds\(json="),
            ("https://a.example/*", returns(None), r"responds\(json="),
            (OBJECT, responds(200), r"returns\("),
            (OBJECT, responds(404), r'raises\({"code": 404}\)'),
        ],
    )
    def test_an_answer_of_the_other_kind_is_refused_with_the_right_one(self, call, answer, instead):
        with pytest.raises(ValueError, match=instead):
            Stub(call, answer)

    def test_a_response_written_out_is_one(self):
        assert Stub("https://a.example/", returns({"code": 200, "body": {}})).answers

    @pytest.mark.parametrize(
        ("when", "fits"),
        [
            ({"query": {"n": ["1", "2"]}}, True),
            ({"query": {"n": [1, 2]}}, True),
            ({"query": {"n": 1}}, False),
            ({"query": {"n": [2, 1]}}, False),
            ({"headers": {"x-a": "b"}}, True),
            ({"headers": {"X-A": "c"}}, False),
            ({"headers": {"user-agent": "me"}}, False),
            ({"body": {"list": [{"a": 1.0}]}}, True),
            ({"body": {"list": []}}, False),
            ({"body": {"flag": 1}}, False),
            ({"body": {"none": None}}, False),
            ({"auth": {"type": "OIDC"}}, True),
            ({"auth": {"type": "OAuth2"}}, False),
        ],
    )
    def test_conditions_look_at_a_part_of_the_arguments(self, tmp_path, when, fits):
        stub = Stub("https://a.example/", responds(), when=when)
        step = get(
            "https://a.example/",
            "http.post",
            query={"n": [1, 2]},
            headers={"X-A": "b"},
            body={"list": [{"a": 1, "b": 2}], "flag": True},
            auth={"type": "OIDC"},
        )

        (given,) = results(tmp_path, stubbed(stub, strict=True), step)

        assert (given.get("code") == 200) is fits

    @pytest.mark.parametrize(
        ("answer", "body"),
        [
            (responds(json={"a": [1, 2.5, None]}), {"a": [1, 2.5, None]}),
            (responds(json=None), None),
            (responds(), None),
            (responds(text="x"), "x"),
            (responds(text="", headers={"X": "y"}), None),
            (responds(text="{", headers={"content-type": "application/json"}), "{"),
            (responds(text="[1]", headers={"Content-Type": "application/x+json"}), [1]),
            (responds(content=b"\xe4", headers={"Content-Type": "text/x; charset=latin-1"}), "ä"),
        ],
    )
    def test_the_body_is_decoded_by_its_type(self, answer, body):
        assert answer.reply.value["body"] == body

    def test_a_private_service_and_its_certificate_can_be_stubbed(self, tmp_path):
        stubs = stubbed(Stub("https://a.example/*", responds(json=1)))
        private = {"private_service_name": "projects/p/x", "ca_certificate": "MII"}

        given, error = results(
            tmp_path,
            stubs,
            get("https://a.example/", **private),
            get("https://b.example/", **private),
        )

        assert given["body"] == 1
        assert error["tags"] == ["ValueError"]

    def test_wrong_arguments_are_errors_though_there_is_a_stub(self, tmp_path):
        stubs = stubbed(Stub("https://a.example/*", responds()))

        (error,) = results(tmp_path, stubs, get("https://a.example/", timeout=1801))

        assert error["tags"] == ["ValueError"]

    def test_what_is_stubbed_is_never_sent(self, tmp_path):
        async def scenario() -> tuple[Any, list[Any]]:
            async with site(_unwanted) as server, emulator(tmp_path) as services:
                services.stubs.add(Stub(f"{server.url}/*", responds(text="stub")))
                given = await outcome(services, start(services, calls(get(f"{server.url}/a"))))
                return given, server.received

        (given,), received = asyncio.run(scenario())

        assert given["body"] == "stub"
        assert received == []


class TestStrict:
    def test_a_call_without_a_stub_is_refused_and_told(self, tmp_path):
        async def scenario() -> Any:
            async with site(_unwanted) as server, emulator(tmp_path) as services:
                services.stubs.strict = True
                source = calls(get(f"{server.url}/a?b=c"), connector(OBJECT))
                given = await outcome(services, start(services, source))
                return server, given, list(services.stubs.missed)

        server, (refused, _), missed = asyncio.run(scenario())

        assert refused["tags"] == ["SystemError"]
        assert f"GET {server.url}/a?b=c" in refused["message"]
        assert server.received == []
        assert missed == [f"GET {server.url}/a?b=c", OBJECT]

    def test_the_emulator_itself_can_be_called(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path) as services:
                services.stubs.strict = True
                url = f"{services.settings.base_url}/healthz"
                return await outcome(services, start(services, calls(get(url))))

        (given,) = asyncio.run(scenario())

        assert given["code"] == 200


class TestAfter:
    STUB = f"stubs:\n  {OBJECT}: {{returns: late, after: 1200}}\n"

    def test_the_answer_comes_when_so_much_time_has_passed(self, tmp_path):
        async def scenario() -> Any:
            async with emulator(tmp_path, time=Time.VIRTUAL) as services:
                services.stubs.take(read(self.STUB))
                execution = start(services, calls(connector(OBJECT)))
                await services.engine.advance(1199)
                before = services.store.find(execution.id)
                await services.engine.advance(1)
                assert before is not None
                return before.state, await outcome(services, execution)

        assert asyncio.run(scenario()) == ("ACTIVE", ["late"])

    @pytest.mark.parametrize(
        ("step", "seconds"),
        [
            (get("https://a.example/"), 300),
            (get("https://a.example/", timeout=1800), 1800),
            (connector(OBJECT), 1800),
            (connector(OBJECT, connector_params={"timeout": 60}), 60),
        ],
    )
    def test_one_that_comes_too_late_is_a_timeout(self, tmp_path, step, seconds):
        late = (
            Stub("https://a.example/", responds(text="late", after=1801)),
            Stub(OBJECT, returns("late", after=1801)),
        )

        async def scenario() -> tuple[Any, float]:
            async with emulator(tmp_path, time=Time.SKIP) as services:
                services.stubs.add(*late)
                begin = services.clock.seconds()
                (error,) = await outcome(services, start(services, calls(step)))
                return error, services.clock.seconds() - begin

        error, waited = asyncio.run(scenario())

        assert error["tags"] == ["TimeoutError"]
        assert waited == pytest.approx(seconds)

    def test_it_comes_though_the_emulator_was_killed_and_has_no_stubs_any_more(self, tmp_path):
        path = tmp_path / "stubs.yaml"
        path.write_text(self.STUB.replace("1200", "2"))
        with EmulatorProcess(tmp_path / "d", options=["--stubs", str(path)]) as process:
            process.deploy("late", calls(connector(OBJECT)))
            execution = process.execute("late")
            eventually(lambda: execution.read().get("status"), "it to wait")
            process.kill()
            process.options = ()
            process.restart()

            assert execution.result() == ["late"]


async def _unwanted(_: web.Request) -> web.StreamResponse:
    return web.Response(status=418)
