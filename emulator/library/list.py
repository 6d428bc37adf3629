"""`list`: new lists with one element more."""

from emulator.library.registry import Context, function
from emulator.memory import List, make_list, with_item
from emulator.values import Value


@function("list.concat(objs: list, val)", with_context=True)
def concat(context: Context, objs: List, val: Value) -> List:
    """Return the list with the value after it, as one element even when it is a list."""
    return with_item(objs, len(objs), val, context.limits)


@function("list.prepend(objs: list, val)", with_context=True)
def prepend(context: Context, objs: List, val: Value) -> List:
    """Return the list with the value before it, as one element even when it is a list."""
    return make_list([val, *objs], context.limits)
