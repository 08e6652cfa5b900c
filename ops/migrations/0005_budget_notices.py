import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analysis", "0008_prompt_versions_and_runs"),
        ("ops", "0002_levels_and_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="Spend",
            fields=[],
            options={
                "verbose_name_plural": "spend",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("analysis.llmcall",),
        ),
        migrations.CreateModel(
            name="BudgetNotice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("step", models.PositiveSmallIntegerField(help_text="Percent of the budget.")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="analysis.budgetperiod"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("period", "step"), name="budgetnotice_once"),
                    models.CheckConstraint(
                        condition=models.Q(("step__in", [75, 90, 100])), name="budgetnotice_known_step"
                    ),
                ],
            },
        ),
    ]
