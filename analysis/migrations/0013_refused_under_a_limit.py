from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def take_the_present_limit(apps, schema_editor):
    """What was refused so far was refused under the limit that stands, as far as anybody knows."""
    limit = apps.get_model("analysis", "Budget").objects.filter(pk=OuterRef("budget")).values("limit_usd")
    refused = apps.get_model("analysis", "BudgetPeriod").objects.exclude(refused_at=None)
    refused.update(refused_limit_usd=Subquery(limit))


class Migration(migrations.Migration):
    dependencies = [
        ("analysis", "0012_revises"),
    ]

    operations = [
        migrations.AddField(
            model_name="budgetperiod",
            name="refused_limit_usd",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="The limit that could not pay. Under a higher one nothing was refused yet.",
                max_digits=12,
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="budgetperiod",
            constraint=models.CheckConstraint(
                condition=models.Q(("refused_limit_usd", None), ("refused_at__isnull", False), _connector="OR"),
                name="budgetperiod_refusal_has_time",
            ),
        ),
        migrations.RunPython(take_the_present_limit, migrations.RunPython.noop),
    ]
