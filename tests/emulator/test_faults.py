"""Faults that tests order: which requests they are for, how often, and over which API."""

from typing import Any

import pytest
import requests

from emulator.faults import Asked, Fault, Faults, Kind
from tests.emulator.scenes import Scene, played

CALLBACK = Asked("POST", "/v1/projects/p/w/executions/e/callbacks/c", "w", "e", "c")


class TestFits:
    @pytest.mark.parametrize(
        "wanted",
        [
            {},
            {"callback": "c"},
            {"execution": "e"},
            {"workflow": "w", "method": "POST"},
            {"path": "/v1/"},
            {"path": "/v1/*/callbacks/?"},
            {"path": "*/e/*"},
            {"callback": "c", "execution": "e", "workflow": "w", "method": "POST", "path": "/"},
        ],
    )
    def test_a_request_that_is_all_that_is_given(self, wanted):
        assert Fault(Kind.RESET, **wanted).fits(CALLBACK)

    @pytest.mark.parametrize(
        "wanted",
        [
            {"callback": "d"},
            {"execution": "E"},
            {"workflow": "w", "method": "GET"},
            {"path": "/v2/"},
            {"path": "/v1/*/callbacks"},
            {"path": "v1"},
            {"callback": "c", "execution": "other"},
        ],
    )
    def test_no_other(self, wanted):
        assert not Fault(Kind.RESET, **wanted).fits(CALLBACK)


class TestTimes:
    def names(self, faults: Faults, asked: int) -> list[str | None]:
        played = [faults.play(CALLBACK) for _ in range(asked)]
        return [None if one is None else one.name for one in played]

    def test_once_unless_told_otherwise(self):
        faults = Faults()
        faults.add(Fault(Kind.RESET))

        assert self.names(faults, 3) == ["reset", None, None]

    def test_so_often_and_the_next_in_line_follows(self):
        faults = Faults()
        faults.add(Fault(Kind.RESET, times=2, stored=True))
        faults.add(Fault(Kind.CUT))

        assert self.names(faults, 4) == ["reset, stored", "reset, stored", "cut", None]

    def test_without_end_until_it_is_removed(self):
        faults = Faults()
        order = faults.add(Fault(Kind.STALL, times=0))

        assert self.names(faults, 50) == ["stall"] * 50
        assert faults.remove(order.id)
        assert not faults.remove(order.id)
        assert faults.play(CALLBACK) is None

    def test_a_list_of_statuses_is_gone_through_so_often(self):
        faults = Faults()
        faults.add(Fault(Kind.STATUS, statuses=(503, 429), times=2))

        assert self.names(faults, 5) == ["status 503", "status 429"] * 2 + [None]

    def test_other_requests_do_not_count(self):
        faults = Faults()
        order = faults.add(Fault(Kind.RESET, method="GET"))

        assert faults.play(CALLBACK) is None
        assert order.played == 0


