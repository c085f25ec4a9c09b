"""Change password policies, the domain's own or a fine-grained one, and switch a password filter on and off."""

from __future__ import annotations

import re
from pathlib import Path

from lab import _lifecycle, _populate
from lab._controller import FILTER_FILE, configure
from lab._directory import Directory, Value, escape_rdn
from lab.errors import BadNameError
from lab.forest import Forest, describe
from lab.people import FINE_GRAINED, FineGrainedPolicy

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_COMPLEX = 1  # DOMAIN_PASSWORD_COMPLEX of pwdProperties

# Rule → (attribute of the domain, attribute of a PSO).
_ATTRIBUTES = {
    "min_age": ("minPwdAge", "msDS-MinimumPasswordAge"),
    "max_age": ("maxPwdAge", "msDS-MaximumPasswordAge"),
    "history": ("pwdHistoryLength", "msDS-PasswordHistoryLength"),
    "length": ("minPwdLength", "msDS-MinimumPasswordLength"),
    "complexity": ("pwdProperties", "msDS-PasswordComplexityEnabled"),
    "lockout_threshold": ("lockoutThreshold", "msDS-LockoutThreshold"),
    "lockout_window": ("lockOutObservationWindow", "msDS-LockoutObservationWindow"),
    "lockout_duration": ("lockoutDuration", "msDS-LockoutDuration"),
}

# The password arrives on standard input; any exit status but 0 refuses it.
# Samba asks a filter in place of its own complexity rule, Windows beside it: so the filter holds the rule as well.
_FILTER = """\
LC_ALL=C
IFS= read -r password
classes=0
for class in '*[A-Z]*' '*[a-z]*' '*[0-9]*' '*[!A-Za-z0-9]*'; do
    case $password in $class) classes=$((classes + 1)) ;; esac
done
[ $classes -ge 3 ] || exit 1
password=$(printf %s "$password" | tr A-Z a-z)
while IFS= read -r word; do
    case $password in *"$word"*) exit 1 ;; esac
done </forest/etc/filter.words
"""


def duration(text: str) -> float:
    """``60s``, ``5m``, ``2h``, ``2d`` or ``0`` in seconds."""
    if text == "0":
        return 0
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text):
        return float(match[1]) * _UNITS[match[2]]
    raise BadNameError(f"{text!r} is no duration: 0, or a number with s, m, h or d, as in 60s")


def set_policy(
    forest: Forest,
    *,
    pso: str | None = None,
    min_age: float | None = None,
    max_age: float | None = None,
    history: int | None = None,
    length: int | None = None,
    complexity: bool | None = None,
    lockout_threshold: int | None = None,
    lockout_window: float | None = None,
    lockout_duration: float | None = None,
) -> None:
    """Change the given rules of the domain's policy, or of the fine-grained policy called ``pso``.

    Ages, window and duration in seconds; a ``max_age`` of 0 means that passwords never expire.
    """
    rules = {
        "min_age": min_age,
        "max_age": max_age,
        "history": history,
        "length": length,
        "complexity": complexity,
        "lockout_threshold": lockout_threshold,
        "lockout_window": lockout_window,
        "lockout_duration": lockout_duration,
    }
    values: dict[str, Value] = {
        _ATTRIBUTES[rule][pso is not None]: _stored(rule, value, pso is not None)
        for rule, value in rules.items()
        if value is not None
    }
    with forest.administrator() as directory:
        directory.replace(_policy_dn(directory, pso), values)


def reset_policies(forest: Forest) -> None:
    """The domain's policy and the table's fine-grained ones as they were at first; other ones are deleted."""
    with forest.administrator() as directory:
        _populate.domain_policy(directory)
        container = _populate.policy_container(directory)
        for dn, _ in directory.search(container, "(objectClass=msDS-PasswordSettings)", ("1.1",)):
            directory.delete(dn)
        for policy in FINE_GRAINED:
            _populate.add_fine_grained(forest, directory, policy)


def add_policy(forest: Forest, policy: FineGrainedPolicy) -> None:
    """Create a fine-grained policy that the service account can read."""
    with forest.administrator() as directory:
        _populate.add_fine_grained(forest, directory, policy)


def set_filter(forest: Forest, *words: str) -> None:
    """Refuse passwords that contain one of ``words`` (in any case of letters); without words, refuse none.

    The first use restarts the controllers, because Samba reads its password filter when it starts; a forest that never
    had a filter runs without one, which is faster. Samba asks a filter only while complexity is on.
    """
    forest = describe(forest.name)
    for controller in forest.controllers:
        etc: Path = forest.data_of(controller) / "etc"
        (etc / "filter.words").write_text("".join(f"{word.lower()}\n" for word in words))
        filter_file = forest.data_of(controller) / FILTER_FILE
        if words and not filter_file.exists():
            filter_file.write_text(_FILTER)
            configure(forest, controller)
            _lifecycle.restart(forest.name, controller.name)


def _policy_dn(directory: Directory, pso: str | None) -> str:
    if pso is None:
        return directory.base_dn
    return f"CN={escape_rdn(pso)},{_populate.policy_container(directory)}"


def _stored(rule: str, value: float, fine_grained: bool) -> Value:
    if rule == "complexity":
        return str(bool(value)).upper() if fine_grained else _COMPLEX * bool(value)
    if rule == "max_age" and value == 0:
        return _populate.NEVER
    if rule in ("min_age", "max_age", "lockout_window", "lockout_duration"):
        return _populate.interval(value)
    return int(value)
