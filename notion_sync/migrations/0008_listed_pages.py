import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

COPY = """
INSERT INTO notion_sync_listedpage (window_id, page_id)
SELECT id, unnest(page_ids) FROM notion_sync_window
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [("notion_sync", "0007_outbox_choices_and_doubles")]

    operations = [
        migrations.CreateModel(
            name="ListedPage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("page_id", models.UUIDField()),
                (
                    "window",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="pages", to="notion_sync.window"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("window", "page_id"), name="listedpage_once")],
            },
        ),
        migrations.RunSQL(COPY, migrations.RunSQL.noop),
        # The release before this one still reads and writes the column, so it stays until none of it runs.
        migrations.AlterField(
            model_name="window",
            name="page_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), blank=True, db_default=[], default=list, size=None
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="window", name="page_ids")]
        ),
    ]