class TestApi:
    def test_they_are_listed_with_how_often_they_were_played(self, tmp_path):
        async def scenario(it: Scene) -> Any:
            first = await it.order(
                kind="status", statuses=[503, 500], method="post", retryAfter="9"
            )
            second = await it.order(kind="reset", times=3, workflow="other", stored=True)
            await it.send()
            listed = await self.listed(it)
            for order in (first["id"], second["id"]):
                async with it.client.delete(f"{it.base}/emulator/faults/{order}") as answer:
                    assert answer.status == 200
            assert await self.listed(it) == []
            return listed

        assert played(tmp_path, scenario) == [
            {
                "id": "1",
                "kind": "status",
                "method": "POST",
                "times": 1,
                "statuses": [503, 500],
                "retryAfter": "9",
                "played": 1,
            },
            {
                "id": "2",
                "kind": "reset",
                "workflow": "other",
                "times": 3,
                "stored": True,
                "played": 0,
            },
        ]

    def test_all_can_be_removed_at_once(self, tmp_path):
        async def scenario(it: Scene) -> Any:
            for _ in range(3):
                await it.order(kind="reset", times=0)
            async with it.client.delete(f"{it.base}/emulator/faults") as answer:
                assert answer.status == 200
            async with it.client.delete(f"{it.base}/emulator/faults/1") as answer:
                assert (await answer.json())["error"]["status"] == "NOT_FOUND"
            assert await it.send() == (200, {})
            return await self.listed(it)

        assert played(tmp_path, scenario) == []

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            ({}, "kind must be one of delay, reset"),
            ({"kind": "explode"}, "kind must be one of"),
            ({"kind": ["reset"]}, "kind must be one of"),
            ({"kind": "reset", "colour": "red"}, "colour is no field of a fault"),
            ({"kind": "reset", "retry_after": "5"}, "retry_after is no field"),
            ({"kind": "delay"}, "needs seconds"),
            ({"kind": "delay", "seconds": -1}, "seconds must be from 0 to 3600"),
            ({"kind": "delay", "seconds": "1"}, "seconds must be a number"),
            ({"kind": "delay", "seconds": True}, "seconds must be a number"),
            ({"kind": "delay", "seconds": 10**400}, "seconds must be from 0 to 3600"),
            ({"kind": "slow"}, "needs seconds"),
            ({"kind": "slow", "seconds": 1, "stored": True}, "stored is not for a fault"),
            ({"kind": "status"}, "needs statuses"),
            ({"kind": "status", "statuses": []}, "needs statuses"),
            ({"kind": "status", "statuses": [200]}, "from 400 to 599"),
            ({"kind": "status", "statuses": [503.0]}, "whole numbers"),
            ({"kind": "status", "statuses": [500] * 101}, "more than 100"),
            ({"kind": "status", "statuses": [503], "retryAfter": "a\r\nb: c"}, "retryAfter"),
            ({"kind": "reset", "statuses": [503]}, "statuses is not for a fault of the kind reset"),
            ({"kind": "reset", "seconds": 5}, "seconds is not for"),
            ({"kind": "reset", "body": "x"}, "body is not for"),
            ({"kind": "reset", "times": -1}, "times must not be negative"),
            ({"kind": "reset", "times": 1.5}, "times must be a whole number"),
            ({"kind": "reset", "times": 2**40}, "times must be a whole number"),
            ({"kind": "reset", "stored": "yes"}, "stored must be true or false"),
            ({"kind": "reset", "callback": ""}, "callback must be a text"),
            ({"kind": "reset", "path": 5}, "path must be a text"),
            ({"kind": "reset", "method": "GET /"}, "method must be the name of one"),
            ({"kind": "wrong-body", "body": "x" * 70000}, "body must not be larger"),
        ],
    )
    def test_a_wrong_order_is_refused_and_says_why(self, tmp_path, fault, told):
        async def scenario(it: Scene) -> tuple[int, Any]:
            async with it.client.post(f"{it.base}/emulator/faults", json=fault) as answer:
                error = (await answer.json())["error"]
            assert await self.listed(it) == []
            return answer.status, error

        status, error = played(tmp_path, scenario)

        assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
        assert told in error["message"]

    def test_they_are_for_this_machine_alone(self, start_emulator):
        emulator = start_emulator(options=["--allow-remote"])

        answer = requests.post(
            f"{emulator.url}/emulator/faults",
            json={"kind": "reset"},
            headers={"Host": "evil.test"},
            timeout=10,
        )

        assert answer.json()["error"]["status"] == "PERMISSION_DENIED"

    def test_a_restart_forgets_them(self, start_emulator):
        emulator = start_emulator()
        faults = f"{emulator.url}/emulator/faults"
        assert requests.post(faults, json={"kind": "reset", "times": 0}, timeout=10).ok

        emulator.kill()
        emulator.restart()

        assert requests.get(faults, timeout=10).json() == {"faults": []}

    async def listed(self, it: Scene) -> Any:
        async with it.client.get(f"{it.base}/emulator/faults") as answer:
            return (await answer.json())["faults"]
