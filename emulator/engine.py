"""The engine: drives executions in one event loop, each turn on disk before anything follows.

An execution is a function of its source, its argument and the replies of the world, in order.
Replies are journalled before they are applied, so any run can be dropped from memory, or lost
with the process, and be built again from its journal.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import aiohttp

from emulator import console
from emulator.alarm import Alarm
from emulator.callbacks import Verdict, verdict
from emulator.calls import Calls
from emulator.catalog import Catalog, Definition
from emulator.clock import Clock, VirtualClock, timestamp
from emulator.database import Database
from emulator.driver import Driver
from emulator.errors import error
from emulator.identity import Grants, Issuer
from emulator.protocol import Failed, Raised, Reply, Request, Returned, Succeeded
from emulator.refusal import Refusal, Status
from emulator.resources import account_of, failure
from emulator.retention import Retention
from emulator.runs import Runs, Tracing
from emulator.settings import Auth, Settings, Time
from emulator.store import Execution, Received, Stand, State, Store, Wait
from emulator.stubs import Stubs
from emulator.timekeeper import Timekeeper
from emulator.turn import Live, take_turn, ticks
from emulator.values import Value, to_json
from emulator.world import Site, perform
from emulator.world.exchange import session
from emulator.world.site import Armed, Call
from emulator.world.waits import child_ended, timed_out

_KEPT_FOR = timedelta(days=90)
"""How long an execution can be read after its end."""

_DUE_AT_ONCE = 100


class Engine:
    """Starts, drives and ends executions. All methods are for the one event loop."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        database: Database,
        catalog: Catalog,
        store: Store,
        issuer: Issuer,
        grants: Grants,
        stubs: Stubs,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._database = database
        self._catalog = catalog
        self._store = store
        self._issuer = issuer
        self._grants = grants
        self._stubs = stubs
        self._calls = Calls(self._called)
        self._runs = Runs(settings, store, self._calls.pending)
        self._look = time.monotonic if settings.time is Time.REAL else ticks()
        self._driver = Driver(database, self._runs, self._take_turn, self._give_up, self._look)
        self._timer = self._timekeeper()
        self._ended: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._client: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Take up what the data file holds, and go on until `stop`."""
        self._client = session()
        self._store.forget_ended_before(timestamp(self._clock.now() - _KEPT_FOR))
        for execution in self._store.busy():
            self._driver.wake(execution)
        self._tasks = [
            asyncio.create_task(self._driver.run(), name="runs"),
            asyncio.create_task(Retention(self._database, self._store).run(), name="retention"),
            asyncio.create_task(self._timer.run(), name="alarm"),
        ]

    def trace_with(self, tracing: Tracing) -> None:
        """Give every run that is built from now on the trace that is made for it."""
        self._runs.trace = tracing

    async def stop(self) -> None:
        """Stop where everything is; the data file has all that is needed to go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._calls.stop()
        if self._client is not None:
            await self._client.close()
        self._driver.close()

    # Time

    async def settled(self) -> None:
        """Return when no execution is ready, no outside call is under way and no wait is due."""
        await self._timer.settled()

    @property
    def is_settled(self) -> bool:
        """Whether `settled` would return at once."""
        due = self._store.next_due()
        waiting = due is None or due > self._clock.seconds()
        return waiting and not (self._driver.ready or self._calls.under_way)

    @property
    def is_calling(self) -> bool:
        """Whether any outside call is under way."""
        return self._calls.under_way

    async def advance(self, seconds: float) -> None:
        """Let virtual time go on: end what is due within so many seconds, in order.

        Everything is settled before the next wait ends, and when this returns.

        Raises:
            ValueError: the time is real, or cannot go on by so much.
        """
        await self._timer.advance(seconds)

    async def advance_to_next(self) -> bool:
        """Let virtual time go on to the next due time; tells whether there was one.

        Raises:
            ValueError: the time is real.
        """
        return await self._timer.advance_to_next()

    async def _quiet(self) -> None:
        while self._driver.ready or self._calls.under_way:
            await self._driver.paused()

    def _timekeeper(self) -> Alarm | Timekeeper:
        if isinstance(self._clock, VirtualClock):
            return Timekeeper(
                self._clock,
                self._store,
                quiet=self._quiet,
                turn=self._driver.turn,
                end=self._time_out,
                skips=self._settings.time is Time.SKIP,
            )
        return Alarm(self._clock, self._store.next_due, self._end_waits, self._quiet)

    # What people and programs ask for

    async def on_disk(self) -> None:
        """Return when all that was done until now is on disk, and may be told.

        Raises:
            sqlite3.Error: the data file could not be written, and nothing of it is kept.
        """
        await self._driver.on_disk()

    def create(
        self, definition: Definition, argument: str, settings: Mapping[str, object]
    ) -> Execution:
        """Start an execution of a definition with an argument (JSON text)."""
        with self._driver.turn():
            created = self._create(definition, argument, settings)
        return self._found(created)

    def cancel(self, execution: str) -> Execution:
        """End an execution that runs or waits.

        Raises:
            Refusal: FAILED_PRECONDITION, it is over already.
        """
        found = self._found(execution)
        if found.state is not State.ACTIVE:
            raise Refusal(
                Status.FAILED_PRECONDITION,
                f"Execution '{execution}' is over ({found.state}), it cannot be cancelled",
            )
        with self._driver.turn():
            self._end(found, State.CANCELLED)
        return self._found(execution)

    def delete_workflow(self, workflow: str) -> None:
        """Cancel the executions of a workflow, and forget all of it."""
        with self._driver.turn():
            for execution in self._store.open(workflow):
                self._end(self._found(execution), State.CANCELLED)
            self._catalog.delete(workflow)

    def offer(
        self, execution: str, callback: str, request: Value, fault: str | None = None
    ) -> Verdict:
        """Give a received request to an endpoint; what is accepted is kept when `on_disk` returns.

        Waits whose time has passed end first: they time out, and the request goes to the slot.

        Args:
            fault: what is played on the request, for a test; kept beside it.
        """
        with self._driver.turn():
            endpoint = self._store.callback(execution, callback)
            now = self._clock.seconds()
            waits = []
            for wait in self._store.waits_on(callback):
                if wait.due is not None and wait.due <= now:
                    self._time_out(wait)
                else:
                    waits.append(wait)
            decided = verdict(endpoint, waits)
            if decided is Verdict.HANDED_OVER:
                self._store.disarm(waits[0])
                self._post(execution, waits[0].key, Returned(request))
            elif decided is Verdict.STORED:
                self._store.put_in_slot(callback, request)
            if endpoint is not None:
                stamp = self._clock.stamp()
                taken = stamp if decided is Verdict.HANDED_OVER else None
                self._store.receive(
                    Received(execution, callback, stamp, request, decided.name, fault, taken)
                )
        return decided

    def stand(self, found: Execution) -> Stand | None:
        """How far the run of an execution has come; None if as far as its journal allows."""
        return self._runs.stand(found)

    async def wait(self, execution: str) -> Execution:
        """Return when an execution is over."""
        if self._found(execution).state is State.ACTIVE:
            await self._ended.setdefault(execution, asyncio.Event()).wait()
        await self._driver.on_disk()
        return self._found(execution)

    # Turns

    def _take_turn(self, execution: str) -> None:
        found = self._store.find(execution)
        if found is None or found.state is not State.ACTIVE:
            return
        definition = self._definition(found)
        self._driver.touch(execution)
        if self._go_on(found, definition, self._runs.live(found, definition)):
            self._driver.wake(execution)

    def _go_on(self, found: Execution, definition: Definition, live: Live) -> bool:
        """Run, perform what is asked, and note where the execution is. True: there is more."""
        site = self._site(found, definition)

        def deal_with(request: Request) -> Reply | None:
            match perform(request, site):
                case Armed(kind, due, subject):
                    self._store.arm(found.id, request.key, kind, due, subject)
                    self._driver.after(self._timer.reset)
                case Call(make):
                    live.to_be_called.add(request.key)
                    self._driver.after(
                        functools.partial(self._begin, found.id, live, request.key, make)
                    )
                case reply:
                    self._store.append(found.id, request.key, reply, self._clock.seconds())
                    return reply
            return None

        more = take_turn(live, deal_with, self._look)
        if not more:
            calling = bool(live.to_be_called) or self._calls.awaited(found.id)
            found = replace(found, steps=live.run.current_steps)
            self._store.note(found.id, found.steps, busy=calling)
        match live.run.outcome:
            case Succeeded(value):
                self._end(found, State.SUCCEEDED, result=to_json(value))
            case Failed() as failed:
                self._end(found, State.FAILED, error=failure(failed))
        return more

    def _begin(
        self, execution: str, live: Live, key: str, make: Callable[[], Awaitable[Reply]]
    ) -> None:
        """Make a call: the turn that asked for it, and maybe further ones, are on disk."""
        live.to_be_called.discard(key)
        self._calls.begin(execution, key, make)

    # Parts of turns

    def _create(self, definition: Definition, argument: str, settings: Mapping[str, object]) -> str:
        execution = str(uuid.uuid4())
        self._store.add(execution, definition, argument, settings, self._clock.stamp())
        self._driver.wake(execution)
        self._say("execution-started", workflow=definition.workflow, execution=execution)
        return execution

    def _post(self, execution: str, key: str, reply: Reply) -> None:
        """Record a reply that comes from outside of the execution's own turn, and hand it over."""
        self._store.append(execution, key, reply, self._clock.seconds())
        self._driver.touch(execution)
        self._runs.deliver(execution, key, reply)
        self._driver.wake(execution)

    def _end(
        self,
        found: Execution,
        state: State,
        result: str | None = None,
        error: Mapping[str, object] | None = None,
    ) -> None:
        over = replace(
            found,
            state=state,
            ended=self._clock.stamp(),
            result=result,
            error=error,
            stopped=self._runs.stand(found) if state is State.CANCELLED else None,
        )
        self._driver.touch(found.id)
        self._store.end(over)
        for wait in self._store.waits_on(found.id):
            answered = child_ended(wait, over, self._store, self._settings)
            if answered is not None:
                self._post(wait.execution, *answered)
        self._driver.after(functools.partial(self._forget, found.id))
        self._say(
            "execution-ended",
            state=state.value,
            workflow=found.workflow,
            execution=found.id,
            error="" if error is None else console.reason(error),
        )

    def _forget(self, execution: str) -> None:
        self._calls.cancel(execution)
        self._driver.forget(execution)
        if execution in self._ended:
            self._ended.pop(execution).set()

    def _give_up(self, execution: str, broken: Exception) -> None:
        """End an execution that the emulator cannot carry on."""
        reason = f"the emulator cannot go on with this execution: {type(broken).__name__}: {broken}"
        failed = error("SystemError", reason)
        with self._driver.turn():
            self._end(
                self._found(execution),
                State.FAILED,
                error=failure(Failed(failed.value, reason, ())),
            )

    def _say(self, name: str, **fields: str) -> None:
        self._driver.after(functools.partial(console.event, name, **fields))

    # Ends of waits and calls

    async def _end_waits(self) -> None:
        with self._driver.turn():
            for wait in self._store.waits_due(self._clock.seconds(), _DUE_AT_ONCE):
                self._time_out(wait)
        await self._driver.on_disk()

    def _time_out(self, wait: Wait) -> None:
        self._store.disarm(wait)
        self._post(wait.execution, wait.key, timed_out(wait))

    async def _called(self, execution: str, key: str, reply: Reply) -> bool:
        """A call has ended: record what came back, and go on with it. False: not possible now."""
        try:
            try:
                with self._driver.turn():
                    self._post(execution, key, reply)
            except sqlite3.Error:
                raise
            except Exception as broken:  # the workflow is told: without a reply it would hang
                console.trouble("reply-broken", execution=execution, key=key)
                told = error("SystemError", f"{type(broken).__name__}: {broken}"[:1000])
                with self._driver.turn():
                    self._post(execution, key, Raised(told.value))
            await self._driver.on_disk()
        except sqlite3.Error:
            console.trouble("data-file-error", execution=execution)
            return False
        return True

    # Looking things up

    def _site(self, found: Execution, definition: Definition) -> Site:
        return Site(
            execution=found,
            account=account_of(definition),
            permits=functools.partial(self._permits, account_of(definition)),
            settings=self._settings,
            clock=self._clock,
            store=self._store,
            issuer=self._issuer,
            stubs=self._stubs,
            client=self._session,
            definition=self._catalog.find,
            start=self._create,
            later=self._driver.after,
        )

    def _permits(self, account: str, permission: str) -> bool:
        return self._settings.auth is not Auth.IAM or self._grants.allow(account, permission)

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            raise RuntimeError("the engine has not been started")
        return self._client

    def _definition(self, found: Execution) -> Definition:
        definition = self._catalog.find(found.workflow, found.number)
        if definition is None:
            raise LookupError(f"revision {found.revision} of {found.workflow}")
        return definition

    def _found(self, execution: str) -> Execution:
        found = self._store.find(execution)
        if found is None:
            raise LookupError(f"execution {execution}")
        return found
