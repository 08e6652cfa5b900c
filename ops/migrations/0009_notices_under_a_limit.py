from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ops", "0008_calls_for_changes_and_outcomes"),
    ]

    operations = [
        migrations.AddField(
            model_name="budgetnotice",
            name="limit_usd",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="The limit under which it was reached.",
                max_digits=12,
                null=True,
            ),
        ),
    ]
