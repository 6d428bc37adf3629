"""Workflows that Google publishes, with the outcomes they must have; see corpus/README.md."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.stub import Received, StubServer, url_fits
from tests.emulators import EmulatorProcess, Execution

CORPUS = Path(__file__).parent / "corpus"
CASES = json.loads((CORPUS / "expected.json").read_text())["cases"]

Case = dict[str, Any]


def runs() -> Iterator[Any]:
    """Every case with each of its files."""
    for case in CASES:
        for file in filter(None, (case["file"], case.get("json_twin"))):
            yield pytest.param(case, CORPUS / file, id=f"{case['id']}-{Path(file).suffix[1:]}")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    data = tmp_path_factory.mktemp("corpus") / "data.sqlite3"
    with EmulatorProcess(data, time_scale=100) as running:
        yield running


@pytest.fixture(scope="module")
def stub() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


@pytest.mark.parametrize(("case", "path"), list(runs()))
def test_a_published_workflow_does_what_it_must(emulator, stub, case, path):
    stub.script(case.get("stubs", ()))
    source = path.read_text()
    for scheme in ("https://", "http://"):
        source = source.replace(scheme, f"{stub.url}/".replace("http://", "\0"))
    emulator.deploy("corpus", source.replace("\0", "http://"))
    expect = case["expect"]
    if expect.get("deploys"):
        return
    execution = emulator.execute("corpus", case["argument"])
    for request in case.get("callback", {}).get("send", ()):
        send(execution, request)

    shown = execution.wait()

    assert shown["state"] == expect["state"], shown
    compare(shown, expect)
    compare_requests(stub.received, case)


def send(execution: Execution, request: Case) -> None:
    """One request to the callback of an execution."""
    answer = execution.send(
        request.get("json"), method=request["method"], params=request.get("query")
    )
    if "expect_status" in request:
        assert answer.status_code == request["expect_status"]
    if "expect_status_not" in request:
        assert answer.status_code != request["expect_status_not"]


def compare(shown: Case, expect: Case) -> None:
    """The outcome of an execution with what a case expects of it."""
    if "result" in expect:
        assert json.loads(shown["result"]) == expect["result"]
    if "result_subset" in expect:
        assert_subset(json.loads(shown["result"]), expect["result_subset"])
    if "error_payload" in expect:
        assert json.loads(shown["error"]["payload"]) == expect["error_payload"]
    if "error_payload_subset" in expect:
        assert_subset(json.loads(shown["error"]["payload"]), expect["error_payload_subset"])
    assert expect.get("error_context_contains", "") in shown.get("error", {}).get("context", "")


def assert_subset(found: Any, wanted: Any, key: str = "") -> None:
    """Every key that is wanted is there and fits; `$` keys are matchers, tags a set."""
    match wanted:
        case {"$len": length}:
            assert len(found) == length
        case {"$regex": pattern}:
            assert re.search(pattern, found)
        case {"$type": name}:
            assert isinstance(found, {"map": dict, "list": list, "string": str}[name])
        case dict():
            for name, value in wanted.items():
                assert name in found
                assert_subset(found[name], value, name)
        case list() if key == "tags":
            assert set(wanted) <= set(found)
        case list():
            assert len(found) == len(wanted)
            for one, other in zip(found, wanted, strict=True):
                assert_subset(one, other)
        case _:
            assert found == wanted


def compare_requests(received: list[Received], case: Case) -> None:
    """What the stub has seen with what a case expects, in order where that matters."""
    place = 0
    for wanted in case.get("requests", ()):
        fitting = [index for index, request in enumerate(received) if _fits(request, wanted)]
        if "count" in wanted:
            assert len(fitting) == wanted["count"], wanted
        else:
            assert fitting, wanted
        if fitting and not case.get("requests_any_order"):
            later = [index for index in fitting if index >= place]
            assert later, f"too early: {wanted}"
            place = later[0]


def _fits(request: Received, wanted: Case) -> bool:
    if request.method != wanted["method"] or not url_fits(wanted, request.url):
        return False
    query = {name: values[-1] for name, values in request.query.items()}
    if any(query.get(name) != str(value) for name, value in wanted.get("query", {}).items()):
        return False
    headers = {name.lower(): value for name, value in request.headers.items()}
    for name, pattern in wanted.get("headers", {}).items():
        if re.search(pattern, headers.get(name.lower(), "")) is None:
            return False
    if "json" in wanted and json.loads(request.body) != wanted["json"]:
        return False
    if "json_subset" in wanted:
        try:
            assert_subset(json.loads(request.body), wanted["json_subset"])
        except AssertionError:
            return False
    return True


def test_the_corpus_is_complete():
    assert len(CASES) == 49
    assert all((CORPUS / case["file"]).is_file() for case in CASES)
