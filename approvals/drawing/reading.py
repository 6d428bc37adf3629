"""A source read into its steps. Total: whatever cannot be understood is left out."""

import re
from typing import Any
from urllib.parse import urlsplit

from approvals.drawing.expressions import beginning
from approvals.drawing.graph import MAIN, Graph, Kind, Part, Role, Step
from approvals.drawing.tree import MAX_TEXT, Tree, Unreadable, tree

MAX_STEPS = 2000
MAX_NESTED = 16  # lists of steps in one another
MAX_CASES = 50  # Google's most
# Subworkflows that are appended when a workflow is deployed (workflows/request_approval.yaml).
OURS = frozenset({"post_to_inbox", "report_outcome", "request_approval", "withdraw_approvals"})

_KINDS = (
    ("switch", Kind.SWITCH),
    ("for", Kind.FOR),
    ("parallel", Kind.PARALLEL),
    ("try", Kind.TRY),
    ("steps", Kind.STEPS),
    ("call", Kind.CALL),
    ("assign", Kind.ASSIGN),
    ("return", Kind.RETURN),
    ("raise", Kind.RAISE),
)
_NAMED = re.compile(r"^[ \t]*-[ \t]+[\"']?([^\s\"':#]{1,100})[\"']?\s*:", re.MULTILINE)
_HOST = re.compile(r"https?://[^/?#\\\s]+(?=[/?#])", re.IGNORECASE)


def read(source: str) -> Graph:
    """The workflow of a source; where it is none, the names that look like steps."""
    try:
        found = tree(source)
    except Unreadable:
        return _names_of(source)
    reader = _Reader()
    routines: dict[str, tuple[Step, ...]] = {}
    for name, steps in _routines(found).items():
        routines[name] = reader.steps(steps, name, 0)
    if not any(routines.values()):
        return _names_of(source)
    return Graph(routines, folded=OURS & routines.keys() - {MAIN}, cut=reader.cut)


def _names_of(source: str) -> Graph:
    """A workflow that is not understood: what looks like the name of a step, in order."""
    names = [found[1] for found in _NAMED.finditer(source[:MAX_TEXT])]
    steps = [Step(number, MAIN, name, Kind.NOTHING) for number, name in enumerate(names)]
    return Graph({MAIN: tuple(steps[:MAX_STEPS])}, cut=len(steps) > MAX_STEPS, understood=False)


def _routines(found: Tree) -> dict[str, Tree]:
    """The steps of each routine: of the short form, a list, these are `main`'s."""
    if isinstance(found, list):
        return {MAIN: found}
    if not isinstance(found, dict):
        return {}
    return {
        name: body.get("steps") if isinstance(body, dict) else body for name, body in found.items()
    }


