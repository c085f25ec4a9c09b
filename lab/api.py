"""What tests do to a running forest; each function takes the :class:`lab.Forest` first.

Policies: :func:`set_policy`, :func:`add_policy`, :func:`reset_policies`, :func:`set_filter`. People:
:func:`new_person`, :func:`add_crowd`, :func:`reset_person`, :func:`delete_person`, :func:`set_password`,
:func:`lock_out`, :func:`unlock`, :func:`age_password`, :func:`set_attributes`, :func:`get_attributes`,
:func:`set_admin_count`, :func:`set_inheritance`, :func:`add_to_group`, :func:`remove_from_group`. The service
account's rights: :func:`remove_right`, :func:`deny_right`, :func:`allow_right`, :func:`restore_rights`. Witnesses:
:func:`kinit`, :func:`bind`, :func:`audit`, :func:`password_version`.
"""

from lab._accounts import (
    add_to_group,
    age_password,
    delete_person,
    get_attributes,
    lock_out,
    new_person,
    password_version,
    remove_from_group,
    reset_person,
    set_admin_count,
    set_attributes,
    set_inheritance,
    set_password,
    unlock,
)
from lab._audit import AuditEvent, audit
from lab._crowd import add_crowd
from lab._policy import add_policy, duration, reset_policies, set_filter, set_policy
from lab._rights import Right, allow_right, deny_right, remove_right, restore_rights
from lab._signin import SignIn, bind, kinit

__all__ = [
    "AuditEvent",
    "Right",
    "SignIn",
    "add_crowd",
    "add_policy",
    "add_to_group",
    "age_password",
    "allow_right",
    "audit",
    "bind",
    "delete_person",
    "deny_right",
    "duration",
    "get_attributes",
    "kinit",
    "lock_out",
    "new_person",
    "password_version",
    "remove_from_group",
    "remove_right",
    "reset_person",
    "reset_policies",
    "restore_rights",
    "set_admin_count",
    "set_attributes",
    "set_filter",
    "set_inheritance",
    "set_password",
    "set_policy",
    "unlock",
]
