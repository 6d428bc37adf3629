"""One execution as a test sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from countersign.bodies import PENDING
from emulator.history import History
from emulator.refusal import Refusal
from emulator.store import Execution, State, Wait
from emulator.testing.approval import Approval
from emulator.testing.callback import Callback
from emulator.testing.errors import NoStub, NotWaiting, RunFailed, StillWaiting, TestingError
from emulator.testing.past import Call, Line, calls, frames, lines, past, place, steps
from emulator.testing.record import Record
from emulator.testing.waiting import no_stub, places, still_waiting, which
from emulator.trace import StepEntry

if TYPE_CHECKING:
    from emulator.testing.site import Site

__tracebackhide__ = True  # a test that fails shows its own lines


class Run:
    """An execution. Properties tell how it is; methods let it go on, and time pass if need be.

    Time passes by itself only while nobody is asked: a run that waits for a callback stands still
    until somebody answers, or until `advance`.
    """

    def __init__(self, site: Site, execution: str, workflow: str) -> None:
        self._site = site
        self.id = execution
        self.workflow = workflow

    def __repr__(self) -> str:
        return f"<Run of {self.workflow} {self.state}>"

    # --- going on -------------------------------------------------------------------------------

    def result(self) -> Any:
        """Go on to the end, and give the result.

        Raises:
            RunFailed: it failed or was cancelled.
            StillWaiting: it waits for somebody.
        """
        over = self._site.run(self._to_the_end())
        if over.state is State.SUCCEEDED:
            return json.loads(over.result or "null")
        raise RunFailed(*self._site.do(lambda: self._how_it_failed(over)))

    def error(self) -> Any:
        """Go on to the end, and give the error that it failed with: a map, or a text.

        Raises:
            TestingError: it did not fail.
            StillWaiting: it waits for somebody.
        """
        over = self._site.run(self._to_the_end())
        if over.state is State.FAILED:
            return self._site.do(lambda: self._how_it_failed(over))[1]
        raise TestingError(f"{self.workflow} did not fail, it is {over.state}: {over.result}")

    def approval(self, title: str | None = None) -> Approval:
        """Go on until the run, or a run it waits for, asks something that nobody has answered.

        Args:
            title: of which approval; needed where several wait.

        Raises:
            NotWaiting: it asks nothing, nothing of that title, or several things at once.
            RunFailed: it failed before.
        """
        record = self._site.run(self._to_an_approval(title))
        return Approval(self._site, record)

    def callback(self, method: str | None = None) -> Callback:
        """Go on until the run waits for a callback, and give its endpoint.

        Args:
            method: of which endpoint; needed where several are waited on.

        Raises:
            NotWaiting: it waits for none, or for several.
            RunFailed: it failed before.
        """
        return self._site.run(self._to_a_callback(method))

    def cancel(self) -> None:
        """Cancel it, and let what waits for it go on.

        Raises:
            TestingError: it is over.
        """
        self._site.run(self._cancel())

    # --- looking --------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """`ACTIVE`, `SUCCEEDED`, `FAILED` or `CANCELLED`."""
        return self._site.do(self._found).state.value

    @property
    def waiting_at(self) -> Sequence[str]:
        """The steps where it stands, as `pay` or `request_approval.wait`; empty when it is over."""
        found = self._site.do(self._found)
        if found.state is not State.ACTIVE:
            return []
        return [place(routine, step) for routine, step in found.steps]

    @property
    def approvals(self) -> Sequence[Approval]:
        """What it has asked so far, oldest first, answered or not."""
        records = self._site.do(lambda: list(self._asked_by({self.id})))
        return [Approval(self._site, record) for record in records]

    @property
    def callbacks(self) -> Sequence[Callback]:
        """Its endpoints; none when it is over."""
        return self._site.do(lambda: [*self._endpoints(self.id)])

    @property
    def log(self) -> Sequence[Line]:
        """What it has logged with `sys.log`."""
        return self._site.do(lambda: [*lines(self._site.services, self.id)])

    @property
    def calls(self) -> Sequence[Call]:
        """Its calls to other systems, oldest first: `http.*` and connectors, without the inbox."""
        return self._site.do(lambda: [*calls(self._past(), self._site.inbox.url)])

    @property
    def steps(self) -> Sequence[str]:
        """The steps it has begun, in that order: `pay` in `main`, `request_approval.wait` below."""
        return [place(entry.routine, entry.step) for entry in self.trace]

    @property
    def trace(self) -> Sequence[StepEntry]:
        """Its steps with all that is known of each: state, times, iteration, error, variables."""
        return self._site.do(lambda: [*steps(self._past())])

    # --- parts, in the loop ---------------------------------------------------------------------

    async def _to_the_end(self) -> Execution:
        await self._site.timeline.settle()
        while True:
            self._must_be_stubbed()
            found = self._found()
            if found.state is not State.ACTIVE:
                return found
            if waits := self._waits_for_somebody():
                records = self._site.inbox.records
                now = self._site.timeline.now
                raise StillWaiting(still_waiting(found, waits, records, now))
            if not await self._site.timeline.step():
                raise StillWaiting(
                    f"{self.workflow} is at {places(found)} and nothing will ever wake it."
                )

    async def _to_an_approval(self, title: str | None) -> Record:
        await self._site.timeline.settle()
        while True:
            self._must_be_stubbed()
            pending = [
                record for record in self._asked_by(self._family()) if record.status == PENDING
            ]
            wanted = [record for record in pending if title in (None, record.body.title)]
            if len(wanted) == 1:
                return wanted[0]
            if pending:
                raise NotWaiting(which(self.workflow, pending, title))
            self._must_go_on("an approval")
            if self._waits_for_somebody():
                raise NotWaiting(
                    f"{self.workflow} waits at {places(self._found())} for a callback that belongs"
                    " to no approval. Send it: run.callback().post(json={…})"
                )
            if not await self._site.timeline.step():
                raise NotWaiting(f"{self.workflow} asks nobody, and nothing will ever wake it.")

    async def _to_a_callback(self, method: str | None) -> Callback:
        await self._site.timeline.settle()
        while True:
            self._must_be_stubbed()
            waited_on = {wait.subject for wait in self._waits_for_callbacks(self._family())}
            found = [
                endpoint
                for run in self._family()
                for endpoint in self._endpoints(run)
                if endpoint.id in waited_on and method in (None, endpoint.method)
            ]
            if len(found) == 1:
                return found[0]
            if found:
                raise NotWaiting(
                    f"{self.workflow} waits for {len(found)} callbacks. Take one of run.callbacks:"
                    f" {', '.join(map(repr, found))}"
                )
            self._must_go_on("a callback")
            if waited_on or not await self._site.timeline.step():
                raise NotWaiting(
                    f"{self.workflow} does not wait for a callback of {method or 'any method'}."
                )

    async def _cancel(self) -> None:
        try:
            self._site.services.engine.cancel(self.id)
        except Refusal as refusal:
            raise TestingError(refusal.message) from None
        await self._site.timeline.settle()

    def _found(self) -> Execution:
        found = self._site.services.store.find(self.id)
        if found is None:
            raise LookupError(self.id)
        return found

    def _past(self) -> History:
        return past(self._site.services, self._found())

    def _must_be_stubbed(self) -> None:
        missed = list(dict.fromkeys(self._site.services.stubs.missed))
        if missed:
            raise NoStub("\n".join(no_stub(call) for call in missed))

    def _must_go_on(self, wanted: str) -> None:
        over = self._found()
        if over.state is State.SUCCEEDED:
            raise NotWaiting(
                f"{self.workflow} is over, without waiting for {wanted}. Its result is"
                f" {over.result}."
            )
        if over.state is not State.ACTIVE:
            raise RunFailed(*self._how_it_failed(over))

    def _how_it_failed(self, over: Execution) -> tuple[str, object]:
        if over.state is State.CANCELLED or over.error is None:
            return f"{self.workflow} was cancelled.", None
        text = str(over.error["payload"])
        told = [f"{self.workflow} failed: {text}", str(over.error["context"])]
        told += frames(over.error, self._site.bundle(over))
        return "\n".join(told), json.loads(text)

    def _family(self) -> set[str]:
        """This run and those that it waits for, and so on."""
        family, todo = {self.id}, [self.id]
        while todo:
            for wait in self._site.services.store.waits_of(todo.pop()):
                if wait.kind == "child" and wait.subject is not None:
                    family.add(wait.subject)
                    todo.append(wait.subject)
        return family

    def _waits_for_callbacks(self, runs: set[str]) -> list[Wait]:
        store = self._site.services.store
        return [wait for run in runs for wait in store.waits_of(run) if wait.kind == "callback"]

    def _waits_for_somebody(self) -> list[Wait]:
        """Waits for callbacks, but those to which an answer is on its way."""
        coming = {
            record.callback_url.rpartition("/")[2]
            for record in self._site.inbox.records
            if record.due is not None
        }
        waits = self._waits_for_callbacks(self._family())
        return [wait for wait in waits if wait.subject not in coming]

    def _asked_by(self, runs: set[str]) -> Iterator[Record]:
        records = self._site.inbox.records
        return (record for record in records if record.execution.rpartition("/")[2] in runs)

    def _endpoints(self, run: str) -> Iterator[Callback]:
        store = self._site.services.store
        owner = store.find(run)
        if owner is not None:
            for endpoint in store.callbacks(run):
                yield Callback(self._site, owner, endpoint.id, endpoint.method)
