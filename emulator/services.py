"""What the routes work with, put together once when the server is built."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from emulator.catalog import Catalog
from emulator.clock import Clock, VirtualClock
from emulator.database import Database
from emulator.engine import Engine
from emulator.faults import Faults
from emulator.history import Histories
from emulator.identity import Grants, Issuer
from emulator.resources import account_of
from emulator.settings import APP_ACCOUNT, WORKFLOW_ACCOUNT, Settings, Time
from emulator.store import Store
from emulator.stubs import Stubs

_VIRTUAL_TIME = "virtual-time"


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running emulator."""

    settings: Settings
    clock: Clock
    database: Database
    catalog: Catalog
    store: Store
    issuer: Issuer
    grants: Grants
    stubs: Stubs
    engine: Engine
    histories: Histories
    faults: Faults = field(default_factory=Faults)
    amiss: dict[str, str] = field(default_factory=dict)
    """Why what a watched file says is not deployed, by workflow: it does not build, or is gone."""

    @classmethod
    def open(cls, settings: Settings) -> Services:
        """Open the data file and put the parts together; nothing runs yet.

        Raises:
            UnusableData: the data file cannot be used.
            ValueError: a setting is wrong.
        """
        database = Database(settings.data)
        try:
            database.belongs_to(settings.project, settings.project_number, settings.location)
            return cls._with(settings, _clock(settings, database), database)
        except BaseException:
            database.close()
            raise

    @classmethod
    def _with(cls, settings: Settings, clock: Clock, database: Database) -> Services:
        store = Store(database)
        catalog = Catalog(database, clock)

        def trusted(email: str) -> bool:
            return email in (APP_ACCOUNT, WORKFLOW_ACCOUNT) or email in map(
                account_of, catalog.all()
            )

        grants = Grants(trusted, settings.grants)
        issuer = Issuer(database)
        stubs = Stubs.of(settings.stubs)
        engine = Engine(
            settings=settings,
            clock=clock,
            database=database,
            catalog=catalog,
            store=store,
            issuer=issuer,
            grants=grants,
            stubs=stubs,
        )
        histories = Histories(settings, catalog, store, engine.stand)
        return cls(
            *(settings, clock, database, catalog, store, issuer, grants, stubs, engine, histories)
        )


def _clock(settings: Settings, database: Database) -> Clock:
    """The clock that the settings ask for; virtual time goes on where the data file left it."""
    if settings.time is Time.REAL:
        return Clock(settings.time_scale)

    def keep(moment: float) -> None:
        database.put(_VIRTUAL_TIME, repr(moment))

    kept = database.get(_VIRTUAL_TIME)
    start = float(math.ceil(time.time()) if kept is None else kept)
    keep(start)
    return VirtualClock(start, keep)
