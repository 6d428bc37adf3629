"""Any prefix of any journal, restarted, ends as the run that was never interrupted.

    PREFIX_EXAMPLES=5000 python -m pytest tests/emulator/test_prefixes.py

looks at so many random workflows; without it, at a few that are always the same.
"""

import asyncio
import json
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from emulator.errors import error, http_error
from emulator.interpreter import Raised, Reply, Request, Returned, Run
from emulator.parser import parse
from emulator.services import Services
from emulator.settings import Settings
from emulator.values import Value, dump, load
from tests.emulator.engines import site
from tests.emulator.generated import CHILD, fate, pick, sources
from tests.emulator.scripted import exact, run_until_waiting

MANY = int(os.environ.get("PREFIX_EXAMPLES", "0"))
CHOSEN: dict[str, Any] = {
    "deadline": None,
    "derandomize": not MANY,
    "database": None,
    "suppress_health_check": list(HealthCheck),
}
_UNTIL_RECEIVED = 50
"""Rounds of the loop after which the server has read all that was sent to it."""

Journal = list[tuple[str, Reply]]


def scripted(request: Request, seed: int) -> Reply:
    """A reply that depends on the request alone, and is an error now and then."""
    number = fate(seed, request.key, request.function)
    match request.function:
        case "http.get" | "http.post":
            return answered(number)
        case "events.create_callback_endpoint":
            return Returned({"url": f"http://callback/{request.key}"})
        case "events.await_callback" if number % 5 == 0:
            return Raised(error("TimeoutError", request.key).value)
        case "events.await_callback":
            return Returned({"http_request": {"body": {"n": number % 10}}})
        case "sys.now":
            return Returned(number / 7)
        case "uuid.generate":
            return Returned(f"id-{number}")
    return Returned(None)


def answered(number: int) -> Reply:
    match number % 8:
        case 0:
            return Raised(error("ConnectionError", "broken").value)
        case 1:
            return Raised(http_error(503, {}, {"n": number}).value)
        case 2:
            return Raised(http_error(404, {}, "none").value)
    return Returned({"body": {"n": number % 10}, "code": 200, "headers": {}})


@dataclass
class Player:
    """Plays one workflow against the script; what is answered next is chosen by fate.

    The choice depends on how many replies there were and on who waits, in which order: it is the
    same in a second life, if that life is like the first.
    """

    source: str
    seed: int
    steps: int = 1000
    journal: Journal = field(default_factory=list)
    made: list[Any] = field(default_factory=list)
    waiting: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.run = Run(parse(self.source), {"url": "http://x", "path": ""}, {})
        self._go_on()

    def reply(self, key: str, reply: Reply) -> None:
        self.waiting = [request for request in self.waiting if request.key != key]
        self.journal.append((key, reply))
        self.run.reply(key, reply)
        self._go_on()

    def to_the_end(self) -> None:
        while self.run.outcome is None:
            assert self.waiting, f"it hangs at {self.run.current_steps}"
            request = pick(self.waiting, self.seed, len(self.journal))
            self.reply(request.key, scripted(request, self.seed))

    def _go_on(self) -> None:
        new = run_until_waiting(self.run, self.steps)
        self.waiting += new
        self.made += [
            (request.key, request.function, exact(dict(request.args)), request.step, request.line)
            for request in new
        ]

    @property
    def end(self) -> Any:
        return self.run.outcome, self.run.steps_run, self.run.current_steps, self.made


def written_and_read(journal: Journal) -> Journal:
    """As the data file gives it back."""

    def again(reply: Any) -> Any:
        return replace(reply, value=load(dump(reply.value)))

    return [(key, again(reply)) for key, reply in journal]


class TestPureRun:
    @settings(max_examples=MANY or 60, **CHOSEN)
    @given(source=sources(), seed=st.integers(0, 10**6), steps=st.integers(1, 20))
    def test_every_prefix_of_a_journal_ends_as_the_uninterrupted_run(self, source, seed, steps):
        whole = Player(source, seed, steps)
        whole.to_the_end()
        note(f"{len(whole.journal)} replies, {whole.run.outcome}")
        cuts = list(range(len(whole.journal) + 1))
        if len(cuts) > 8:
            cuts = sorted({fate(seed, number) % len(cuts) for number in range(8)})

        for cut in cuts:
            again = Player(source, seed)
            for key, reply in written_and_read(whole.journal[:cut]):
                again.reply(key, reply)
            again.to_the_end()

            assert again.journal == whole.journal
            assert again.end == whole.end


