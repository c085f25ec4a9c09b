"""What the directory and the guard say, in the words of outcomes and events."""

from __future__ import annotations

import pytest

from keyback.agent.catalogue import Kind
from keyback.agent.refusals import from_directory, from_guard
from keyback.directory import Reason, Refusal
from keyback.directory import errors as directory
from keyback.passwords import Code
from keyback.protocol.outcomes import OutcomeCode, sspr_code

CASES = [
    (directory.PolicyViolation("0000052D", rule=None), OutcomeCode.POLICY, ["6329", "33008"]),
    (directory.CurrentPasswordWrong("00000056"), OutcomeCode.CURRENT_WRONG, ["33007"]),
    (directory.PermissionMissing("no"), OutcomeCode.PERMISSION, ["33004"]),
    (directory.NotFound("no"), OutcomeCode.NOT_FOUND, ["33002"]),
    (directory.AmbiguousAnchor("two"), OutcomeCode.AMBIGUOUS, ["33003"]),
    (directory.ControlMissing("no"), OutcomeCode.CONTROL_MISSING, ["6329", "33009"]),
    (directory.BindRefused("52e", data="52e"), OutcomeCode.CREDENTIALS, ["6329", "33009"]),
    (directory.TlsFailure("ldaps://dc1", "untrusted"), OutcomeCode.CONFIGURATION, ["33009"]),
    (directory.ConfigurationProblem("0000001F"), OutcomeCode.CONFIGURATION, ["33009"]),
    (directory.Unreachable("ldaps://dc1", "refused"), OutcomeCode.UNREACHABLE, ["42014"]),
    (directory.Unforeseen("odd", result=80), OutcomeCode.UNFORESEEN, ["33001"]),
]


@pytest.mark.parametrize(("error", "code", "events"), CASES, ids=lambda case: type(case).__name__)
def test_each_answer_of_the_directory_has_its_outcome_and_events(
    error: directory.DirectoryError, code: OutcomeCode, events: list[str]
) -> None:
    refused = from_directory(error)
    assert refused.code is code
    assert [kind.value.id for kind in refused.kinds] == events


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (None, Code.USED_BEFORE_OR_FILTER),  # Windows never says which
        (Code.USED_BEFORE, Code.USED_BEFORE),
        (Code.TOO_YOUNG, Code.TOO_YOUNG),
        (Code.COMPLEXITY, Code.FILTER),  # the agent has checked complexity itself
    ],
)
def test_a_refused_password_names_the_rule_that_is_left(said: Code | None, named: Code) -> None:
    (finding,) = from_directory(directory.PolicyViolation("0000052D", rule=said)).findings
    assert finding.code == named


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_the_guard_is_refused_and_has_a_support_code(reason: Reason) -> None:
    refused = from_guard(Refusal(reason, "detail"))
    assert sspr_code(refused.code) == "SSPR_0029"
    if Refusal(reason).protected and reason is not Reason.OUT_OF_SCOPE:
        assert refused.code is OutcomeCode.PROTECTED
        assert refused.kinds == (Kind.PERMISSIONS,)


def test_a_long_message_of_the_directory_fits_an_outcome() -> None:
    assert len(from_directory(directory.Unforeseen("x" * 5000)).detail) == 1000
