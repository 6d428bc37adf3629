"""The root, which is the ping of metadata servers too, the health check, and the pages in `/ui`."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from emulator import console
from emulator.api.access import SERVICES
from emulator.api.metadata import FLAVOR
from emulator.catalog import Definition
from emulator.clock import parse_timestamp
from emulator.overview import Overview
from emulator.pages import STATIC, execution, page, plain, static
from emulator.pages.shown import pretty, text
from emulator.services import Services
from emulator.store import Execution, State

_ROWS = 50
"""Executions on a page."""

_PART = "{part:argument|result|error|call|log|request}"


def routes() -> list[web.RouteDef]:
    """`/`, `/healthz`, and what is for eyes."""
    get = partial(web.get, allow_head=True)
    return [
        get("/", index),
        get("/healthz", health),
        get("/ui/workflows/{workflow}", workflow),
        get("/ui/executions/{execution}", run),
        get("/ui/executions/{execution}/steps", steps),
        get(f"/ui/executions/{{execution}}/full/{_PART}", full),
        get(f"/ui/executions/{{execution}}/full/{_PART}/{{number:\\d{{1,9}}}}", full),
        get(f"/ui/{{file:{'|'.join(STATIC)}}}", file),
    ]


async def index(request: web.Request) -> web.Response:
    """What is deployed and what runs: a page for browsers, else a text.

    google-auth takes the answer as "here is a metadata server".
    """
    services = request.app[SERVICES]
    if "text/html" in request.headers.get("Accept", ""):
        answer = await _index(request, services)
    else:
        answer = web.Response(text=_listing(services))
    answer.headers["Vary"] = "Accept"
    answer.headers.update(FLAVOR)
    return answer


def _listing(services: Services) -> str:
    lines = ["Workflows emulator", f"project {services.settings.project}", "", "Workflows:"]
    lines += [
        f"  {definition.workflow} {definition.revision} updated {definition.updated}"
        for definition in services.catalog.all()
    ]
    return "\n".join(lines) + "\n"


async def _index(request: web.Request, services: Services) -> web.Response:
    overview = Overview(services.database, services.store)
    query = request.query
    name = query.get("workflow", "")
    state = query.get("state", "") if query.get("state") in set(State) else ""
    before = query.get("before", "")
    below = int(before) if before.isdecimal() and len(before) < 19 else None
    found = overview.newest(_ROWS + 1, workflow=name, state=state, before=below)
    filters = {"workflow": name, "state": state}
    more = ""
    if len(found) > _ROWS:
        more = "?" + urlencode({**filters, "before": found[_ROWS - 1].sequence})
    return await page(
        "index.html",
        settings=services.settings,
        time=services.settings.time.value,
        now=services.clock.now(),
        workflows=services.catalog.all(),
        amiss=dict(services.amiss),
        counts=overview.counts(),
        executions=[
            (each, execution.lasted(services, each), console.reason(each.error or {}))
            for each in found[:_ROWS]
        ],
        filters=filters,
        states=list(State),
        below=below,
        more=more,
        active=any(each.state is State.ACTIVE for each in found),
    )


async def workflow(request: web.Request) -> web.Response:
    """A workflow at its latest revision or at another: drawing and source."""
    services = request.app[SERVICES]
    name = request.match_info["workflow"]
    wanted = request.query.get("revision", "")
    revisions = services.catalog.revisions(name)
    found = next((each for each in revisions if wanted in ("", each.revision)), None)
    if found is None:
        return await _missing(f"There is no workflow {name!r} {wanted}".rstrip())
    overview = Overview(services.database, services.store)
    return await page(
        "workflow.html",
        settings=services.settings,
        definition=found,
        amiss=services.amiss.get(name, ""),
        variables=found.fields.get("userEnvVars") or {},
        revisions=revisions,
        counts=overview.counts().get(name, {}),
        drawings=await asyncio.to_thread(execution.drawn, found, None),
        lines=list(enumerate(found.source.splitlines(), 1)),
        active=False,
    )


async def run(request: web.Request) -> web.Response:
    """An execution: what it waits for, how it ended, the way it took, calls, log, requests."""
    services = request.app[SERVICES]
    found, definition = _found(request, services)
    if found is None or definition is None:
        return await _missing("There is no such execution")
    past = await services.histories.of(found)
    at = execution.base(found)
    pages, calls = execution.calls(found, past, _page(request, "calls"))
    logs = services.store.logs(found.id)
    log_pages = execution.Pages.cut(len(logs), execution.LINES, _page(request, "log"))
    received = services.store.received(found.id)
    return await page(
        "execution.html",
        settings=services.settings,
        found=found,
        lasted=execution.lasted(services, found),
        active=found.state is State.ACTIVE,
        argument=text(pretty(found.argument), f"{at}/full/argument"),
        outcome=execution.outcome(found),
        said=console.answered(found.error or {}),
        failing=execution.failing(found, definition),
        waiting=execution.waiting(services, found, past),
        past=past,
        drawings=await asyncio.to_thread(
            execution.drawn, definition, past if past.is_complete else None
        ),
        calls=calls,
        call_pages=pages,
        logs=[
            (line, text(execution.log_text(line), f"{at}/full/log/{number}"))
            for number, line in enumerate(log_pages.items(logs), log_pages.first)
        ],
        log_pages=log_pages,
        received=[
            (each, text(execution.request_text(each), f"{at}/full/request/{number}"))
            for number, each in enumerate(received, 1)
        ],
    )


async def steps(request: web.Request) -> web.Response:
    """The step entries of an execution, so many on a page."""
    services = request.app[SERVICES]
    found, definition = _found(request, services)
    if found is None or definition is None:
        return await _missing("There is no such execution")
    past = await services.histories.of(found)
    wanted = _page(request, "page")
    entry = request.query.get("entry", "")
    if entry.isdecimal() and len(entry) < 10:
        wanted = (int(entry) - 1) // execution.ENTRIES + 1
    pages = execution.Pages.cut(len(past.entries), execution.ENTRIES, wanted)
    return await page(
        "steps.html",
        settings=services.settings,
        found=found,
        past=past,
        pages=pages,
        entries=pages.items(past.entries),
        word=execution.word,
        now=parse_timestamp(found.ended or services.clock.stamp()),
        active=False,
    )


async def full(request: web.Request) -> web.Response:
    """One value of an execution in full, as text."""
    services = request.app[SERVICES]
    found, definition = _found(request, services)
    if found is None or definition is None:
        return await _missing("There is no such execution")
    part, number = request.match_info["part"], int(request.match_info.get("number", "0"))
    told: str | None = None
    match part:
        case "call":
            told = execution.full_call(await services.histories.of(found), number)
        case "log":
            lines = services.store.logs(found.id)[number - 1 : number]
            told = next(map(execution.log_text, lines), None)
        case "request" if number:
            requests = services.store.received(found.id, 1, number - 1)
            told = next((execution.request_text(each) for each in requests), None)
        case _:
            told = execution.full(found, part)
    return plain(told) if told is not None else await _missing(f"There is no such {part}")


async def file(request: web.Request) -> web.Response:
    """A file that the pages load."""
    return static(request.match_info["file"])


async def health(_request: web.Request) -> web.Response:
    """Whether the emulator answers at all."""
    return web.Response(text="ok\n")


def _found(request: web.Request, services: Services) -> tuple[Execution | None, Definition | None]:
    found = services.store.find(request.match_info["execution"])
    if found is None:
        return None, None
    return found, services.catalog.find(found.workflow, found.number)


def _page(request: web.Request, name: str) -> int:
    given = request.query.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 10 else 1


async def _missing(what: str) -> web.Response:
    return await page("missing.html", 404, what=what, active=False)