class _Reader:
    """Reads lists of steps, and numbers the steps."""

    def __init__(self) -> None:
        self.number = 0
        self.cut = False

    def steps(self, listed: Tree, routine: str, depth: int) -> tuple[Step, ...]:
        """The steps of a list; each is a map with one key, its name."""
        if not isinstance(listed, list):
            return ()
        if depth >= MAX_NESTED:
            self.cut = self.cut or bool(listed)
            return ()
        found: list[Step] = []
        for entry in listed:
            for name, body in entry.items() if isinstance(entry, dict) else ():
                if self.number >= MAX_STEPS:
                    self.cut = True
                    return tuple(found)
                found.append(self.step(name, body, routine, depth))
        return tuple(found)

    def step(self, name: str, body: Tree, routine: str, depth: int) -> Step:
        """A step with all in it."""
        number, self.number = self.number, self.number + 1
        body = body if isinstance(body, dict) else {}
        parts: list[Part] = []
        tried = body.get("try")
        if "try" in body:
            parts = self._except(body.get("except"), routine, depth)
            inline = isinstance(tried, dict) and "steps" not in tried
            body = {**tried, "next": body.get("next")} if inline and tried else body
        kind = next((kind for key, kind in _KINDS if key in body), Kind.NOTHING)
        parts = self._parts(kind, body, routine, depth + 1) + parts
        args = body.get("args")
        return Step(
            *(number, routine, name, kind, tuple(parts)),
            next=_text(body.get("next")),
            call=_text(body.get("call")) if kind is Kind.CALL else "",
            host=_host(args) if kind is Kind.CALL else "",
            result=_text(body.get("result")),
            assigns=_assigns(body.get("assign")) if kind is Kind.ASSIGN else (),
            value=body.get("return", body.get("raise")),
            asks=args if isinstance(args, dict) else None,
        )

    def _parts(self, kind: Kind, body: dict[str, Tree], routine: str, depth: int) -> list[Part]:
        if kind is Kind.SWITCH:
            return self._cases(body["switch"], routine, depth)
        if kind is Kind.STEPS:
            return [Part(Role.BODY, self.steps(body["steps"], routine, depth))]
        if kind is Kind.TRY:
            tried = body["try"]
            listed = tried.get("steps") if isinstance(tried, dict) else tried
            return [Part(Role.TRY, self.steps(listed, routine, depth))]
        if kind in {Kind.FOR, Kind.PARALLEL}:
            held = body[kind.value]
            return self._loop(held, routine, depth) if isinstance(held, dict) else []
        return []

    def _loop(self, held: dict[str, Tree], routine: str, depth: int) -> list[Part]:
        """The body of a loop, of a parallel one too, or the branches of a parallel step."""
        inner = held.get("for")
        body = inner.get("steps") if isinstance(inner, dict) else held.get("steps")
        parts = [Part(Role.BODY, self.steps(body, routine, depth))] if body else []
        branches = held.get("branches")
        for branch in branches[:MAX_CASES] if isinstance(branches, list) else ():
            for name, each in branch.items() if isinstance(branch, dict) else ():
                parts.append(Part(Role.BRANCH, self._body(each, routine, depth), name=name))
        return parts

    def _cases(self, listed: Tree, routine: str, depth: int) -> list[Part]:
        parts = []
        for case in listed[:MAX_CASES] if isinstance(listed, list) else ():
            if not isinstance(case, dict):
                continue
            steps = self._body(case, routine, depth)
            jump = _text(case.get("next"))
            parts.append(Part(Role.CASE, steps, condition=case.get("condition"), next=jump))
        return parts

    def _body(self, held: Tree, routine: str, depth: int) -> tuple[Step, ...]:
        """A list of steps under `steps`, or a step without a name that stands right there."""
        if isinstance(held, list):
            return self.steps(held, routine, depth)
        if not isinstance(held, dict):
            return ()
        if "steps" in held:
            return self.steps(held["steps"], routine, depth)
        if not any(key in held for key, _ in _KINDS) or depth >= MAX_NESTED:
            return ()
        return (self.step("", held, routine, depth),)

    def _except(self, held: Tree, routine: str, depth: int) -> list[Part]:
        if not isinstance(held, dict | list):
            return []
        return [Part(Role.EXCEPT, self._body(held, routine, depth + 1))]


def _text(value: Tree) -> str:
    return value if isinstance(value, str) else ""


def _assigns(listed: Tree) -> tuple[tuple[str, Any], ...]:
    if not isinstance(listed, list):
        return ()
    return tuple(
        (target.strip(), value)
        for entry in listed
        if isinstance(entry, dict)
        for target, value in entry.items()
    )


def _host(args: Tree) -> str:
    """The host of the URL that a request goes to, where the source itself says it.

    Nothing else of a URL is kept: paths, queries and user names may be secrets.
    """
    if isinstance(args, list):
        url = next((each for each in args if isinstance(each, str) and "://" in each), "")
    else:
        url = _text(args.get("url")) if isinstance(args, dict) else ""
    text, whole = beginning(url)
    match = _HOST.match(text if not whole else f"{text}/")
    try:
        return (urlsplit(match[0]).hostname or "")[:100] if match else ""
    except ValueError:
        return ""
