"""`list`: new lists with one element more."""

from emulator.library.registry import Context, function
from emulator.memory import List, with_inserted
from emulator.values import Value


@function("list.concat(objs: list, val)", with_context=True)
def concat(context: Context, objs: List, val: Value) -> List:
    """Return the list with the value after it, as one element even when it is a list."""
    return with_inserted(objs, len(objs), val, context.limits)


@function("list.prepend(objs: list, val)", with_context=True)
def prepend(context: Context, objs: List, val: Value) -> List:
    """Return the list with the value before it, as one element even when it is a list."""
    return with_inserted(objs, 0, val, context.limits)
