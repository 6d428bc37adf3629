"""`kill -9` in rounds: a real emulator full of executions is killed, checked and started again.

    python -m tests.emulator.kills --rounds 200 --seed 7

Clients start executions and answer their callbacks all the while. They note what they were told;
what they were not told, because the emulator died, may or may not have happened. Between two lives
the data file is read: what it has recorded must never happen again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from aiohttp import web

from tests.emulator.data_files import all_of, rows_of
from tests.emulator.engines import site
from tests.emulator.forks import Forks, alive
from tests.emulator.generated import fate
from tests.services import free_port

SOURCES = {name: Path(__file__).with_name(f"kills_{name}.yaml") for name in ("child", "work")}
TIME_SCALE = 50
AT_ONCE = 30
_LONGEST_PAUSE = 60.0
"""Seconds in which one more execution comes to its end, when nothing is killed any more."""
_ATTEMPTS = 9  # `max_retries` of the workflow, and the first
_ROUNDS_OF_THE_LOOP = 20
"""More than it takes from a connection that was made to the body of its request."""
_DOWN = (aiohttp.ClientError, TimeoutError)
_AFTER_A_200 = ("HANDED_OVER", "STORED")


@dataclass
class Emulator:
    """An emulator on one port and data file."""

    data: Path
    forks: Forks
    port: int = field(default_factory=free_port)
    process: int = 0

    async def start(self, client: aiohttp.ClientSession) -> None:
        """Start it, and wait until it answers."""
        self.fork()
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(*_DOWN):
                    async with client.get(f"http://127.0.0.1:{self.port}/healthz") as answer:
                        if answer.status == 200:
                            return
                assert alive(self.process), self.output.read_text()[-3000:]
                await asyncio.sleep(0.005)

    def fork(self) -> None:
        """Start it."""
        command = ["serve", "--port", str(self.port), "--data", str(self.data), "--auth", "off"]
        command += ["--time-scale", str(TIME_SCALE), "--grpc-port", "off"]
        self.process = self.forks.start(command, self.output)

    def kill(self) -> None:
        if self.process:
            self.forks.kill(self.process)
        self.process = 0

    @property
    def output(self) -> Path:
        return self.data.with_suffix(".log")

    @property
    def workflows(self) -> str:
        place = "projects/countersign-demo/locations/us-central1/workflows"
        return f"http://127.0.0.1:{self.port}/v1/{place}"


@dataclass
class Story:
    """What the clients of one execution know of it. `name` is None until they know it."""

    id: str
    name: str | None = None
    accepted: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    over: dict[str, Any] | None = None


@dataclass
class Siege:
    """The clients, the flaky server and what is known; `problems` must stay empty."""

    rounds: int
    seed: int
    folder: Path
    forks: Forks
    within: float
    stories: dict[str, Story] = field(default_factory=dict)
    calls: list[tuple[str, int, str]] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.emulator = Emulator(self.folder / "data.sqlite3", self.forks)
        self.life = 0
        self.alive = False
        self.sent = asyncio.Event()
        self.doomed = ""

    async def run(self) -> None:
        async with site(self.answer) as flaky, _client() as client:
            self.url, self.client = flaky.url, client
            await self.emulator.start(client)
            try:
                for name, source in SOURCES.items():
                    body = {"sourceContents": source.read_text()}
                    await self.ask("POST", f"?workflowId={name}", json=body)
                end = time.monotonic() + self.within
                for _ in range(self.rounds):
                    if time.monotonic() > end:
                        break
                    await self.live_and_die()
                    if self.chance.random() < 0.2:
                        await self.die_at_the_start()
                    await self.emulator.start(client)
                await self.drain()
            finally:
                self.emulator.kill()
        self.check_the_end()

    def __str__(self) -> str:
        """What happened, in a line."""
        stories = self.stories.values()
        return (
            f"seed {self.seed}: {sum(self.kills.values())} kills {dict(self.kills)},"
            f" {len(stories)} executions,"
            f" {len(self.calls)} calls ({self.repeated} made again),"
            f" {sum(len(each.accepted) for each in stories)} callbacks answered 200,"
            f" {sum(len(each.unknown) for each in stories)} cut off, {len(self.problems)} problems"
        )

    # Lives

    async def live_and_die(self) -> None:
        """Clients at work until the kill: at any moment, or while one waits for an answer."""
        self.doomed = self.chance.choice(["", "", "start", "callback"])
        self.sent.clear()
        self.alive = True
        clients = asyncio.create_task(self.clients())
        try:
            if self.doomed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self.sent.wait()
                await asyncio.sleep(self.chance.random() * 0.006)
            else:
                await asyncio.sleep(0.02 + self.chance.random() * 0.2)
        finally:
            self.emulator.kill()
            self.alive = False
        self.kills[self.doomed or "any moment"] += 1
        self.doomed = ""
        await clients
        await self.look_back()

    async def die_at_the_start(self) -> None:
        """A kill while the emulator takes up what the last one has left."""
        self.emulator.fork()
        await asyncio.sleep(self.chance.random() * 0.08)
        self.emulator.kill()
        self.kills["start-up"] += 1
        await self.look_back()

    async def look_back(self) -> None:
        """A life is over: take in the calls that it has sent, and see what it has recorded."""
        for _ in range(_ROUNDS_OF_THE_LOOP):
            await asyncio.sleep(0)
        self.read_what_is_recorded()
        self.life += 1

    async def clients(self) -> None:
        """Start and answer until the emulator is gone."""
        one_starts = asyncio.create_task(self.starts())
        others = [asyncio.create_task(self.answers(part)) for part in range(3)]
        await asyncio.gather(one_starts, *others)

    async def starts(self) -> None:
        with contextlib.suppress(*_DOWN):
            while self.alive:
                if len(self.open()) < AT_ONCE:
                    await self.start_one()
                await asyncio.sleep(self.chance.random() * 0.03)

    async def start_one(self) -> None:
        story = Story(f"x{len(self.stories)}")
        self.stories[story.id] = story
        body = {"argument": json.dumps({"id": story.id, "url": f"{self.url}/"})}
        self.sending("start")
        created = await self.ask("POST", "/work/executions", json=body)
        story.name = created["name"].rpartition("/")[2]

    async def answers(self, part: int) -> None:
        """Look at executions and answer those that wait, or will wait."""
        with contextlib.suppress(*_DOWN):
            while self.alive:
                for story in self.open()[part::3]:
                    await self.look(story)
                await asyncio.sleep(0.005)

    def open(self) -> list[Story]:
        """The executions of which nobody knows that they are over."""
        return [story for story in self.stories.values() if story.over is None]

    async def look(self, story: Story) -> None:
        """See how far an execution is, and give it the answer that it lacks."""
        if story.name is None:
            return
        path = f"/work/executions/{story.name}"
        listed = (await self.ask("GET", f"{path}/callbacks")).get("callbacks", [])
        if not listed:
            shown = await self.ask("GET", path)
            if shown["state"] != "ACTIVE":
                story.over = shown
            return
        (endpoint,) = listed
        if endpoint.get("availablePayloads") or not endpoint.get("waiters"):
            return
        await self.send(story, path, endpoint["name"].rpartition("/")[2])

    async def send(self, story: Story, path: str, callback: str) -> None:
        """One answer, and sometimes another at once, which the next step may take."""
        for _ in range(self.chance.choice([1, 1, 2])):
            number = len(story.accepted) + len(story.unknown) + len(story.refused)
            story.unknown.append(number)
            self.sending("callback")
            url = f"{self.emulator.workflows}{path}/callbacks/{callback}"
            async with self.client.post(url, json={"n": number}) as answer:
                await answer.read()
                if answer.status not in (200, 404, 429):
                    self.problems.append(f"{url}: {answer.status}")
            story.unknown.remove(number)
            (story.accepted if answer.status == 200 else story.refused).append(number)

    def sending(self, what: str) -> None:
        """A request is about to leave: if this is the kind to die in, let the killer know."""
        if what == self.doomed:
            asyncio.get_running_loop().call_later(self.chance.random() * 0.004, self.sent.set)

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        async with self.client.request(
            method, f"{self.emulator.workflows}{path}", **options
        ) as got:
            body = await got.json()
            if got.status != 200:
                self.problems.append(f"{method} {path}: {got.status} {body}")
                raise AssertionError(self.problems[-1])
            return body

    async def drain(self) -> None:
        """No more starts and no more kills: everything comes to its end."""
        with rows_of(self.emulator.data) as rows:
            known = [
                (row["execution"], json.loads(row["argument"])["id"])
                for row in rows("SELECT * FROM executions WHERE workflow = 'work'")
            ]
        names = defaultdict(list)
        for execution, number in known:
            names[number].append(execution)
        for story in list(self.stories.values()):
            found = names.pop(story.id, [])
            if len(found) > 1 or (story.name and story.name not in found):
                self.problems.append(f"{story.id}, known as {story.name}, is {found}")
            if found:
                story.name = found[0]
            else:  # its start was never answered, and never was
                del self.stories[story.id]
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_PAUSE) as pause:
                while open_ := self.open():
                    await asyncio.gather(*map(self.look_again, open_))
                    if len(self.open()) < len(open_):
                        pause.reschedule(loop.time() + _LONGEST_PAUSE)
                    await asyncio.sleep(0.02)

    async def look_again(self, story: Story) -> None:
        """A look that may fail, on a busy machine: another one follows."""
        with contextlib.suppress(*_DOWN):
            await self.look(story)

    # The flaky server

    async def answer(self, request: web.Request) -> web.StreamResponse:
        tag = request.path
        body = await request.json()
        if tag in self.settled:
            self.problems.append(f"{tag} is recorded, and was called again in life {self.life}")
        self.repeated += any(
            tag == called and life < self.life for called, life, _ in self.calls[-500:]
        )
        self.calls.append((tag, self.life, body["drawn"]))
        await asyncio.sleep(fate(self.seed, tag) % 7 / 500)
        status = _status(self.seed, tag)
        if status is None:
            _hang_up(request)
        return web.json_response({"tag": tag}, status=status or 200)

    # What must be so

    def read_what_is_recorded(self) -> None:
        """Note the calls that need not, and so must not, be made again; the others must be."""
        with rows_of(self.emulator.data) as rows:
            for row in rows("SELECT value FROM journal WHERE value LIKE '%\"tag\"%'"):
                tag = json.loads(row["value"])["body"]["tag"]
                self.settled.add(tag)
            idle = rows(
                "SELECT *, (SELECT count(*) FROM waits AS w WHERE w.execution = e.execution)"
                " AS waits FROM executions AS e WHERE state = 'ACTIVE' AND NOT busy"
            )
        waiting = set()
        for row in idle:
            who = f"/{json.loads(row['argument'])['id']}/"
            if row["workflow"] == "work":
                waiting.add(who)
            self.expect(row["waits"] > 0, f"{who}, {row['workflow']}, waits for nothing")
        for tag, life, _ in self.calls[-500:]:
            if life == self.life and tag not in self.settled and _status(self.seed, tag):
                lost = tag.startswith(tuple(waiting))
                self.expect(not lost, f"{tag} of life {life} will not be called again")

    def check_the_end(self) -> None:
        """Nothing lost, nothing doubled, nothing repeated, and the results right."""
        with rows_of(self.emulator.data) as rows:
            children = Counter(
                json.loads(row["argument"])["id"]
                for row in rows("SELECT argument FROM executions WHERE workflow = 'child'")
            )
            logged = Counter(row["payload"] for row in rows("SELECT payload FROM logs"))
            for story in self.open():
                what = all_of(rows, story.name or "")
                self.problems.append(f"{story.id} has not come to its end: {what}")
            received = {
                (row["execution"], json.loads(row["request"])["http_request"]["body"]["n"]): row
                for row in rows("SELECT * FROM received")
            }
        expected_lines = Counter(
            json.dumps(f"{what} {id_}")
            for id_ in self.stories
            for what in ("begin", "child", "end")
        )
        self.expect(
            logged == expected_lines,
            f"log lines: {logged - expected_lines} too many, {expected_lines - logged} missing",
        )
        self.expect(children == Counter(list(self.stories)), f"children: {children}")
        by_life = Counter((tag, life) for tag, life, _ in self.calls)
        self.expect(max(by_life.values()) == 1, f"twice in one life: {by_life.most_common(3)}")
        for story in self.stories.values():
            if story.over is not None:
                self.check_story(story, story.over, received)

    def check_story(
        self, story: Story, over: dict[str, Any], received: dict[tuple[str, int], Any]
    ) -> None:
        who = f"{story.id} ({story.name})"
        if over["state"] != "SUCCEEDED":
            self.problems.append(f"{who}: {over}")
            return
        result = json.loads(over["result"])
        asked = result["asked"]
        self.expect(len(set(asked)) == 2, f"{who}: consumed {asked}")
        self.expect(set(asked) <= {*story.accepted, *story.unknown}, f"{who}: {asked} of {story}")
        for number in story.accepted:
            row = received.get((story.name or "", number))
            fine = row is not None and row["verdict"] in _AFTER_A_200
            self.expect(fine, f"{who}: {number} was answered 200 and is not in `received`")
            if fine:  # what no step took was left in the slot at the end
                left = row["verdict"] == "STORED" and row["taken"] is None
                self.expect(left != (number in asked), f"{who}: {number} of {asked}: {dict(row)}")
        self.expect(result["child"] == story.id, f"{who}: child {result['child']}")
        drawn = {each for tag, _, each in self.calls if tag.startswith(f"/{story.id}/")}
        self.expect(drawn == {result["drawn"]}, f"{who}: {drawn} and {result['drawn']}")
        for tag in result["called"]:
            self.expect(tag in {called for called, _, _ in self.calls}, f"{who}: {tag} unknown")
        attempts = [tag for tag, _, _ in self.calls if tag.startswith(f"/{story.id}/")]
        self.expect(attempts == sorted(attempts), f"{who}: attempts go back: {attempts}")

    def expect(self, fine: bool, problem: str) -> None:
        if not fine:
            self.problems.append(problem)


def _status(seed: int, tag: str) -> int | None:
    """What a call is answered, None for a broken connection. The last attempt goes well."""
    if tag.endswith(f"/{_ATTEMPTS}"):
        return 200
    number = fate(seed, tag)
    return [200, 200, 503, 200, 429][number % 5] if number % 11 else None


def _hang_up(request: web.Request) -> None:
    """Break the connection, unless the kill has done so."""
    if request.transport is not None:
        request.transport.abort()


def _client() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10))


def besiege(rounds: int, seed: int, within: float = math.inf) -> Siege:
    """So many kills, or as many as come within so many seconds; gives what was seen."""
    with TemporaryDirectory() as folder, Forks() as forks:
        siege = Siege(rounds, seed, Path(folder), forks, within)
        asyncio.run(siege.run())
    return siege


def main() -> int:
    """Rounds by hand; 1 if there was any problem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    begin = time.monotonic()
    siege = besiege(options.rounds, options.seed)
    sys.stdout.write(f"{siege}, {time.monotonic() - begin:.0f} seconds\n")
    sys.stdout.writelines(f"  {problem}\n" for problem in siege.problems[:20])
    return bool(siege.problems)


if __name__ == "__main__":
    sys.exit(main())
