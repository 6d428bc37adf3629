"""`make run` puts its demo people into no database but one of this machine."""

import pytest

from config.databases import require_local_database
from config.local import read_plan
from config.processes import CannotRun


class TestRequireLocalDatabase:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "sqlite:////tmp/inbox.sqlite3",
            "postgres://me:secret@127.0.0.1:5432/inbox",
            "postgres://me:secret@localhost/inbox",
            "postgres://me@[::1]/inbox",
            "postgres:///inbox",
            "postgres:////var/run/postgresql/inbox",
            "postgres:///inbox?host=/var/run/postgresql",
        ],
    )
    def test_one_of_this_machine_is_taken(self, url):
        require_local_database({"DATABASE_URL": url})

    @pytest.mark.parametrize(
        "url",
        [
            "postgres://me:secret@db.example.com:5432/inbox",
            "postgresql://me:a#b?c@db.example.com/inbox",
            "postgres://127.0.0.1,db.example.com/inbox",
            "postgres://me@127.0.0.1.example.com/inbox",
            "postgres://10.1.2.3/inbox",
            "postgres:///inbox?host=db.example.com",
            "postgres://127.0.0.1/inbox?hostaddr=10.1.2.3",
            "postgres:///inbox?service=production",
            "mysql://db.example.com/inbox",
            "$PRODUCTION_URL",
        ],
    )
    @pytest.mark.filterwarnings("ignore:Engine not recognized")
    def test_one_elsewhere_is_refused(self, url):
        with pytest.raises(CannotRun, match=r"^DATABASE_URL leads to .* Unset it") as refusal:
            require_local_database({"DATABASE_URL": url})

        assert "secret" not in str(refusal.value)

    @pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
    def test_what_postgresql_itself_goes_by_counts_where_no_host_is_named(self, name):
        given = {"DATABASE_URL": "postgres:///inbox", name: "10.1.2.3"}

        with pytest.raises(CannotRun, match=r"leads to 10\.1\.2\.3"):
            require_local_database(given)
        require_local_database(given | {"DATABASE_URL": "postgres://localhost/inbox"})

    def test_make_run_asks_before_it_does_anything(self):
        with pytest.raises(CannotRun, match=r"leads to db\.example\.com"):
            read_plan({"DATABASE_URL": "postgres://db.example.com/inbox"})
