"""The workflows of Google's documents, unchanged, to the second."""

from datetime import timedelta

import pytest

from emulator.testing import StillWaiting
from tests.pages import ROOT


@pytest.fixture(autouse=True)
def deployed(workflows):
    workflows.deploy(ROOT / "tests" / "emulator" / "seed")


class TestExpenseCallback:
    def test_it_waits_a_day_for_a_post_and_returns_it(self, workflows):
        run = workflows.start("expense-callback", {"amount": 12})
        callback = run.callback()
        workflows.advance(hours=23, minutes=59)

        assert callback.get().status == 405
        assert callback.post(json={"approved": True}, query={"by": "ana"}).status == 200

        request = run.result()
        assert (request["method"], request["body"]) == ("POST", {"approved": True})
        assert request["query"] == {"by": "ana"}
        assert callback.url.endswith(request["url"])
        assert any(callback.url in line.text for line in run.log)

    def test_it_gives_up_after_a_day(self, workflows):
        run = workflows.start("expense-callback", {})
        workflows.advance(seconds=86_399)
        with pytest.raises(StillWaiting, match="1 seconds more"):
            run.result()

        workflows.advance(seconds=1)

        assert run.error()["tags"] == ["TimeoutError"]


class TestBasicGet:
    def test_a_get_wakes_it(self, workflows):
        run = workflows.start("basic-get")

        assert run.callback().post(json={}).status == 405
        assert run.callback().get(token="").status == 401
        assert run.callback().get().status == 200

        request = run.result()
        assert (request["method"], request["body"]) == ("GET", None)

    def test_it_waits_an_hour(self, workflows):
        run = workflows.start("basic-get")
        workflows.advance(seconds=3599)
        assert run.state == "ACTIVE"

        workflows.advance(seconds=1)

        assert run.error()["tags"] == ["TimeoutError"]


class TestCatchTimeout:
    def test_a_timeout_is_logged_and_fails_nothing(self, workflows):
        run = workflows.start("catch-timeout")

        workflows.advance(hours=1)

        assert run.result() is None
        (line,) = [line for line in run.log if line.severity == "ERROR"]
        assert "Received error TimeoutError" in line.text

    def test_an_answer_is_no_error(self, workflows):
        run = workflows.start("catch-timeout")

        run.callback("GET").get()

        assert run.result() is None
        assert "ERROR" not in {line.severity for line in run.log}


class TestRetryWait:
    def test_it_waits_five_times_more_and_then_fails(self, workflows):
        run = workflows.start("retry-wait")
        before = workflows.now
        # Six waits of a minute, and between them 1, 2, 4, 8 and 10 seconds.
        workflows.advance(seconds=6 * 60 + 25 - 1)
        assert run.state == "ACTIVE"

        workflows.advance(seconds=1)

        assert run.error()["tags"] == ["TimeoutError"]
        assert workflows.now - before == timedelta(minutes=6, seconds=25)
        # The predicate is asked before each retry, and not once the retries are used up.
        assert len([line for line in run.log if line.severity == "WARNING"]) == 5

    def test_it_takes_an_answer_to_a_later_wait(self, workflows):
        run = workflows.start("retry-wait")
        workflows.advance(minutes=3)

        run.callback().get()

        assert run.result() is None
        assert len([line for line in run.log if line.severity == "WARNING"]) == 2


class TestParallelCallbacks:
    def test_it_takes_ten_in_the_order_of_the_awaits(self, workflows):
        run = workflows.start("parallel-callbacks")
        callback = run.callback()

        for number in range(10):
            assert callback.waiters == 10 - number
            assert callback.post(json={"number": number}).status == 200

        assert run.result() is None
        assert callback.post(json={"number": 10}).status == 404
