"""Thousands of plain accounts at once, written past LDAP into the controller's own database."""

from __future__ import annotations

from lab import _namespace, people
from lab.forest import Forest

# Runs with the controller's own Python. One transaction for a thousand: each costs a flush to the disk.
_SCRIPT = r"""
import sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

unit, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
database = SamDB(url="/forest/private/sam.ldb", session_info=system_session(), lp=LoadParm("/forest/etc/smb.conf"))
base = str(database.domain_dn())
domain = base.replace(",DC=", ".").replace("DC=", "")
for start in range(first, first + count, 1000):
    database.transaction_start()
    for number in range(start, min(first + count, start + 1000)):
        account = f"crowd{number:06d}"
        database.add({
            "dn": f"CN=Crowd {number:06d},{unit},{base}",
            "objectClass": "user",
            "sAMAccountName": account,
            "userPrincipalName": f"{account}@{domain}",
            "givenName": "Crowd",
            "sn": f"Number {number:06d}",
            "displayName": f"Crowd Number {number:06d}",
            "mail": f"{account}@example.test",
            "mobile": f"+44 7700 {number:06d}",
            "userAccountControl": "544",
        })
    database.transaction_commit()
"""


def add_crowd(forest: Forest, count: int, first: int = 0) -> None:
    """``count`` people among the others, with mail and mobile and without a password: ``crowd000000`` and so on. Some
    150 a second."""
    command = ["python3", "-c", _SCRIPT, people.PEOPLE_OU, str(first), str(count)]
    _namespace.run_inside(forest.root, command, forest=forest.data_of(forest.controllers[0]))
