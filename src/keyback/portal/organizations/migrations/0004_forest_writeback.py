from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0003_phone_region"),
    ]

    operations = [
        migrations.AddField(
            model_name="forest",
            name="writeback",
            field=models.BooleanField(default=True),
        ),
    ]
