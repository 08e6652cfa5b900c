from django.db import migrations, models
from django.db.models import Q

RATES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")


def drop_what_is_no_price(apps, schema_editor):
    """A price below 0 gives money back for a call. Without it the price before counts, or the model is refused."""
    below = Q(*((f"{rate}__lt", 0) for rate in RATES), _connector=Q.OR)
    apps.get_model("analysis", "ModelPrice").objects.filter(below).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("analysis", "0013_refused_under_a_limit"),
    ]

    operations = [
        migrations.RunPython(drop_what_is_no_price, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="modelprice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cache_read__gte", 0),
                    ("cache_write_1h__gte", 0),
                    ("cache_write_5m__gte", 0),
                    ("input__gte", 0),
                    ("output__gte", 0),
                ),
                name="modelprice_not_negative",
                violation_error_message="No price is below 0.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="budget",
            name="budget_not_negative",
            constraint=models.CheckConstraint(
                condition=models.Q(("limit_usd__gte", 0)),
                name="budget_not_negative",
                violation_error_message="A budget is not below 0. With 0 nothing may be spent.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="policy",
            name="policy_confidence_is_fraction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("strategic_min_confidence__range", (0, 1)),
                    ("operational_min_confidence__range", (0, 1)),
                    ("reference_min_confidence__range", (0, 1)),
                ),
                name="policy_confidence_is_fraction",
                violation_error_message="A confidence is a fraction: 0 to 1.",
            ),
        ),
        migrations.AlterConstraint(
            model_name="policy",
            name="policy_known_impacts",
            constraint=models.CheckConstraint(
                condition=models.Q(("standard_from_impact__range", (1, 8)), ("deep_from_impact__range", (1, 11))),
                name="policy_known_impacts",
                violation_error_message="Standard is from an impact of 1 to 8 on, deep from 1 to 11.",
            ),
        ),
    ]
