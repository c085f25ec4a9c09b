"""What is kept of a cloud person's password, and what may become one."""

from datetime import datetime

from argon2 import PasswordHasher

from keyback.portal.people.cloud import set_password, verify_password
from keyback.portal.people.models import CloudPassword, Person

OLD = "Sommer-war-warm-6"


def test_the_hash_is_argon2id_and_an_older_one_is_made_anew_when_it_is_used(ana: Person, now: datetime) -> None:
    set_password(ana, OLD, now)
    CloudPassword.objects.update(hash=PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(OLD))
    assert not verify_password(ana, "wrong")
    assert "m=1024" in CloudPassword.objects.get().hash
    assert verify_password(ana, OLD)
    strong = CloudPassword.objects.get()
    assert strong.hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert strong.changed_at == now
    assert verify_password(ana, OLD)
    assert CloudPassword.objects.get().hash == strong.hash
