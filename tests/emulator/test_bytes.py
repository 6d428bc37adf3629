"""Bytes where only JSON fits: an error that can be caught, and never a broken execution."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.emulator.engines import RUN, emulator, outcome, run, site, start


class TestInErrors:
    def test_an_uncaught_http_error_with_a_binary_body_is_shown(self, tmp_path: Path):
        async def scenario() -> Any:
            async with emulator(tmp_path) as services:

                async def refuse(_: web.Request) -> web.Response:
                    return web.Response(status=500, body=b"\0\1", content_type="image/png")

                async with site(refuse) as there:
                    source = f"- ask: {{call: http.get, args: {{url: '{there.url}'}}}}\n"
                    return await outcome(services, start(services, source))

        error = asyncio.run(scenario())

        assert error["tags"] == ["HttpError"]
        assert (error["code"], error["body"]) == (500, "(2 bytes)")

    def test_a_raised_map_with_bytes_is_shown(self, tmp_path: Path):
        source = "- fail: {raise: {a: ['${text.encode(\"abc\")}'], code: 7}}\n"

        assert asyncio.run(run(tmp_path, source)) == {"a": ["(3 bytes)"], "code": 7}


class TestInArguments:
    @pytest.mark.parametrize(
        "call",
        [
            "sys.log, args: {json: {data: '${raw}'}}",
            "sys.log, args: {data: '${raw}'}",
            "sys.log, args: {text: ['${raw}']}",
            f"{RUN}, args: {{workflow_id: test, argument: {{data: '${{raw}}'}}}}",
        ],
    )
    def test_it_is_an_error_that_can_be_caught(self, tmp_path: Path, call: str):
        source = f"""
        - init: {{assign: [{{raw: '${{text.encode("abc")}}'}}]}}
        - try:
            try: {{call: {call}}}
            except: {{as: e, steps: [{{give: {{return: "${{e.tags}}"}}}}]}}
        """
        assert asyncio.run(run(tmp_path, source)) == ["TypeError"]
