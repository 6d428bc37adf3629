"""Real trouble with the database, struck at a chosen moment of a request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

Execute = Callable[..., Any]


class Fault:
    """Acts before the statement with this number, counted from 0, and before all after it.

    Args:
        once: before that one alone.
    """

    def __init__(self, number: int, act: Callable[[], None], *, once: bool) -> None:
        self.number, self.act, self.once, self.seen = number, act, once, 0

    def __call__(self, execute: Execute, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.seen += 1
        if self.seen == self.number + 1 or (self.struck and not self.once):
            self.act()
        return execute(sql, params, many, context)

    @property
    def struck(self) -> bool:
        return self.seen > self.number


def refuse() -> None:
    """What a database says that is full, or read-only, or takes too long: the connection stays."""
    raise OperationalError("database or disk is full")


def terminate() -> None:
    """PostgreSQL ends this connection's server process, as in a failover."""
    own = connection.connection
    assert own is not None
    with other_session() as session:
        session.execute("SELECT pg_terminate_backend(%s, 5000)", [own.info.backend_pid])


def terminate_after() -> None:
    """The same once something is done, whose answer is lost on the way."""
    terminate()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@contextmanager
def other_session() -> Iterator[psycopg.Connection[Any]]:
    """A connection to the same PostgreSQL database that Django knows nothing of."""
    given = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    own = {name: given[name] for name in names if name in given}
    session = psycopg.connect(**own, autocommit=True)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def struck(number: int, act: Callable[[], None] = refuse, *, once: bool = False) -> Iterator[Fault]:
    """Inside the block, trouble comes before the statement with this number."""
    fault = Fault(number, act, once=once)
    with connection.execute_wrapper(fault):
        yield fault


@contextmanager
def struck_at(words: str, act: Callable[[], None] = refuse) -> Iterator[None]:
    """Inside the block, trouble comes before each statement that has these words in it."""

    def strike(execute: Execute, sql: str, params: Any, many: bool, context: Any) -> Any:
        if words in sql:
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(strike):
        yield


@contextmanager
def at_commit(act: Callable[[], None], *, made: bool) -> Iterator[None]:
    """Inside the block, something happens at the next COMMIT: after it was made, or before."""
    acts = [act]
    real = BaseDatabaseWrapper._commit  # type: ignore[attr-defined]  # the stubs have it not

    def commit(wrapper: BaseDatabaseWrapper) -> None:
        if made:
            real(wrapper)
        while acts:
            acts.pop()()
        if not made:
            real(wrapper)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "_commit", commit)
        yield
