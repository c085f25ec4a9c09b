"""Changing an organization's policies: what would change, what to be warned of, and all of it in one transaction."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from pydantic import ValidationError

from keyback.portal.audit.words import Activity, Result
from keyback.portal.audit.writer import write
from keyback.portal.methods import installed
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Group, GroupMember, Policy
from keyback.portal.people.policies import ADMINISTRATORS_GATES, NOT_FOR_ADMINISTRATORS
from keyback.portal.people.policy_file import PolicyFile, PolicyFileRefused, PolicySpec, text_of

__all__ = ["apply", "current", "difference", "group_names", "groups_by_name", "set_one", "warnings"]

_PLAIN = tuple(name for name in PolicySpec.model_fields if name not in ("name", "groups"))


def current(organization: Organization) -> PolicyFile:
    """The policies as they are."""
    names = group_names(organization)
    return PolicyFile(
        reset=Organization.ResetScope(organization.reset_scope).value,
        policies=[_spec(row, names) for row in _rows(organization)],
    )


def _rows(organization: Organization) -> list[Policy]:
    return list(Policy.objects.filter(organization=organization).order_by("position", "id"))


def _spec(row: Policy, names: Mapping[UUID, str]) -> PolicySpec:
    groups: Literal["all"] | list[str] = "all"
    if row.groups is not None:
        groups = [names.get(UUID(text), text) for text in row.groups]
    # Not validated: what stands there is shown as it is, and refused when it is applied again.
    return PolicySpec.model_construct(name=row.name, groups=groups, **{name: getattr(row, name) for name in _PLAIN})


def group_names(organization: Organization) -> dict[UUID, str]:
    """How each group is written: by its name where only one has it, else with its forest, else by its id."""
    rows = list(Group.objects.filter(organization=organization).select_related("forest"))
    names = [[row.name, _with_forest(row), str(row.id)] for row in rows]
    every = [name for three in names for name in set(three)]
    return {
        row.id: next(name for name in three if every.count(name) == 1) for row, three in zip(rows, names, strict=True)
    }


def _with_forest(row: Group) -> str:
    return f"{row.forest.name}\\{row.name}" if row.forest else row.name


def difference(organization: Organization, wanted: PolicyFile) -> str:
    """A unified diff from the policies as they are; empty where nothing would change."""
    _ids(organization, wanted)
    names = group_names(organization)
    spelt = wanted.model_copy(update={"policies": [_spelt(organization, spec, names) for spec in wanted.policies]})
    lines = difflib.unified_diff(
        text_of(current(organization)).splitlines(), text_of(spelt).splitlines(), "now", "wanted", lineterm=""
    )
    return "\n".join(lines)


def _spelt(organization: Organization, spec: PolicySpec, names: Mapping[UUID, str]) -> PolicySpec:
    """With each group as :func:`current` writes it, whatever way it is named here."""
    if spec.groups == "all":
        return spec
    known = groups_by_name(organization)
    return spec.model_copy(update={"groups": [names[known[name]] for name in spec.groups]})


def groups_by_name(organization: Organization) -> dict[str, UUID]:
    """Every way in which a group can be named; a name that two have names neither."""
    found: dict[str, set[UUID]] = {}
    for row in Group.objects.filter(organization=organization).select_related("forest"):
        for name in (row.name, _with_forest(row), str(row.id)):
            found.setdefault(name, set()).add(row.id)
    return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}


def _ids(organization: Organization, wanted: PolicyFile) -> dict[str, list[str] | None]:
    """The group ids of each policy, None for everybody. Raises PolicyFileRefused for what is not there."""
    known, problems = groups_by_name(organization), []
    ids: dict[str, list[str] | None] = {}
    for spec in wanted.policies:
        problems += [
            f"{spec.name}: there is no method {name!r}; there are: {', '.join(sorted(installed()))}"
            for name in spec.methods
            if name not in installed()
        ]
        if spec.groups == "all":
            ids[spec.name] = None
            continue
        problems += [
            f"{spec.name}: {organization.name} has no group, or more than one, called {name!r}"
            for name in spec.groups
            if name not in known
        ]
        ids[spec.name] = [str(known[name]) for name in spec.groups if name in known]
    if problems:
        raise PolicyFileRefused(problems)
    return ids


def apply(organization: Organization, wanted: PolicyFile, *, by: str, now: datetime) -> bool:
    """All or nothing; whether anything changed. Policies keep their row by their name. Raises PolicyFileRefused."""
    with transaction.atomic():
        organization = Organization.objects.select_for_update(no_key=True).get(id=organization.id)
        ids = _ids(organization, wanted)
        changes = _Changes(organization, by, now)
        if organization.reset_scope != wanted.reset:
            changes.scope(wanted.reset)
        rows = {row.name: row for row in _rows(organization)}
        for position, spec in enumerate(wanted.policies):
            row = rows.pop(spec.name, None) or Policy(organization=organization, name=spec.name)
            values = {name: getattr(spec, name) for name in _PLAIN}
            changes.policy(row, {"position": position, "groups": ids[spec.name], **values})
        for row in rows.values():
            changes.removed(row)
    return changes.any


def set_one(
    organization: Organization, name: str, values: Mapping[str, Any], *, before: str = "", by: str, now: datetime
) -> PolicySpec:
    """Sets what is given on the policy of this name, which is made where there is none: at the end, or ``before``
    another. Raises PolicyFileRefused."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(id=organization.id)
        file = current(organization)
        specs = list(file.policies)
        place = next((i for i, spec in enumerate(specs) if spec.name == name), len(specs))
        old = specs.pop(place) if place < len(specs) else PolicySpec(name=name)
        try:
            new = PolicySpec.model_validate({**old.model_dump(), **values})
        except ValidationError as error:
            raise PolicyFileRefused([f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]) from None
        if before:
            place = next((i for i, spec in enumerate(specs) if spec.name == before), -1)
            if place < 0:
                raise PolicyFileRefused([f"there is no policy {before!r}"])
        specs.insert(place, new)
        apply(organization, file.model_copy(update={"policies": specs}), by=by, now=now)
    return new