def _settings(data: Path) -> Settings:
    return Settings(data=data, time_scale=2000, base_url="http://127.0.0.1:8787")


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Death:
    """Ends a life at one of its commits, either before it is on disk or just after.

    Nothing gets through to the data file from then on, as if the process had been killed.
    """

    services: Services
    commits: int
    kept: bool
    came: bool = False

    def __post_init__(self) -> None:
        self._commit = self.services.database.commit
        vars(self.services.database)["commit"] = self.commit

    def commit(self) -> None:
        self.commits -= 1
        if self.came or (self.commits == 0 and not self.kept):
            self.came = True
            self.services.database.roll_back()
            raise Killed
        self._commit()
        if self.commits == 0:
            self.came = True
            raise Killed


@dataclass
class World:
    """What one execution did to the outside, over all of its lives.

    `lost` are calls that were under way when a life ended: made, and nothing of it recorded.
    """

    url: str
    data: Path
    calls: list[tuple[str, bytes]] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    end: Any = None

    @property
    def made(self) -> Counter[str]:
        return Counter(tag for tag, _ in self.calls)

    async def live(self, source: str, death: tuple[int, bool] | None) -> None:
        """One life, until the execution is over or death comes."""
        services = Services.open(_settings(self.data))
        died = Death(services, *(death or (0, True)))
        try:
            await services.engine.start()
            try:
                await self._drive(services, source, died)
            except Killed:
                assert died.came
            with suppress(Killed):
                await services.engine.stop()
            for _ in range(_UNTIL_RECEIVED):
                await asyncio.sleep(0)
            self._count(services)
        finally:
            services.database.close()

    async def _drive(self, services: Services, source: str, death: Death) -> None:
        """Start the execution if there is none; answer its callbacks until it is over."""
        services.catalog.deploy("child", CHILD)
        definition = services.catalog.deploy("test", source)
        there = next(services.store.newest_first("test"), None)
        if there is None:
            argument = json.dumps({"url": self.url, "path": ""})
            there = services.engine.create(definition, argument, {})
        over = asyncio.create_task(services.engine.wait(there.id))
        try:
            async with asyncio.timeout(30):
                while not over.done() and not death.came:
                    for wait in services.store.waits_of(there.id):
                        if wait.kind == "callback":
                            body: Value = {"n": fate(wait.key) % 10}
                            answer: Value = {"http_request": {"body": body}}
                            services.engine.offer(there.id, str(wait.subject), answer)
                    await asyncio.sleep(0.0005)
        finally:
            over.cancel()

    def _count(self, services: Services) -> None:
        executions = [
            *services.store.newest_first("test"),
            *services.store.newest_first("child"),
        ]
        logged = Counter(
            line.payload for each in executions for line in services.store.logs(each.id)
        )
        main = next((each for each in executions if each.workflow == "test"), None)
        if main is None:
            return
        if main.ended is None:
            recorded = Counter(
                tag
                for _, reply in services.store.journal(main.id, 10_000)
                if (tag := called(reply))
            )
            self.lost = self.made - recorded
        else:
            all_of_them = Counter(
                (json.loads(each.argument)["path"], each.state) for each in executions
            )
            self.end = main.state, main.result, logged, all_of_them


def called(reply: Reply) -> str | None:
    """The tag of the call that a reply answers, if it is one of a call."""
    value = reply.value
    body = value.get("body") if isinstance(value, dict) else None
    return str(body["tag"]) if isinstance(body, dict) and "tag" in body else None


async def lead(template: Path, source: str, deaths: list[tuple[int, bool]]) -> World:
    """Let a workflow live as often as it dies, and then to its end."""

    async def handle(request: web.Request) -> web.Response:
        tag = request.path
        world.calls.append((tag, await request.read()))
        await asyncio.sleep(fate("delay", tag) % 5 / 2000)
        status = pick([200, 200, 200, 200, 404, 503], tag)
        return web.json_response({"tag": tag, "n": fate(tag) % 10}, status=status)

    with TemporaryDirectory() as folder:
        data = Path(folder) / "data.sqlite3"
        shutil.copyfile(template, data)
        async with site(handle) as there:
            world = World(there.url, data)
            for death in deaths:
                await asyncio.create_task(world.live(source, death))  # nothing is left of a life
            while world.end is None:
                await asyncio.create_task(world.live(source, None))
    return world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file with its signing key, which takes long to make."""
    data = tmp_path_factory.mktemp("template") / "data.sqlite3"
    Services.open(Settings(data=data)).database.close()
    return data


class TestEngine:
    @settings(max_examples=MANY or 30, phases=[Phase.generate], **CHOSEN)
    @given(
        source=sources(any_order=True),
        deaths=st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=4),
    )
    def test_stopped_after_any_turn_it_ends_the_same_and_repeats_nothing(
        self, template, source, deaths
    ):
        whole = asyncio.run(lead(template, source, []))
        note(f"{len(whole.calls)} calls, {whole.end}")

        broken = asyncio.run(lead(template, source, deaths))

        assert broken.end == whole.end
        assert broken.made - whole.made <= broken.lost
        drawn: dict[str, bytes] = {}
        for tag, body in broken.calls:
            assert drawn.setdefault(tag, body) == body
