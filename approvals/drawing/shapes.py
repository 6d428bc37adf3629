"""What a picture consists of, as the template paints it. Numbers are whole pixels."""

from dataclasses import dataclass

from approvals.drawing.lettering import Text

LABEL_HEIGHT = 20


@dataclass(frozen=True, slots=True)
class Box:
    """A step, or the end; `title` is all that it says."""

    x: int
    y: int
    width: int
    height: int
    kind: str
    title: str
    texts: tuple[Text, ...] = ()
    here: bool = False  # whether it waits for the answer

    @property
    def middle(self) -> int:
        return self.width // 2

    @property
    def inner_width(self) -> int:
        """Of the rectangle, whose line is two wide."""
        return self.width - 2

    @property
    def inner_height(self) -> int:
        return self.height - 2


@dataclass(frozen=True, slots=True)
class Frame:
    """Round the steps that are in another one."""

    x: int
    y: int
    width: int
    height: int
    title: str

    @property
    def left(self) -> int:
        """Where its title begins."""
        return self.x + 10

    @property
    def foot(self) -> int:
        return self.y + 16


@dataclass(frozen=True, slots=True)
class Label:
    """The words on a line, with a ground behind them."""

    text: str
    tone: str
    x: int
    y: int
    left: int
    width: int

    @property
    def top(self) -> int:
        return self.y - LABEL_HEIGHT // 2

    @property
    def foot(self) -> int:
        return self.y + 4


@dataclass(frozen=True, slots=True)
class Line:
    """From one box to another: the line and its tip, as SVG writes paths."""

    path: str
    tip: str
    kind: str
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """One routine. `left_out`: how many steps are not in it."""

    name: str
    width: int
    height: int
    frames: tuple[Frame, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    left_out: int = 0
