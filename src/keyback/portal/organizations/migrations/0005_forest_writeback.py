from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0004_sign_in_settings"),
    ]

    operations = [
        migrations.AddField(
            model_name="forest",
            name="writeback",
            field=models.BooleanField(default=True),
        ),
    ]
