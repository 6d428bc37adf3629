"""Where HTTP calls go: origins that are mapped to others, and hosts that may be called."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from google.auth import jwt
from yarl import URL

from emulator.addresses import target
from emulator.errors import WorkflowError
from emulator.server import serving
from emulator.settings import Settings
from emulator.world.hosts import leads_somewhere, own_address, reached
from tests.emulator.calling import calls, get
from tests.emulator.engines import emulator, outcome, site, start

ORDERS = "https://orders.example"


def settings(hosts: dict[str, str] | None = None, *allowed: str, **more: Any) -> Settings:
    base = {"base_url": "http://127.0.0.1:8787", **more}
    return Settings(hosts=hosts or {}, allowed_hosts=frozenset(allowed), **base)


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


class TestReached:
    @pytest.mark.parametrize(
        ("url", "called"),
        [
            ("https://orders.example/a%2Fb?c=d+e%2F", "http://127.0.0.1:9001/a%2Fb?c=d+e%2F"),
            ("https://ORDERS.example:443/", "http://127.0.0.1:9001/"),
            ("http://orders.example/", "http://orders.example/"),
            ("https://orders.example:8443/", "https://orders.example:8443/"),
            ("https://x.orders.example/", "https://x.orders.example/"),
            ("http://plain.example:80/x", "https://[::1]/x"),
        ],
    )
    def test_a_mapped_origin_is_called_in_place_of_the_written_one(self, url, called):
        hosts = {ORDERS: "http://127.0.0.1:9001", "http://plain.example": "https://[::1]"}
        address, _ = target(url)

        assert str(reached(address, settings(hosts)).address) == called

    @pytest.mark.parametrize(
        ("url", "allowed"),
        [
            ("https://a.example/", True),
            ("http://A.example:8080/", True),
            ("https://x.a.example/", False),
            ("https://b.example:8443/", True),
            ("https://b.example/", False),
            ("https://c.c.example/", True),
            ("https://d.c.c.example/", True),
            ("https://c.example/", False),
            ("https://evil-a.example/", False),
            ("http://127.0.0.1:8787/v1/x", True),
            ("http://127.0.0.1:8788/", False),
            ("https://emulator.example/v1/x", True),
            ("https://orders.example/", True),
            ("http://10.0.0.1:1/", True),
            ("http://10.0.0.1:2/", False),
        ],
    )
    def test_with_a_list_hosts_that_are_not_on_it_are_refused(self, url, allowed):
        told = settings(
            {ORDERS: "http://10.0.0.1:1"},
            *("a.example", "b.example:8443", "*.c.example"),
            base_url="https://emulator.example/below",
        )
        if allowed:
            assert reached(URL(url), told).address.path == URL(url).path
            return
        with pytest.raises(WorkflowError) as refused:
            reached(URL(url), told)
        value = refused.value.value
        assert isinstance(value, dict)
        assert value["tags"] == ["ConnectionFailedError"]
        assert f"--allow-host {URL(url).host}" in value["message"]

    @pytest.mark.parametrize(
        ("host", "own"),
        [("0.0.0.0", "http://127.0.0.1:5"), ("::", "http://[::1]:5"), ("::1", "http://[::1]:5")],
    )
    def test_its_own_address_is_one_that_can_be_called(self, host, own):
        told = settings(host=host, port=5)

        assert str(own_address(told)) == own
        assert leads_somewhere(URL(f"{own}/v1/x"), told)


class TestCall:
    def test_a_server_in_place_of_another_is_told_whom_the_call_is_for(self, tmp_path: Path):
        async def scenario() -> Any:
            async with site(_ok) as server, emulator(tmp_path, hosts={ORDERS: server.url}) as it:
                url = f"{ORDERS}/a%2Fb?c=d"
                steps = (get(url, auth={"type": "OIDC"}), get(url, headers={"host": "own.example"}))
                given = await outcome(it, start(it, calls(*steps)))
                first, second = server.received
                token = first["headers"]["Authorization"].removeprefix("Bearer ")
                claims = jwt.decode(token, certs=it.issuer.certificates())
                return given, first, second, claims["aud"]

        given, first, second, audience = asyncio.run(scenario())

        assert [answer["code"] for answer in given] == [200, 200]
        assert first["url"] == "/a%2Fb?c=d"
        assert first["headers"]["Host"] == "orders.example"
        assert second["headers"]["Host"] == "own.example"
        assert audience == f"{ORDERS}/a%2Fb?c=d"

    def test_googles_name_can_be_given_to_the_emulator(self, tmp_path: Path):
        google = "https://workflowexecutions.googleapis.com"

        async def scenario() -> Any:
            port = free_port()
            settings = Settings(
                port=port,
                data=tmp_path / "d",
                hosts={google: f"http://127.0.0.1:{port}"},
            )
            async with serving(settings) as services:
                name = "projects/countersign-demo/locations/us-central1/workflows/test/executions"
                step = get(f"{google}/v1/{name}", auth={"type": "OAuth2"})
                return await outcome(services, start(services, calls(step)))

        (given,) = asyncio.run(scenario())

        assert len(given["body"]["executions"]) == 1

    def test_redirects_go_through_the_map_and_keep_what_was_written(self, tmp_path: Path):
        async def moved(request: web.Request) -> web.StreamResponse:
            if request.path == "/old":
                raise web.HTTPTemporaryRedirect("/new")
            if request.path == "/new":
                raise web.HTTPFound("https://users.example/there")
            return web.json_response(request.headers["Host"])

        async def scenario() -> Any:
            async with site(moved) as server:
                hosts = {ORDERS: server.url, "https://users.example": server.url}
                async with emulator(tmp_path, hosts=hosts, allowed_hosts={"none"}) as services:
                    step = get(f"{ORDERS}/old", headers={"Authorization": "Bearer x"})
                    given = await outcome(services, start(services, calls(step)))
                    return given, server.received

        (given,), received = asyncio.run(scenario())

        assert given["body"] == "users.example"
        hosts = [request["headers"]["Host"] for request in received]
        assert hosts == ["orders.example", "orders.example", "users.example"]
        tokens = ["Authorization" in request["headers"] for request in received]
        assert tokens == [True, True, False]

    def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed(self, tmp_path: Path):
        async def away(request: web.Request) -> web.StreamResponse:
            port = request.url.port
            raise web.HTTPFound(f"http://localhost:{port}/secret")

        async def scenario() -> Any:
            allowed = {"127.0.0.1"}
            async with site(away) as server, emulator(tmp_path, allowed_hosts=allowed) as it:
                given = await outcome(it, start(it, calls(get(server.url))))
                return given, len(server.received)

        (error,), received = asyncio.run(scenario())

        assert error["tags"] == ["ConnectionFailedError"]
        assert "--allow-host localhost" in error["message"]
        assert received == 1
