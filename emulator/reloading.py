"""Workflow files that change while the emulator runs: each change becomes a revision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from pathlib import Path

import watchfiles

from emulator import console
from emulator.catalog import Catalog, program
from emulator.errors import SourceError
from emulator.parser import parse
from emulator.refusal import Refusal
from workflows.bundle import (
    SHIPPED,
    Bundle,
    Gathered,
    gather,
    may_be_workflow,
    shown,
    workflow_id,
)

_LOOK_EVERY = 1000  # milliseconds, should no change be told: folders come and go
_SETTLED_AFTER = 0.1
"""Seconds for which files must have been left alone: editors write in several steps."""

Stamps = Mapping[Path, tuple[int, int, int]]
"""When each file was last written, its size and its identity."""


class Folder:
    """The workflows of a folder as they were last seen.

    What a client deploys under the same name stays until the file changes again. Running
    executions keep their revision; the other fields of a workflow are left as they are.

    Args:
        known: what counts as seen; None for what is there now.
        variables: the environment of workflows that are new.
        amiss: takes why what a file says is not deployed, by workflow.
    """

    def __init__(
        self,
        path: Path,
        catalog: Catalog,
        known: Gathered | None,
        variables: Mapping[str, str],
        amiss: MutableMapping[str, str],
    ) -> None:
        self._path = path
        self._catalog = catalog
        self._variables = variables
        self._amiss = amiss
        self._stamps: Stamps | None = None
        self._gone: set[str] = set()
        found = gather(path) if known is None else known
        self._texts = {workflow: complete.text for workflow, complete in found.bundles.items()}
        self._wrong = {path: str(error) for path, error in found.problems}
        self._unusable: set[str] = set()
        self._note_unusable(found)
        for workflow, complete in found.bundles.items():
            try:
                program(complete.text)
            except SourceError as problem:
                self._note(workflow, complete, problem)

    async def watch(self) -> None:
        """Deploy what changes, for ever."""
        while True:
            try:
                await self._look_whenever_told()
            except (OSError, RuntimeError):  # no such folder now, or no more watches to be had
                await self._look_safely()
                await asyncio.sleep(_LOOK_EVERY / 1000)

    async def _look_whenever_told(self) -> None:
        """Return when the folder is another one than at the beginning."""
        identity = self._path.stat().st_ino
        async for _ in watchfiles.awatch(
            *{self._path.resolve(), SHIPPED},
            watch_filter=None,
            debounce=_LOOK_EVERY,
            rust_timeout=_LOOK_EVERY,
            yield_on_timeout=True,
            recursive=False,
        ):
            await self._look_safely()
            if self._path.stat().st_ino != identity:
                return

    async def _look_safely(self) -> None:
        """Look, and go on whatever happens: without looks nothing would be deployed again."""
        try:
            await self.look()
        except FileNotFoundError:  # a folder that is being replaced
            return
        except Exception:
            console.trouble("reload-broken", folder=self._path)

    async def look(self) -> None:
        """Deploy what is different from the last time, once nobody writes any more."""
        while (stamps := _stamps(self._path)) != self._stamps or self._gone:
            await asyncio.sleep(_SETTLED_AFTER)
            if _stamps(self._path) != stamps:
                continue
            found = await asyncio.to_thread(gather, self._path)
            if _stamps(self._path) == stamps:
                self._stamps = stamps
                self._take(found)
                return

    def _take(self, found: Gathered) -> None:
        self._note_unusable(found)
        for workflow, complete in found.bundles.items():
            if self._texts.get(workflow) != complete.text:
                self._texts[workflow] = complete.text
                self._deploy(workflow, complete)
        wrong = {path: str(error) for path, error in found.problems}
        for path, told in wrong.items():
            if self._wrong.get(path) != told:
                console.complain(told)
        self._wrong = wrong
        self._miss(set() if wrong else self._texts.keys() - found.bundles.keys())

    def _miss(self, missing: set[str]) -> None:
        """Say which files are gone, if they still are at the second look: some are moved."""
        for workflow in sorted(missing & self._gone):
            del self._texts[workflow]
            kept = self._catalog.find(workflow)
            self._amiss.pop(workflow, None)
            if kept is not None:
                self._amiss[workflow] = f"its file in {shown(self._path)} is gone"
                console.event("workflow-file-gone", workflow=workflow, still=kept.revision)
        self._gone = missing - self._gone

    def _deploy(self, workflow: str, complete: Bundle) -> None:
        old = self._catalog.find(workflow)
        still = "" if old is None else old.revision
        file = shown(complete.files[0][1])
        try:
            parse(complete.text)
            if old is None:
                fields: dict[str, object] = {"sourceContents": complete.text}
                if self._variables:
                    fields["userEnvVars"] = dict(self._variables)
                new = self._catalog.create(workflow, fields)
            else:
                new = self._catalog.deploy(workflow, complete.text)
        except SourceError as problem:
            self._note(workflow, complete, problem)
            for each in problem.all:
                console.complain(complete.explain(str(each)))
            console.event("workflow-broken", workflow=workflow, file=file, still=still)
        except Refusal as refused:
            self._amiss[workflow] = f"{file}: {refused}"
            console.complain(f"{file}: {refused}")
        else:
            self._amiss.pop(workflow, None)
            name = "workflow-unchanged" if new.revision == still else "workflow-deployed"
            console.event(name, workflow=workflow, revision=new.revision, file=file)

    def _note(self, workflow: str, complete: Bundle, problem: SourceError) -> None:
        """Keep why a file is not deployed: the first thing that is wrong with it."""
        self._amiss[workflow] = complete.explain(str(problem)).partition("\n")[0]

    def _note_unusable(self, found: Gathered) -> None:
        """Keep why files cannot be used at all, and forget it of those that can by now."""
        for workflow in self._unusable:
            self._amiss.pop(workflow, None)
        told = {workflow_id(path): str(error) for path, error in found.problems}
        self._unusable = told.keys() - found.bundles.keys()
        self._amiss.update((workflow, told[workflow]) for workflow in self._unusable)


def _stamps(folder: Path) -> Stamps:
    """The state of the files that count: those of the folder and those that are shipped."""
    found = {}
    for path in (*folder.iterdir(), *SHIPPED.iterdir()):
        if may_be_workflow(path):
            state = path.stat()
            found[path] = (state.st_mtime_ns, state.st_size, state.st_ino)
    return found
