"""`kill -9` while executions wait, and start again: nothing is lost, nothing is done twice."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.emulators import EmulatorProcess, eventually

WAIT = """
main:
  params: [input]
  steps:
    - create: {call: events.create_callback_endpoint, result: callback}
    - before: {call: sys.log, args: {text: '${"before " + callback.url}'}}
    - identify:
        assign: [{id: "${uuid.generate()}"}, {at: "${sys.now()}"}]
    - tell:
        call: http.post
        args: {url: "${input.url}", body: {id: "${id}", at: "${at}"}}
    - wait:
        call: events.await_callback
        args: {callback: "${callback}", timeout: 3600}
        result: request
    - done:
        return: {id: "${id}", at: "${at}", body: "${request.http_request.body}"}
"""


class Stub(ThreadingHTTPServer):
    """Records what it is sent; holds its answers back while `answering` is not set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[object] = []
        self.answering = threading.Event()
        self.answering.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, *_: object) -> None:
        """The emulator is killed while it waits for an answer: that is the test."""


class _Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.received.append(json.loads(self.rfile.read(length)))
        self.server.answering.wait(10)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.answering.set()
    server.shutdown()
    thread.join()
    server.server_close()


def kill_and_start(emulator: EmulatorProcess) -> None:
    emulator.kill()
    emulator.restart()


def test_a_callback_works_after_kill_9_and_effects_are_not_repeated(start_emulator, stub):
    emulator = start_emulator()
    emulator.deploy("wait", WAIT)
    execution = emulator.execute("wait", {"url": stub.url})
    url = execution.callback_url()

    kill_and_start(emulator)

    assert execution.read()["state"] == "ACTIVE"
    assert execution.send("yes", url=url).status_code == 200
    result = execution.result()
    assert [result["id"], result["at"]] == [stub.received[0]["id"], stub.received[0]["at"]]
    assert result["body"] == "yes"
    assert len(stub.received) == 1
    assert len(emulator.logged("before http")) == 1


def test_a_callback_that_was_answered_200_is_not_lost(start_emulator):
    emulator = start_emulator()
    emulator.deploy(
        "two",
        """
        - create: {call: events.create_callback_endpoint, result: callback}
        - one: {call: events.await_callback, args: {callback: "${callback}"}, result: first}
        - pause: {call: sys.sleep, args: {seconds: 1}}
        - two: {call: events.await_callback, args: {callback: "${callback}"}, result: second}
        - done: {return: ["${first.http_request.body}", "${second.http_request.body}"]}
        """,
    )
    execution = emulator.execute("two")
    url = execution.callback_url()

    assert execution.send("one", url=url).status_code == 200
    emulator.kill()
    emulator.restart()
    assert execution.send("two", url=url).status_code == 200
    emulator.kill()
    emulator.restart()

    assert execution.result() == ["one", "two"]


def test_a_timeout_falls_at_its_original_time(start_emulator):
    emulator = start_emulator()
    emulator.deploy("sleep", "- nap: {call: sys.sleep, args: {seconds: 3}}\n- done: {return: 1}\n")
    began = time.monotonic()
    execution = emulator.execute("sleep")
    eventually(lambda: execution.read().get("status"))

    emulator.kill()
    time.sleep(1.5)
    emulator.restart()
    ready = time.monotonic()

    assert execution.result() == 1
    assert time.monotonic() - began > 2.9
    assert time.monotonic() - ready < 2.9


def test_a_timeout_that_passed_while_it_was_down_falls_at_the_start(start_emulator):
    emulator = start_emulator(time_scale=3600)
    emulator.deploy(
        "wait",
        """
        - create: {call: events.create_callback_endpoint, result: callback}
        - say: {call: sys.log, args: {text: "${callback.url}"}}
        - wait: {call: events.await_callback, args: {callback: "${callback}", timeout: 7200}}
        """,
    )
    execution = emulator.execute("wait")
    url = execution.callback_url()

    emulator.kill()
    time.sleep(2.1)
    emulator.restart()

    assert execution.error()["tags"] == ["TimeoutError"]
    assert execution.send({}, url=url).status_code == 404


def test_a_call_under_way_is_made_again(start_emulator, stub):
    emulator = start_emulator()
    emulator.deploy("wait", WAIT)
    stub.answering.clear()
    execution = emulator.execute("wait", {"url": stub.url})
    eventually(lambda: stub.received, "the first call")

    emulator.kill()
    stub.answering.set()
    emulator.restart()
    execution.send("yes")

    assert execution.result()["body"] == "yes"
    first, again = stub.received
    assert first == again


def test_parallel_waits_keep_their_order(start_emulator):
    emulator = start_emulator()
    emulator.deploy(
        "ordered",
        """
        - create: {call: events.create_callback_endpoint, result: callback}
        - prepare: {assign: [{taken: []}]}
        - all:
            parallel:
              shared: [taken]
              for:
                range: [1, 6]
                value: number
                steps:
                  - stagger: {call: sys.sleep, args: {seconds: "${(7 - number) / 20}"}}
                  - wait:
                      call: events.await_callback
                      args: {callback: "${callback}"}
                      result: request
                  - keep:
                      assign:
                        - taken: ${list.concat(taken, [number, request.http_request.body])}
        - done: {return: "${taken}"}
        """,
    )
    execution = emulator.execute("ordered")
    url = execution.callback_url(waiters=6)

    for number in range(6):
        if number == 3:
            kill_and_start(emulator)
        assert execution.send(number, url=url).status_code == 200

    assert execution.result() == [[6 - number, number] for number in range(6)]


def test_a_child_execution_reports_to_its_parent_after_a_restart(start_emulator):
    emulator = start_emulator()
    emulator.deploy(
        "child",
        "main:\n  params: [n]\n  steps:\n    - nap: {call: sys.sleep, args: {seconds: 1}}\n"
        '    - done: {return: "${n * 2}"}\n',
    )
    emulator.deploy(
        "parent",
        """
        - call_child:
            call: googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run
            args: {workflow_id: child, argument: 21}
            result: answer
        - done: {return: "${answer}"}
        """,
    )
    execution = emulator.execute("parent")
    eventually(lambda: emulator.logged("workflow=child"), "the child")

    kill_and_start(emulator)

    assert execution.result() == 42


def test_tokens_certificates_and_definitions_survive(start_emulator):
    emulator = start_emulator()
    emulator.deploy("kept", "- done: {return: 1}\n")
    over = emulator.execute("kept")
    before = over.wait()
    token = emulator.token()

    kill_and_start(emulator)

    assert emulator.request("GET", over.name, token=token).json() == before
    assert emulator.execute("kept").result() == 1


def test_killing_at_any_moment_loses_no_execution(start_emulator, stub):
    emulator = start_emulator()
    emulator.deploy("wait", WAIT)
    executions = []
    for number in range(4):
        executions.append(emulator.execute("wait", {"url": stub.url}))
        time.sleep(number * 0.005)
        kill_and_start(emulator)
    for number, execution in enumerate(executions):
        execution.send(number, url=execution.callback_url())

    results = [execution.result() for execution in executions]

    assert [result["body"] for result in results] == list(range(4))
    told = {received["id"] for received in stub.received}
    assert {result["id"] for result in results} <= told
