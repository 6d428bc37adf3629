"""What a run and whoever drives it say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.errors import ErrorValue, Frame
from emulator.values import Value


@dataclass(frozen=True, slots=True)
class Request:
    """Something that a run asks of the world.

    `key` names the request uniquely in its execution, and is the same on every replay: the
    path of the thread and a count, such as "0:3", or "0/p1.4:2" for the second request of
    branch 4 of the first parallel step.
    `args` holds every parameter of the function, by name, with its default where it was not
    given. Only `data`, `text`, `json` and `timeout` of `sys.log` are absent when not given,
    for there null means something. A connector (`googleapis.…`) has the arguments as written.
    """

    key: str
    function: str
    args: Mapping[str, Value]
    routine: str
    step: str
    line: int


@dataclass(frozen=True, slots=True)
class Returned:
    """A reply: what the function gave."""

    value: Value


@dataclass(frozen=True, slots=True)
class Raised:
    """A reply: the error that the function raised."""

    value: ErrorValue


Reply = Returned | Raised


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The end of a run with the result of `main`, which is always JSON."""

    value: Value


@dataclass(frozen=True, slots=True)
class Failed:
    """The end of a run with an error that nothing caught.

    `context` is the text that Google shows; `stack` has the innermost frame first.
    """

    value: ErrorValue
    context: str
    stack: tuple[Frame, ...]


Outcome = Succeeded | Failed
