"""Stub files: what they may say, at the start and while the emulator runs."""

import asyncio
import re
from typing import Any

import aiohttp
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.stubs import Stub, UnusableStubs, read, returns
from tests.emulator.calling import calls, connector
from tests.emulator.engines import emulator
from tests.emulators import EmulatorProcess

OBJECT = "googleapis.storage.v1.objects.get"


WHOLE = """
strict: true
stubs:
  googleapis.storage.v1.objects.get:
    - when: {object: orders.csv}
      returns: {name: orders.csv, size: "42", parts: [1, 2.5, null]}
    - raises: {code: 404, body: gone}
      after: 2.5
  POST https://api.example/orders/*:
    when: {body: {amount: 80}, headers: {x-team: travel}, query: {dry: true}}
    status: 201
    headers: {Location: /orders/7}
    json: {id: 7}
  https://api.example/health:
    replies:
      - raises: ConnectionError
      - {status: 503, text: later}
      - {base64: 5A==}
"""


class TestFile:
    @pytest.mark.parametrize(
        ("text", "place", "said"),
        [
            ("", "1:1", "empty"),
            ("[1]", "1:1", "a stub file must be a map"),
            ("stub: {}", "1:1", "no 'stub'; there are strict, stubs"),
            ("strict: yes", "1:9", "strict must be true or false"),
            ("stubs: [1]", "1:8", "stubs must be a map"),
            ("stubs:\n  a.b: 1", "2:8", "the answer for a.b must be a map"),
            ("stubs:\n  a.b: {returns: 1}", "2:3", "'a.b' is no connector such as"),
            ("stubs:\n  sys.now: {returns: 1}", "2:3", "is no connector such as"),
            ("stubs:\n  googleapis.a*b: {returns: 1}", "2:3", "is no connector such as"),
            ("stubs:\n  googleapis.a: []", "2:17", "no answer for googleapis.a"),
            ("stubs:\n  googleapis.a: {}", "2:17", "either 'returns' or 'raises'"),
            ("stubs:\n  googleapis.a: {raises: 1}", "2:26", "a string or a map, not integer"),
            ("stubs:\n  googleapis.a: {status: 1}", "2:18", "no 'status'"),
            (
                "stubs:\n  googleapis.a:\n    - returns: 1\n    - returns: 2",
                "4:7",
                "never used",
            ),
            (
                "stubs:\n  googleapis.a: {replies: [], when: {}}",
                "2:27",
                "a list of one answer or more",
            ),
            (
                "stubs:\n  googleapis.a:\n    replies: [{returns: 1}]\n    after: 1",
                "4:12",
                "after belongs into one of the replies",
            ),
            (
                "stubs:\n  googleapis.a: {returns: 1, when: 5}",
                "2:36",
                "when must be a map",
            ),
            (
                "stubs:\n  googleapis.a: {returns: 1, after: x}",
                "2:37",
                "after must be seconds, not string",
            ),
            ("stubs:\n  googleapis.a: {returns: 1, after: -1}", "2:17", "from 0 to 31536000"),
            ("stubs:\n  GTE https://a/: {status: 200}", "2:3", "'GTE' is no method"),
            ("stubs:\n  ftp://a/: {status: 200}", "2:3", "'ftp://a/' is no URL"),
            ("stubs:\n  https://a/: {}", "2:15", "one or more of status"),
            ("stubs:\n  https://a/: {status: '200'}", "2:24", "an integer, not string"),
            ("stubs:\n  https://a/: {status: 199}", "2:15", "from 200 to 599"),
            ("stubs:\n  https://a/: {json: 1, text: a}", "2:31", "one body: json or text"),
            ("stubs:\n  https://a/: {text: 1}", "2:22", "text must be a string"),
            ("stubs:\n  https://a/: {base64: a}", "2:24", "no base64"),
            ("stubs:\n  https://a/: {headers: 1}", "2:25", "headers must be a map"),
            ("stubs:\n  https://a/: {raises: KeyError}", "2:24", "by its 'status'"),
            ("stubs:\n  https://a/: {raises: AuthError, status: 1}", "2:15", "either 'raises'"),
            (
                "stubs:\n  https://a/: {status: 200, when: {path: x}}",
                "2:3",
                "'path' is none of auth, body, headers, query",
            ),
            (
                "stubs:\n  https://a/: {status: 200, when: {query: x}}",
                "2:3",
                "headers and query are maps",
            ),
            ("stubs:\n  https://a/: {status: 200\n", "3:1", ""),
        ],
    )
    def test_a_mistake_is_told_with_its_place(self, text, place, said):
        with pytest.raises(UnusableStubs) as told:
            read(text, "s.yaml")

        assert str(told.value).startswith(f"s.yaml:{place}: ")
        assert said in str(told.value)

    def test_a_text_in_base64_is_bytes(self):
        (stub,) = read("stubs:\n  https://a/: {base64: 5A==}").stubs

        assert stub.answers[0].reply.value["body"] == b"\xe4"

    @pytest.mark.parametrize("text", [None, "stubs:\n  nothing: {}\n", "\xff"])
    def test_the_emulator_does_not_start_with_one_that_is_wrong(self, tmp_path, text):
        path = tmp_path / "stubs.yaml"
        if text is not None:
            path.write_bytes(text.encode("latin-1"))

        process = EmulatorProcess(tmp_path / "d", options=["--stubs", str(path)])
        with pytest.raises(AssertionError, match=r"stubs\.yaml") as told:
            process.start()

        assert "Traceback" not in str(told.value)

    @given(st.data())
    @settings(max_examples=300, deadline=None, database=None, derandomize=True)
    def test_whatever_is_written_it_is_read_or_refused_with_a_place(self, data):
        start = data.draw(st.integers(0, len(WHOLE)))
        end = data.draw(st.integers(start, min(start + 12, len(WHOLE))))
        put = data.draw(st.text("{}[]:,*&!|>'\"#-\n @ax1\u00e4\x00", max_size=6))

        told = mistake(WHOLE[:start] + put + WHOLE[end:])

        assert re.fullmatch(r"(s:\d+:\d+: .+)?", told, re.DOTALL)


