"""`keyback policy`: policies one by one and as a file, and why one covers a person."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keyback.portal.audit.models import AuditEntry
from keyback.portal.organizations.models import Organization
from keyback.portal.people.models import Person, Policy
from keyback.portal.people.policy_file import PolicyFileRefused, parse
from tests.portal.commands import Here
from tests.portal.test_policies import group

TWO = """\
version: 1
reset: selected
policies:
  - name: Board
    groups: [Board]
    reset: false
  - name: Staff
    groups:
      - Staff
    methods: [email, authenticator]
    gates: 2
    reconfirm_days: 0
    notify_administrators: true
"""


@pytest.fixture
def staff(organization: Organization, ana: Person) -> None:
    group(organization, "Staff", ana)
    group(organization, "Board")


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "policies.yaml"
        path.write_text(text)
        return str(path)

    return write


def names() -> list[str]:
    return list(Policy.objects.order_by("position").values_list("name", flat=True))


def test_what_is_exported_changes_nothing_when_applied(here: Here, organization: Organization, staff: None) -> None:
    here.ok("policy", "set", organization.slug, "--name", "Staff", "--before", "Everybody", "--group", "Staff")
    text = here.ok("policy", "export", organization.slug)
    assert here.ok("policy", "diff", organization.slug, "-", input=text) == ""
    before = AuditEntry.objects.count()
    assert "Nothing was changed." in here("policy", "apply", organization.slug, "-", input=text).stderr
    assert AuditEntry.objects.count() == before


def test_a_file_replaces_all_policies_and_says_what_it_changes(
    here: Here, organization: Organization, staff: None, file: Callable[[str], str]
) -> None:
    path = file(TWO)
    shown = here("policy", "diff", organization.slug, path)
    assert shown.returncode == 1
    assert "-- name: Everybody" in shown.stdout
    assert "+reset: selected" in shown.stdout
    assert here.ok("policy", "apply", organization.slug, path, "--dry-run") == shown.stdout
    assert names() == ["Everybody"]
    here.ok("policy", "apply", organization.slug, path)
    assert names() == ["Board", "Staff"]
    found = Policy.objects.get(name="Staff")
    assert (found.methods, found.gates, found.reconfirm_days) == (["email", "authenticator"], 2, 0)
    assert found.notify_administrators and not Policy.objects.get(name="Board").reset
    organization.refresh_from_db()
    assert organization.reset_scope == "selected"
    told = [(e.activity, e.details.get("policy")) for e in AuditEntry.objects.order_by("-id")[:4]][::-1]
    assert told == [
        ("organization.changed", None),
        ("policy.changed", "Board"),
        ("policy.changed", "Staff"),
        ("policy.removed", "Everybody"),
    ]


def test_a_change_is_audited_with_what_was_and_what_is(
    here: Here, organization: Organization, file: Callable[[str], str]
) -> None:
    text = here.ok("policy", "export", organization.slug).replace("reconfirm_days: 180", "reconfirm_days: 90")
    here.ok("policy", "apply", organization.slug, file(text))
    assert AuditEntry.objects.latest("id").details == {"policy": "Everybody", "reconfirm_days": "180 -> 90"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("gates: 2", ("gates: 3", "line 11: policies[1].gates: Input should be less than or equal to 2")),
        ("reset: false", ("rest: false", "line 6: policies[0].rest: Extra inputs are not permitted")),
        ("name: Staff", ("name: Board", "two policies are called 'Board'")),
        ("      - Staff", ("      - Stuff", "Staff: Example Ltd has no group, or more than one, called 'Stuff'")),
        ("methods: [email, ", ("methods: [pigeon, ", "Staff: there is no method 'pigeon'")),
        ("gates: 2", ("gates: 2\n    gates: 1", "line 12: 'gates' stands twice")),
        ("version: 1", ("version: 2", "line 1: version:")),
        ("reset: selected\n", ("", "line 1: reset: Field required")),
        ("- Staff", ("- no", "line 9: policies[1].groups[0]: Input should be a valid string")),
        ("gates: 2", ("gates: 2\n    questions_registered: 3\n    questions_asked: 4", "more questions are asked")),
        ("gates: 2", ("gates: [2", "line ")),
        ("gates: 2", (f"gates: {'9' * 5000}", "this is not YAML that can be read here")),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_nothing_changes(
    here: Here, organization: Organization, staff: None, file: Callable[[str], str], wrong: str, said: tuple[str, str]
) -> None:
    text = TWO.replace(wrong, said[0])
    assert text != TWO
    assert said[1] in here.refused("policy", "apply", organization.slug, file(text))
    assert names() == ["Everybody"]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(PolicyFileRefused) as refused:
        parse("reset: perhaps\npolicies:\n  - gates: 7\n    colour: red\n")
    assert [problem.partition(": ")[0] for problem in refused.value.problems] == [
        "line 1",
        "line 3",
        "line 3",
        "line 4",
    ]


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x,x,x]\nb: &b [*a,*a]\nreset: all\npolicies: [*b]",
        "[" * 10_000,
        "reset: all\npolicies: " + "{a: " * 50 + "1" + "}" * 50,
        "x: " + "y" * 300_000,
        "!!python/object/apply:os.system [id]",
        "reset: !!binary aGk=\npolicies: []",
        "<<: {reset: all}\npolicies: []",
        "? [a, b]\n: 1",
        "",
        "- 1",
        "reset: all\npolicies: []\n---\nreset: none\npolicies: []",
        "\x00",
        "reset: all\n\tpolicies: []",
    ],
)
def test_a_file_that_means_harm_is_refused_at_once(bomb: str) -> None:
    with pytest.raises(PolicyFileRefused):
        parse(bomb)


def test_a_file_that_would_lock_everybody_out_is_warned_of(
    here: Here, organization: Organization, staff: None, file: Callable[[str], str]
) -> None:
    def warned(text: str) -> str:
        return here("policy", "apply", organization.slug, file(text), "--dry-run").stderr

    def a(values: str) -> str:
        return warned(f"reset: all\npolicies: [{{name: A, methods: [email], {values}}}]")

    nobody = "nobody can reset a password"
    assert "reset is switched off: nobody can reset" in warned("reset: none\npolicies: []")
    assert nobody in warned("reset: all\npolicies: []")
    assert nobody in a("reset: false")
    assert nobody in warned("reset: all\npolicies: [{name: A}]")
    assert nobody in warned("reset: selected\npolicies: [{name: A, methods: [email]}]")
    assert nobody in a("groups: []")
    assert "A: nobody can prove 2 different things" in warned(
        "reset: all\npolicies: [{name: A, methods: [email], gates: 2}]"
    )
    assert "A: the group Board has no members" in warned(
        "reset: all\npolicies: [{name: A, groups: [Board], methods: [email]}]"
    )
    assert "B is never reached: A stands before it" in warned(
        "reset: all\npolicies: [{name: A, methods: [email]}, {name: B, methods: [email]}]"
    )
    assert "administrators cannot reset under it" in warned("reset: all\npolicies: [{name: A, methods: [email]}]")
    assert warned("reset: all\npolicies: [{name: A, groups: [Staff], methods: [email, authenticator], gates: 2}]") == (
        "Nothing was changed.\n"
    )


def test_another_organizations_groups_are_not_there(
    here: Here, organization: Organization, make_organization: Callable[..., Organization], file: Callable[[str], str]
) -> None:
    other = make_organization("Other Ltd", "other.test")
    theirs = group(other, "Theirs")
    for name in ("Theirs", str(theirs.id)):
        text = f"reset: all\npolicies: [{{name: A, groups: ['{name}'], methods: [email]}}]"
        assert "has no group" in here.refused("policy", "apply", organization.slug, file(text))


def test_a_name_that_two_groups_have_names_neither(here: Here, organization: Organization) -> None:
    first, _second = group(organization, "Twins"), group(organization, "Twins")
    assert "more than one" in here.refused("policy", "set", organization.slug, "--group", "Twins")
    here.ok("policy", "set", organization.slug, "--group", str(first.id))
    assert str(first.id) in here.ok("policy", "export", organization.slug)


def test_one_policy_is_set_before_another(here: Here, organization: Organization, staff: None) -> None:
    here.ok("policy", "set", organization.slug, "--name", "Staff", "--group", "Staff", "--before", "Everybody")
    assert names() == ["Staff", "Everybody"]
    here.ok("policy", "set", organization.slug, "--name", "Staff", "--everybody", "--questions-registered", "3")
    assert Policy.objects.get(name="Staff").groups is None
    assert "more questions are asked" in here.refused(
        "policy", "set", organization.slug, "--name", "Staff", "--questions-asked", "4"
    )
    assert "there is no policy 'None such'" in here.refused(
        "policy", "set", organization.slug, "--name", "New", "--before", "None such"
    )


def test_explain_says_which_policy_and_why(here: Here, organization: Organization, staff: None, ana: Person) -> None:
    here.ok("policy", "set", organization.slug, "--name", "Board", "--group", "Board", "--before", "Everybody")
    here.ok("policy", "set", organization.slug, "--name", "Staff", "--group", "Staff", "--before", "Everybody")
    said = here.ok("policy", "explain", "ana@example.test")
    assert "Board (does not: in none of its groups), Staff (covers: member of Staff)" in said
    assert "SSPR_0011" in said
    here.ok("policy", "set", organization.slug, "--name", "Staff", "--method", "email")
    assert "email (nothing usable on file)" in here.ok("policy", "explain", "ana@example.test")
    assert "SSPR_0014" in here.ok("policy", "explain", "ana@example.test")
    here.ok("person", "mail", "ana@example.test", "ana@private.test")
    [row] = here.lines("policy", "explain", "ana@example.test")
    assert (row["policy"], row["gates"], row["could_prove"]) == ("Staff", 1, ["email"])
    assert row["outcome"] == "could reset now"
    here.ok("policy", "set", organization.slug, "--name", "Staff", "--no-reset")
    [row] = here.lines("policy", "explain", "ana@example.test")
    assert row["outcome"] == "could unlock now, and choose no new password"
    here.ok("org", "admin", "add", organization.slug, "ana@private.test", "--role", "helpdesk")
    [row] = here.lines("policy", "explain", "ana@example.test")
    assert (row["gates"], row["administrator"]) == (2, "two proofs, and no questions")
    assert row["outcome"].startswith("SSPR_0014")
