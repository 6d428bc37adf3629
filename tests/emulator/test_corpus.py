"""Workflows that Google publishes, with the outcomes they must have; see corpus/README.md."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.corpus_cases import (
    CORPUS,
    Case,
    corpus_cases,
    deployed_first,
    differences,
    files,
    request_differences,
    shown_differences,
    source,
    variables,
)
from tests.emulator.stub import StubServer
from tests.emulators import EmulatorProcess, Execution

SCALE = 100


def runs() -> Iterator[Any]:
    """Every case with each of its files."""
    for case in corpus_cases():
        for file in files(case):
            yield pytest.param(case, file, id=f"{case['id']}-{Path(file).suffix[1:]}")


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    data = tmp_path_factory.mktemp("corpus") / "data.sqlite3"
    with EmulatorProcess(data, time_scale=SCALE) as running:
        yield running


@pytest.fixture(scope="module")
def stub() -> Iterator[StubServer]:
    with StubServer() as running:
        yield running


@pytest.mark.parametrize(("case", "file"), list(runs()))
def test_a_published_workflow_does_what_it_must(emulator, stub, case, file):
    stub.script(case.get("stubs", ()))
    for workflow, first in deployed_first(case):
        emulator.deploy(workflow, source(case, first, stub.url))
    emulator.deploy("corpus", source(case, file, stub.url), variables(case))
    if case["expect"].get("deploys"):
        return
    execution = emulator.execute("corpus", case["argument"])
    shown = play(execution, case)

    found = [*shown_differences(shown, case["expect"]), *request_differences(stub.received, case)]
    if found:
        asked = [f"{request.method} {request.url}" for request in stub.received]
        pytest.fail("\n".join([f"{case['id']} ({file})", *found, "it asked for:", *asked]))
    assert seconds(shown) >= case.get("min_seconds", 0) / SCALE


def play(execution: Execution, case: Case) -> Case:
    """Send what the case sends; the execution when it is over."""
    requests = case.get("callback", {}).get("send", ())
    url = execution.callback_url() if requests else None
    for request in requests:
        if request.get("after_end"):
            execution.wait()
        else:
            url = execution.callback_url()
        answer = execution.send(
            request.get("json"), url=url, method=request["method"], params=request.get("query")
        )
        assert request.get("expect_status", answer.status_code) == answer.status_code
        assert request.get("expect_status_not") != answer.status_code
    return execution.wait()


def seconds(shown: Case) -> float:
    """How long an execution took."""
    began, ended = (datetime.fromisoformat(shown[key]) for key in ("startTime", "endTime"))
    return (ended - began).total_seconds()


def test_the_corpus_is_complete():
    listed = corpus_cases()

    assert listed
    assert all((CORPUS / file).is_file() for case in listed for file in files(case))


class TestDifferences:
    @pytest.mark.parametrize(
        ("found", "wanted"),
        [
            ({"a": 1, "b": 2}, {"a": 1.0}),
            ({"n": [1, 2]}, {"n": {"$len": 2}}),
            ({"url": "/v1/x"}, {"url": {"$regex": "^/v1"}}),
            ({"m": {}}, {"m": {"$type": "map"}}),
            ({"tags": ["b", "a"]}, {"tags": ["a"]}),
        ],
    )
    def test_there_are_none_where_a_subset_fits(self, found, wanted):
        assert list(differences(found, wanted, "result")) == []

    @pytest.mark.parametrize(
        ("found", "wanted", "told"),
        [
            ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "result.a.b[1]: expected 3, found 2"),
            ({"a": 1}, {"b": 1}, "result.b: expected 1, found nothing"),
            ([1], [1, 2], "result: expected [1, 2], found [1]"),
            (True, 1, "result: expected 1, found true"),
            ({"n": [1]}, {"n": {"$len": 2}}, 'result.n: expected {"$len": 2}, found [1]'),
            ({"tags": ["b"]}, {"tags": ["a"]}, 'result.tags: expected ["a"] among ["b"]'),
        ],
    )
    def test_each_is_a_line_with_the_way_to_it(self, found, wanted, told):
        assert list(differences(found, wanted, "result")) == [told]

    def test_the_whole_has_nothing_more(self):
        assert list(differences({"a": 1}, {}, "result", whole=True)) == [
            "result.a: expected nothing, found 1"
        ]
