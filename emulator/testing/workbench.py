"""What a test deploys, starts and lets time pass for: the fixture `workflows`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

from emulator import creation
from emulator.catalog import Definition
from emulator.faults import Fault, Kind
from emulator.refusal import Refusal
from emulator.stubs import Answer, Stub, read
from emulator.testing.approval import Approval
from emulator.testing.callback import Callback
from emulator.testing.errors import CannotDeploy, TestingError
from emulator.testing.played import PlayedInbox
from emulator.testing.run import Run
from emulator.testing.site import Site
from workflows.bundle import Bundle, BundleError, bundle, bundle_file, shown, workflow_id

__tracebackhide__ = True  # a test that fails shows its own lines


class Workflows:
    """One emulator with an inbox, and a clock that stands still until it is told to go on.

    Args:
        root: where relative paths begin: pytest's rootdir.
        scratch: a folder for sources that are given as text.
    """

    def __init__(self, site: Site, root: Path, scratch: Path) -> None:
        self._site = site
        self._root = root
        self._scratch = scratch
        self.inbox = PlayedInbox(site)

    # --- deploying ------------------------------------------------------------------------------

    def deploy(
        self,
        source: str | Path,
        *,
        name: str = "main",
        env: Mapping[str, str] | None = None,
        service_account: str = "",
    ) -> Sequence[str]:
        """Deploy a file, the files of a folder, or a source; libraries are appended.

        Args:
            source: a path below pytest's rootdir; a text of more than one line is the source
                itself, indented as a whole or not.
            name: under which a source is deployed that is a text.
            env: variables for `sys.get_env`, besides `COUNTERSIGN_URL`.
            service_account: e-mail address of the account that the workflows run as.

        Returns:
            The names of the workflows.

        Raises:
            CannotDeploy: with the author's file, line and column.
        """
        variables = {"COUNTERSIGN_URL": self.inbox.url, **(env or {})}
        fields: dict[str, object] = {"userEnvVars": variables}
        if service_account:
            fields["serviceAccount"] = service_account
        bundles = self._bundles(source, name)
        for workflow, complete in bundles.items():
            self._deploy(workflow, complete, {"sourceContents": complete.text, **fields})
        return list(bundles)

    def stub(self, call: str, *answers: Answer, when: Mapping[str, Any] | None = None) -> None:
        """Say what a call is answered; calls that no stub fits fail. The latest stub counts first.

        Args:
            call: `POST https://ledger.example/payments`, or a connector such as
                `googleapis.storage.v1.objects.get`; `*` is any text.
            answers: `responds(…)`, `returns(…)` or `raises(…)`: the first call is given the first,
                and so on; the last one is given again.
            when: what the arguments must be.

        Raises:
            ValueError: it could answer no call.
        """
        stub = Stub(call, *answers, when=when)
        self._site.do(lambda: self._site.services.stubs.add(stub))

    def stub_file(self, path: str | Path) -> None:
        """Take the stubs of a file, which `python -m emulator serve --stubs` reads as well.

        Raises:
            ValueError: something in it cannot be used; the text says what and where.
        """
        found = read(self._root / path)
        self._site.do(lambda: self._site.services.stubs.add(*found.stubs))

    def fault(self, kind: str, *, on: Approval | Callback | Run | None = None, **how: Any) -> None:
        """Let the next request to a callback go wrong, as `python -m emulator` can: see its page.

        Args:
            kind: `reset`, `status`, `delay` and so on.
            on: whose callback; None is whatever is sent next.
            how: `times`, `stored`, `statuses`, `seconds` and so on.

        Raises:
            ValueError: something does not go together; the text says what.
        """
        target: dict[str, Any] = {}
        if isinstance(on, Run):
            target["execution"] = on.id
        elif on is not None:
            target["callback"] = on.id if isinstance(on, Callback) else on.callback
        fault = Fault(Kind(kind), **target, **how)
        self._site.do(lambda: self._site.services.faults.add(fault))

    # --- running --------------------------------------------------------------------------------

    def start(self, workflow: str, argument: Any = None) -> Run:
        """Start an execution, and return when it waits or is over.

        Raises:
            TestingError: no such workflow is deployed, or the argument is too large.
        """
        return self._site.run(self._start(workflow, json.dumps(argument)))

    def runs(self, workflow: str | None = None) -> Sequence[Run]:
        """The executions so far, oldest first, those that others have started included.

        Args:
            workflow: of this one only.
        """
        found = self._site.do(lambda: self._site.executions(workflow))
        return [Run(self._site, execution.id, execution.workflow) for execution in found]

    # --- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The time that `sys.now` tells. It begins with the real time, in whole seconds."""
        return self._site.services.clock.now()

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Let time pass, for all runs and the inbox: what is due in it happens, in order.

        Raises:
            ValueError: it would go back.
        """
        passing = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if passing < timedelta():
            raise ValueError("time does not go back")
        self._site.run(self._site.timeline.advance(passing.total_seconds()))

    def advance_to(self, moment: datetime) -> None:
        """Let time pass until a moment, which has a time zone.

        Raises:
            ValueError: it has passed.
        """
        self.advance(seconds=(moment - self.now).total_seconds())

    # --- parts ----------------------------------------------------------------------------------

    def _bundles(self, source: str | Path, name: str) -> dict[str, Bundle]:
        try:
            if isinstance(source, str) and "\n" in source:
                path = self._scratch / f"{name}.yaml"
                path.write_text(dedent(source), encoding="utf-8")
                return {name: bundle_file(path)}
            path = self._root / source
            return bundle(path) if path.is_dir() else {workflow_id(path): bundle_file(path)}
        except BundleError as wrong:
            raise self._cannot_deploy(str(wrong)) from None
        except OSError as missing:
            raise CannotDeploy(
                f"{missing.filename}: {missing.strerror}. Relative paths begin at {self._root},"
                " pytest's rootdir"
            ) from None

    def _deploy(self, workflow: str, complete: Bundle, fields: Mapping[str, object]) -> None:
        def act() -> Definition:
            catalog = self._site.services.catalog
            old = catalog.find(workflow)
            return catalog.create(workflow, fields) if old is None else catalog.update(old, fields)

        self._site.bundles[complete.text] = complete
        try:
            self._site.do(act)
        except Refusal as refusal:
            raise self._cannot_deploy(complete.explain(refusal.message)) from None

    def _cannot_deploy(self, told: str) -> CannotDeploy:
        """The error with the name alone of a source that was given as text: `main.yaml:3:5`."""
        return CannotDeploy(told.replace(f"{shown(self._scratch)}/", ""))

    async def _start(self, workflow: str, argument: str) -> Run:
        services = self._site.services
        definition = services.catalog.find(workflow)
        if definition is None:
            known = ", ".join(found.workflow for found in services.catalog.all()) or "none"
            raise TestingError(
                f"no workflow {workflow!r} is deployed: workflows.deploy(…) it first. Deployed:"
                f" {known}"
            )
        try:
            given, settings = creation.read({"argument": argument})
        except Refusal as refusal:
            raise TestingError(refusal.message) from None
        settings = creation.settings(definition, settings)
        started = services.engine.create(definition, given, settings)
        await self._site.timeline.settle()
        return Run(self._site, started.id, workflow)
