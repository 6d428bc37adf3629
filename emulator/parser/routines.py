"""The routines of a source, in its long form and in its short one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emulator.document import Mapping, Node, Scalar, Sequence
from emulator.errors import SourceError, gathered
from emulator.expressions import is_name
from emulator.limits import Limits
from emulator.parser.shapes import a_list, a_map, a_name, a_pair, fail, known_keys, located
from emulator.parser.steps import StepParser
from emulator.syntax import Parameter, Routine, Workflow

_OF_STUBS = frozenset(("strict", "stubs"))
"""The keys of a stub file."""


class RoutineParser:
    """Makes the tree of a whole workflow."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._steps = StepParser(limits)
        self.skipped = self._steps.skipped

    def workflow(self, root: Node) -> Workflow:
        """Return all routines of a source: a map of them, or the steps of main alone.

        Steps that are wrong are `skipped`: what is returned may be checked, and not run.
        """
        if isinstance(root, Sequence):
            with self._inside("main"):
                main = Routine("main", (), self._steps.block(root, root), root.where)
            return Workflow({"main": main})
        a_map(root, "the source", root)
        assert isinstance(root, Mapping)
        if "stubs" in root.keys and not root.keys.keys() - _OF_STUBS:
            raise fail(root, "this looks like a stub file, for --stubs: a workflow has 'main'")
        routines = {}
        with gathered() as part:
            for key, node in root.entries:
                with part():
                    routines[key.text.value] = self._routine(key, node)
        if "main" not in routines:
            raise fail(root, "the workflow has no 'main'")
        return Workflow(routines)

    def _routine(self, key: Scalar, node: Node) -> Routine:
        name = key.text.value
        with self._inside(name):
            if not is_name(name):
                raise fail(key, "a subworkflow's name must be letters, digits and underscores")
            if isinstance(node, Sequence):
                return Routine(name, (), self._steps.block(node, key), key.where)
            body = a_map(node, "a workflow", key)
            known_keys(body, ("params", "steps"), "a workflow")
            params = self._params(body.get("params"), name)
            return Routine(name, params, self._steps.block(body.get("steps"), body), key.where)

    @contextmanager
    def _inside(self, routine: str) -> Iterator[None]:
        """Say in all errors, those of skipped steps too, which routine they are in."""
        before = len(self.skipped.problems)
        try:
            with located(routine=routine):
                yield
        finally:
            for problem in self.skipped.problems[before:]:
                problem.routine = routine

    def _params(self, node: Node | None, routine: str) -> tuple[Parameter, ...]:
        if node is None or (isinstance(node, Sequence) and not node.items):
            return ()
        most = 1 if routine == "main" else self._limits.parameters
        params = [self._param(item) for item in a_list(node, "params", node, most).items]
        for index, param in enumerate(params):
            if param.name in {earlier.name for earlier in params[:index]}:
                where = param.where
                raise SourceError(f"duplicate parameter '{param.name}'", where.line, where.column)
        return tuple(params)

    def _param(self, node: Node) -> Parameter:
        if isinstance(node, Mapping):
            key, value = a_pair(node, "a parameter with a default")
            return Parameter(a_name(key, "a parameter", key), self._steps.value(value), key.where)
        return Parameter(a_name(node, "a parameter", node), None, node.where)
