"""The sentences for findings and refusals. Codes come from the passwords library, the agent and the SSPR table; the
words are the portal's, so that they can be translated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keyback.portal.limits.budgets import Blocked
from keyback.portal.moments import told
from keyback.portal.recovery.models import Recovery

__all__ = ["Refusal", "blocked_text", "explanations", "refusal_of", "sentences", "too_young_from"]

_FINDINGS = {
    "too_short": gettext_lazy("Use at least %(minimum)s characters."),
    "too_long": gettext_lazy("Use at most %(maximum)s characters."),
    "characters": gettext_lazy("Leave out the characters that cannot be typed at a keyboard."),
    "classes": gettext_lazy(
        "Mix at least %(required)s of these: capital letters, small letters, digits, symbols, letters of "
        "scripts without "
        "capitals."
    ),
    "account_name": gettext_lazy("Leave out your account name."),
    "display_name": gettext_lazy("Leave out the parts of your name."),
    "banned": gettext_lazy("This password is too easy to guess. Choose another one."),
    "name": gettext_lazy("Leave out names that belong to you or your organization."),
    "breached": gettext_lazy("This password has appeared in a data breach. Choose another one."),
    "unchecked": gettext_lazy("Your password could not be checked just now. Try again in a few minutes."),
    "upper": gettext_lazy("Use at least one capital letter."),
    "lower": gettext_lazy("Use at least one small letter."),
    "digit": gettext_lazy("Use at least one digit."),
    "symbol": gettext_lazy("Use at least one symbol, such as ! or %%."),
    "repeats": gettext_lazy("Use the same character at most %(maximum)s times in a row."),
    "sequence": gettext_lazy("Use at most %(maximum)s characters that follow each other, as in 1234 or abcd."),
    "current_wrong": gettext_lazy("This is not your current password. Type it once more."),
    "similar": gettext_lazy("This is too much like your current password."),
    "weak": gettext_lazy(
        "This password would be guessed too soon. Make it longer, or less like words that others use."
    ),
    "too_young": gettext_lazy("Your password was changed too recently to be changed again."),
    "used_before": gettext_lazy("You have used this password before. Choose another one."),
    "tries_spent": gettext_lazy(
        "Too many wrong passwords were typed. Wait a while before you try again, so that your account is not locked."
    ),
    "complexity": gettext_lazy("This password is not varied enough, or contains a part of your name."),
    "filter": gettext_lazy("Your organization does not allow this password. Choose another one."),
    "used_before_or_filter": gettext_lazy(
        "You have used this password before, or your organization does not allow it. Choose another one."
    ),
}


def sentences(findings: Iterable[dict[str, Any]]) -> list[str]:
    """One sentence for each broken rule, in the language of the page."""
    found = []
    for finding in findings:
        template = _FINDINGS.get(finding["code"], _FINDINGS["filter"])
        try:
            found.append(str(template) % finding.get("params", {}))
        except (KeyError, TypeError, ValueError):
            found.append(str(_FINDINGS["filter"]))
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Refusal:
    """``code``: what the administrator looks up; empty where there is nothing to look up. ``again``: trying later
    helps. ``mend``: what the administrator does."""

    code: str
    title: Any
    text: Any
    again: bool = False

    @property
    def name(self) -> str:
        """What Microsoft calls it, for whoever searches for that."""
        return _NAMES.get(self.code, "")

    @property
    def mend(self) -> str:
        return str(_MENDS.get(self.code, ""))


_NAMES = {
    "SSPR_0009": "TenantSSPRFlagDisabled",
    "SSPR_0010": "WritebackNotEnabled",
    "SSPR_0011": "SsprNotEnabledInUserPolicy",
    "SSPR_0012": "UserNotLicensed",
    "SSPR_0013": "UserNotMemberOfScopedAccessGroup",
    "SSPR_0014": "UserNotProperlyConfigured",
    "SSPR_0029": "OnPremisesAdminActionRequired",
    "SSPR_0030": "OnPremisesConnectivityError",
}
_MENDS = {
    "SSPR_0009": gettext_lazy("Switch reset on, for everybody or for selected groups."),
    "SSPR_0010": gettext_lazy("Onboard and confirm an agent, and switch writeback on for the forest."),
    "SSPR_0011": gettext_lazy(
        "Make a policy that covers this person, allows a reset and names methods. “keyback policy explain” tells which "
        "policy covers a person and why."
    ),
    "SSPR_0012": gettext_lazy("Give this person a seat, or have more seats (“keyback seats”)."),
    "SSPR_0013": gettext_lazy("Put this person into a group that a policy is for (“keyback policy explain”)."),
    "SSPR_0014": gettext_lazy(
        "Reset the password by hand. There must be as many different things on file as the policy asks for: malformed "
        "numbers and addresses count as missing, and what the directory changed within the last 48 hours does not "
        "count yet. A mailbox of the organization's own domains, which opens with the same password, does not count "
        "(“keyback org set --own-mail”)."
    ),
    "SSPR_0029": gettext_lazy(
        "Look up the support code in the agent's events, and run “keyback agent check” for this person: a right is "
        "missing, the account is protected or disabled, or the directory is not set up for it."
    ),
    "SSPR_0030": gettext_lazy("See whether the agent runs and reaches a domain controller (“keyback agent check”)."),
    "OnPremisesPolicyViolation": gettext_lazy(
        "The directory's own rules refused the password: length, complexity, history, age, or a filter."
    ),
    "FuzzyPolicyViolation": gettext_lazy("The password is on the list of banned passwords, or too much like them."),
}


_NOT_ENABLED = gettext_lazy("Your account is not enabled for password reset")
_ADMINISTRATOR = gettext_lazy("Please contact your administrator")
_LATER = gettext_lazy("This is not possible at the moment")

_REFUSALS = {
    "SSPR_0009": Refusal(
        "SSPR_0009",
        _NOT_ENABLED,
        gettext_lazy(
            "Your organization has switched off resetting passwords here. Your administrator can reset it for you."
        ),
    ),
    "SSPR_0010": Refusal(
        "SSPR_0010",
        _ADMINISTRATOR,
        gettext_lazy(
            "Your password lives in your organization's own directory, and this site cannot write to it yet. Your "
            "administrator can reset it for you."
        ),
    ),
    "SSPR_0011": Refusal(
        "SSPR_0011",
        _NOT_ENABLED,
        gettext_lazy(
            "Your organization has not said how people prove who they are here. Your administrator can help you."
        ),
    ),
    "SSPR_0012": Refusal(
        "SSPR_0012",
        _NOT_ENABLED,
        gettext_lazy(
            "Your organization counts who may reset a password here, and there is no place left for you. Your "
            "administrator can give you one, or reset your password for you."
        ),
    ),
    "SSPR_0013": Refusal(
        "SSPR_0013",
        _NOT_ENABLED,
        gettext_lazy(
            "Your organization lets some groups of people reset their password here, and you are in none of them. "
            "Your administrator can add you, or reset your password for you."
        ),
    ),
    "SSPR_0014": Refusal(
        "SSPR_0014",
        gettext_lazy("We couldn't verify your account"),
        gettext_lazy(
            "There is not enough on file to prove that it is you. Your administrator can reset your password; "
            "after that, "
            "register how you can be reached."
        ),
    ),
    "SSPR_0029": Refusal(
        "SSPR_0029",
        _ADMINISTRATOR,
        gettext_lazy(
            "Your password could not be reset, because something has to be put right in your organization first. Your "
            "password is still the old one. Tell your administrator the support code below."
        ),
    ),
    "SSPR_0030": Refusal(
        "SSPR_0030",
        _LATER,
        gettext_lazy(
            "Your organization's directory cannot be reached. Your password is still the old one. Try again "
            "later; if it "
            "lasts, contact your administrator."
        ),
        again=True,
    ),
    "held": Refusal(
        "",
        gettext_lazy("Your account is protected at the moment"),
        gettext_lazy(
            "You told us that it was not you who changed something last. For a day nothing can be changed here; your "
            "administrators have been told and can help you sooner."
        ),
    ),
    "too_young": Refusal(
        "OnPremisesPolicyViolation",
        gettext_lazy("Your password was changed too recently"),
        gettext_lazy(
            "Your organization's rules ask you to keep a password for some time. Your password is still the one "
            "that was "
            "set last."
        ),
        again=True,
    ),
    "locked_out": Refusal(
        "SSPR_0029",
        gettext_lazy("Your account is locked"),
        gettext_lazy(
            "Too many wrong passwords were typed somewhere. Start again and say that you have forgotten your password, "
            "or that you know it and cannot sign in; or wait until the lock ends by itself."
        ),
        again=True,
    ),
    "superseded": Refusal(
        "SSPR_0029",
        gettext_lazy("Somebody else changed your password at the same time"),
        gettext_lazy(
            "Your directory holds a password that was set elsewhere a moment ago, not the one that you chose "
            "here. If that "
            "was not you or your administrator, contact your administrator at once."
        ),
        again=True,
    ),
}


_FUZZY = Refusal(
    "FuzzyPolicyViolation",
    gettext_lazy("This password is too easy to guess"),
    gettext_lazy("Choose another one: longer, and not made of words that many people use."),
)


def refusal_of(code: str) -> Refusal:
    """The words for a refusal. An unknown code is what only an administrator can look into."""
    return _REFUSALS.get(code, _REFUSALS["SSPR_0029"])


def explanations() -> list[Refusal]:
    """Every code that a page may show, once, with its words."""
    by_code = {refusal.code: refusal for refusal in reversed(_REFUSALS.values()) if refusal.code}
    return [*(by_code[code] for code in sorted(by_code)), _FUZZY]


def too_young_from(recovery: Recovery) -> datetime | None:
    """From when a new password is possible, where the agent said so."""
    told = [finding.get("params", {}).get("possible_from") for finding in recovery.findings]
    told.append((recovery.inspection or {}).get("possible_from"))
    if recovery.refusal != "too_young":
        return None
    for text in told:
        if isinstance(text, str):
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_default_timezone())
    return None


def blocked_text(blocked: Blocked) -> str:
    """For answers that are no page. The page shows the time in the person's own zone."""
    return _("There were too many tries from here. Try again after %(until)s UTC.") % {"until": told(blocked.until)}
