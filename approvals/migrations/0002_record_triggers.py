"""What is recorded cannot be changed or deleted: see `approvals.guards`."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from approvals.guards import guard


def put_in_place(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    guard(editor.connection, apps)


class Migration(migrations.Migration):
    dependencies = [("approvals", "0001_initial")]
    operations = [migrations.RunPython(put_in_place, migrations.RunPython.noop)]
