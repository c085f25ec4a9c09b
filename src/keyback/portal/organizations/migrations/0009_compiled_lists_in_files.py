from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("organizations", "0008_own_mail_domains"),
    ]

    operations = [
        migrations.RemoveField(model_name="bannedlist", name="compiled"),
    ]
