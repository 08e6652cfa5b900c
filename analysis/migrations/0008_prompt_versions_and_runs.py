import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


def tell_their_story(apps, schema_editor):
    """The first wording of each prompt is its seed; the others are people's. What the ledger knows was served."""
    version, calls = apps.get_model("analysis", "PromptVersion"), apps.get_model("analysis", "LLMCall")
    chosen = apps.get_model("emm", "AuditEntry").objects.filter(action="promptversion.serve")
    seen = set()
    for row in version.objects.order_by("pk"):
        row.origin = "person" if row.name in seen else "seed"
        seen.add(row.name)
        if row.active or calls.objects.filter(prompt_hash__startswith=row.hash[:47]).exists():
            row.served_at = row.created_at
            last = chosen.filter(object_id=str(row.pk)).order_by("-pk").first()
            row.served_by = last.label if last else ""
        row.save(update_fields=["origin", "served_at", "served_by"])


class Migration(migrations.Migration):
    dependencies = [
        ("analysis", "0007_batches"),
        ("emm", "0001_initial"),
        ("notion_sync", "0004_orders_in_items"),
    ]

    operations = [
        migrations.CreateModel(
            name="IntentRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("asked_by", models.CharField(max_length=150)),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="PromptReplay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("started_by", models.CharField(max_length=150)),
                ("reason", models.TextField()),
                ("opened_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "worst_usd",
                    models.DecimalField(decimal_places=6, help_text="As it was shown before the start.", max_digits=12),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReplayCase",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("running", "running"),
                            ("submitted", "submitted: the answer comes later"),
                            ("done", "done"),
                            ("never", "cannot succeed"),
                            ("dead", "failed too often"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("status_since", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("due_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("leased_until", models.DateTimeField(blank=True, null=True)),
                (
                    "claims",
                    models.PositiveIntegerField(default=0, help_text="Rises with every claim: the fencing token."),
                ),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("last_error", models.TextField(blank=True)),
                (
                    "persona",
                    models.CharField(
                        blank=True, help_text="Whose voice; empty for a triage or a synthesis.", max_length=12
                    ),
                ),
                ("answer", models.JSONField(blank=True, help_text="The new answer.", null=True)),
                (
                    "old_rate",
                    models.FloatField(
                        blank=True, help_text="How close the old answer was to what people left.", null=True
                    ),
                ),
                (
                    "new_rate",
                    models.FloatField(
                        blank=True, help_text="How close the new answer is to what people left.", null=True
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="budgetperiod",
            name="refused_at",
            field=models.DateTimeField(
                blank=True, help_text="When it first could not pay for a call: work has been held since.", null=True
            ),
        ),
        migrations.AddField(
            model_name="policy",
            name="stopped_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="policy",
            name="stopped_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
        migrations.AddField(
            model_name="policy",
            name="stopped_why",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="promptversion",
            name="author",
            field=models.CharField(blank=True, db_default="", default="", max_length=150),
        ),
        migrations.AddField(
            model_name="promptversion",
            name="origin",
            field=models.CharField(
                choices=[("seed", "came with a release"), ("person", "written by a person")],
                db_default="seed",
                default="seed",
                max_length=6,
            ),
        ),
        migrations.AddField(
            model_name="promptversion",
            name="served_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was last put into service; nothing for a wording that never was.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="promptversion",
            name="served_by",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Who chose it; nobody where the product did.",
                max_length=150,
            ),
        ),
        migrations.AddField(
            model_name="promptversion",
            name="why",
            field=models.TextField(blank=True, db_default="", default="", help_text="What it is meant to do better."),
        ),
        migrations.AlterField(
            model_name="llmcall",
            name="purpose",
            field=models.CharField(
                help_text="triage, persona, rebuttal or synthesis, and replay or repair behind it.", max_length=40
            ),
        ),
        migrations.AddConstraint(
            model_name="promptversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("origin__in", ["seed", "person"])), name="promptversion_known_origin"
            ),
        ),
        migrations.AddField(
            model_name="intentrun",
            name="intent",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="run", to="notion_sync.intent"
            ),
        ),
        migrations.AddField(
            model_name="intentrun",
            name="item",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="run", to="notion_sync.inboxitem"
            ),
        ),
        migrations.AddField(
            model_name="promptreplay",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="replays", to="analysis.promptversion"
            ),
        ),
        migrations.AddField(
            model_name="replaycase",
            name="replay",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="cases", to="analysis.promptreplay"
            ),
        ),
        migrations.AddField(
            model_name="replaycase",
            name="settlement",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="analysis.settlement",
            ),
        ),
        migrations.AddField(
            model_name="replaycase",
            name="triage",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="analysis.triage",
            ),
        ),
        migrations.AddIndex(
            model_name="replaycase",
            index=models.Index(condition=models.Q(("status", "waiting")), fields=["due_at"], name="replaycase_due"),
        ),
        migrations.AddIndex(
            model_name="replaycase",
            index=models.Index(
                condition=models.Q(("status", "running")), fields=["leased_until"], name="replaycase_leased"
            ),
        ),
        migrations.AddConstraint(
            model_name="replaycase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("leased_until__isnull", False), ("status", "running")),
                    models.Q(models.Q(("status", "running"), _negated=True), ("leased_until__isnull", True)),
                    _connector="OR",
                ),
                name="replaycase_leased_while_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="replaycase",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["waiting", "running", "submitted", "done", "never", "dead"])),
                name="replaycase_known_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="replaycase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("settlement__isnull", False)),
                fields=("replay", "settlement", "persona"),
                name="replaycase_one_voice",
            ),
        ),
        migrations.AddConstraint(
            model_name="replaycase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("triage__isnull", False)), fields=("replay", "triage"), name="replaycase_one_triage"
            ),
        ),
        migrations.AddConstraint(
            model_name="replaycase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("settlement__isnull", False), ("triage__isnull", True)),
                    models.Q(("persona", ""), ("settlement__isnull", True), ("triage__isnull", False)),
                    _connector="OR",
                ),
                name="replaycase_about_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="replaycase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("new_rate__isnull", True),
                    models.Q(("new_rate__range", (0, 1)), ("old_rate__range", (0, 1))),
                    _connector="OR",
                ),
                name="replaycase_rates_are_fractions",
            ),
        ),
        migrations.RunPython(tell_their_story, migrations.RunPython.noop),
    ]
