"""`sys`: the clock and the log are the world's; the environment is given to the run."""

from emulator.library.registry import Context, function, world
from emulator.values import Value

world("sys.now()", blocking=False)
world("sys.sleep(seconds)", blocking=True)
world("sys.sleep_until(time)", blocking=True)
world('sys.log(data?, severity="DEFAULT", text?, json?, timeout?)', blocking=True)


@function("sys.get_env(name: string, default: string|null=null)", with_context=True)
def get_env(context: Context, name: str, default: str | None) -> Value:
    """Return a variable of the execution's environment, or the default where it is not set."""
    return context.env.get(name, default)
