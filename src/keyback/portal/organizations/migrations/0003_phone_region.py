from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0002_banned_list"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="phone_region",
            field=models.CharField(blank=True, max_length=2),
        ),
    ]