def mistake(text: str) -> str:
    """What is wrong with a stub file; nothing is an empty text."""
    try:
        read(text, "s")
    except UnusableStubs as told:
        return str(told)
    return ""


class TestOverHttp:
    def test_they_are_added_shown_and_forgotten(self, tmp_path):
        with EmulatorProcess(tmp_path / "d") as process:
            url = f"{process.url}/emulator/stubs"
            process.deploy(
                "asks", calls(connector(OBJECT, object="a"), connector("googleapis.none"))
            )
            added = requests.post(url, data=f"stubs: {{{OBJECT}: {{returns: 5}}}}", timeout=5)
            execution = process.execute("asks")
            first = execution.result()
            journal = requests.get(
                f"{process.url}/emulator/executions/{execution.id}/journal", timeout=5
            ).json()["calls"]
            shown = requests.get(url, timeout=5).json()
            cleared = requests.delete(url, timeout=5).json()
            second = process.execute("asks").result()

        assert added.json()["stubs"] == [{"call": OBJECT, "answers": 1, "used": 0}]
        assert first[0] == 5
        assert (journal[0]["function"], journal[0]["args"]) == (OBJECT, {"object": "a"})
        assert journal[0]["returned"] == 5
        assert shown["stubs"][0]["used"] == 1
        assert shown["missed"] == ["googleapis.none"]
        assert cleared == {"strict": False, "stubs": [], "missed": []}
        assert second[0]["tags"] == ["SystemError"]

    def test_conditions_are_shown_bytes_included(self, tmp_path):
        async def shown() -> Any:
            async with emulator(tmp_path) as services:
                services.stubs.add(Stub("googleapis.a", returns(1), when={"a": [b"b", {"c": 1}]}))
                url = f"{services.settings.base_url}/emulator/stubs"
                async with aiohttp.ClientSession() as session, session.get(url) as answer:
                    return await answer.json()

        (stub,) = asyncio.run(shown())["stubs"]

        assert stub["when"] == {"a": [{"$bytes": "Yg=="}, {"c": 1}]}

    def test_a_mistake_is_a_400_that_says_where(self, tmp_path):
        with EmulatorProcess(tmp_path / "d") as process:
            url = f"{process.url}/emulator/stubs"
            refused = requests.post(url, json={"strict": 1}, timeout=5)
            bytes_ = requests.post(url, data=b"\xff", timeout=5)

        assert refused.status_code == 400
        assert refused.json()["error"]["message"] == "body:1:12: strict must be true or false"
        assert bytes_.status_code == 400
