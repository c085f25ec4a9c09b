from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mail_messages", "0001_initial"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="message",
            name="mail_due",
        ),
        migrations.AddField(
            model_name="message",
            name="channel",
            field=models.CharField(
                choices=[("mail", "Mail"), ("sms", "Sms"), ("voice", "Voice")], default="mail", max_length=5
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "sending"])),
                fields=["channel", "next_attempt_at"],
                name="message_due",
            ),
        ),
    ]
