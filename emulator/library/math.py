"""`math`: three functions, and no more on the service."""

from emulator.errors import error
from emulator.library.registry import function
from emulator.values import MAX_INTEGER


def _as_one_type(result: float, *args: float) -> float:
    """Return an integer only if every argument was one."""
    return float(result) if any(isinstance(arg, float) for arg in args) else result


@function("math.abs(x: number)")
def absolute(x: float) -> float:
    """Return the number without its sign."""
    if isinstance(x, int) and abs(x) > MAX_INTEGER:
        raise error("ValueError", f"integer out of range: {abs(x)}")
    return abs(x)


@function("math.max(x: number, y: number)")
def maximum(x: float, y: float) -> float:
    """Return the larger number."""
    return _as_one_type(max(x, y), x, y)


@function("math.min(x: number, y: number)")
def minimum(x: float, y: float) -> float:
    """Return the smaller number."""
    return _as_one_type(min(x, y), x, y)