@dataclass
class _Changes:
    """Writes what differs, with an audit entry for each policy that says what was and what is."""

    organization: Organization
    by: str
    now: datetime
    any: bool = False

    def scope(self, reset: str) -> None:
        before, self.organization.reset_scope = self.organization.reset_scope, reset
        self.organization.save(update_fields=["reset_scope"])
        self._write(Activity.ORGANIZATION_CHANGED, {"reset_scope": _change(before, reset)})

    def policy(self, row: Policy, values: Mapping[str, Any]) -> None:
        new = row.pk is None
        differing = {name: value for name, value in values.items() if new or getattr(row, name) != value}
        if not differing:
            return
        told = {name: str(value) if new else _change(getattr(row, name), value) for name, value in differing.items()}
        for name, value in differing.items():
            setattr(row, name, value)
        row.save()
        self._write(Activity.POLICY_CHANGED, {"policy": row.name, **told})

    def removed(self, row: Policy) -> None:
        self._write(Activity.POLICY_REMOVED, {"policy": row.name})
        row.delete()

    def _write(self, activity: Activity, details: Mapping[str, str]) -> None:
        self.any = True
        write(self.organization.id, activity, result=Result.SUCCESS, actor=self.by, now=self.now, details=details)


def _change(before: object, after: object) -> str:
    return f"{before} -> {after}"


def warnings(organization: Organization, file: PolicyFile) -> list[str]:
    """What is allowed but hardly meant: above all policies under which nobody can reset."""
    if file.reset == "none":
        return ["reset is switched off: nobody can reset a password"]
    found: list[str] = []
    able, before = False, ""
    for spec in file.policies:
        if before:
            found.append(f"{spec.name} is never reached: {before} stands before it and covers everybody")
            continue
        found += [f"{spec.name}: {sentence}" for sentence in (*_covering(organization, spec, file.reset), *_able(spec))]
        counts = spec.groups != [] and not (spec.groups == "all" and file.reset == "selected")
        able = able or (counts and spec.reset and len(_gates(spec.methods)) >= spec.gates)
        before = spec.name if counts and spec.groups == "all" else ""
    if not able:
        found.append("nobody can reset a password: no policy covers anybody, allows a reset and has enough methods")
    return found


def _covering(organization: Organization, spec: PolicySpec, reset: str) -> list[str]:
    if spec.groups == "all":
        return ["it names no group, so it covers nobody while reset is for selected groups"] * (reset == "selected")
    if not spec.groups:
        return ["it is for an empty list of groups, so it covers nobody"]
    known = groups_by_name(organization)
    ids = {known[name] for name in spec.groups if name in known}
    filled = set(GroupMember.objects.filter(group_id__in=ids).values_list("group_id", flat=True))
    return [f"the group {name} has no members" for name in spec.groups if known.get(name) not in filled]


def _able(spec: PolicySpec) -> list[str]:
    if not (spec.reset or (spec.unlock and spec.methods)):
        return []  # an exception to the policies after it
    held = _gates(spec.methods)
    if len(held) < spec.gates:
        have = f"they all prove {held.copy().pop()}" if held else "there is no method that is set up"
        return [f"nobody can prove {spec.gates} different things with these methods: {have}"]
    if len(_gates([name for name in spec.methods if name not in NOT_FOR_ADMINISTRATORS])) < ADMINISTRATORS_GATES:
        return ["administrators cannot reset under it: they need two different proofs, and no questions"]
    return []


def _gates(methods: list[str]) -> set[str]:
    return {installed()[name].gate for name in methods if name in installed() and installed()[name].ready()}
