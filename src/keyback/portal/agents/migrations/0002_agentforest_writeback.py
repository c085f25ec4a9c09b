from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="agentforest",
            name="writeback",
            field=models.BooleanField(default=True),
        ),
    ]
