"""The closed vocabulary of the audit: nothing else can be written. A word never changes its meaning."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Activity", "Result"]


class Result(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"  # it was tried and did not work
    REFUSED = "refused"  # a rule forbade it
    UNKNOWN = "unknown"  # nobody could find out


class Activity(StrEnum):
    """``<part>.<what happened>``. Where Microsoft's audit has an activity of the same meaning, the comment
    names it."""

    AGENT_CALL_REFUSED = "agent.call_refused"
    AGENT_CODE_MADE = "agent.code_made"
    AGENT_CONFIRMED = "agent.confirmed"
    AGENT_FOREST_ADDED = "agent.forest_added"
    AGENT_KEY_ADDED = "agent.key_added"
    AGENT_ONBOARDED = "agent.onboarded"
    AGENT_ONBOARDING_REFUSED = "agent.onboarding_refused"
    AGENT_REVOKED = "agent.revoked"

    BANNED_WORDS_CHANGED = "banned_words.changed"
    DOMAIN_ADDED = "domain.added"
    DOMAIN_VERIFIED = "domain.verified"
    ORGANIZATION_CHANGED = "organization.changed"
    ORGANIZATION_CREATED = "organization.created"
    OWN_QUESTIONS_CHANGED = "own_questions.changed"
    POLICY_CHANGED = "policy.changed"
    POLICY_REMOVED = "policy.removed"
    LIMITS_CHANGED = "limits.changed"
    LIMITS_RELEASED = "limits.released"
    ADMINISTRATOR_ADDED = "administrator.added"
    ADMINISTRATOR_REMOVED = "administrator.removed"
    GROUP_CREATED = "group.created"
    GROUP_CHANGED = "group.changed"
    GROUP_REMOVED = "group.removed"
    SEAT_TAKEN = "seat.taken"
    SEAT_RELEASED = "seat.released"
    CONTACT_FORM_SENT = "contact_form.sent"

    PEOPLE_REMOVALS_CONFIRMED = "people.removals_confirmed"
    PEOPLE_REMOVALS_HELD = "people.removals_held"
    PEOPLE_SYNCHRONISED = "people.synchronised"
    PERSON_CONTACT_ADDED = "person.contact_added"
    PERSON_CONTACT_CHANGED = "person.contact_changed"
    PERSON_CONTACT_REMOVED = "person.contact_removed"
    PERSON_CREATED = "person.created"

    SECURITY_INFO_ADDED = "security_info.added"  # User registered security info
    SECURITY_INFO_REMOVED = "security_info.removed"  # User deleted security info

    RECOVERY_STARTED = "recovery.started"  # Self-service password reset flow activity progress
    RECOVERY_CODE_SENT = "recovery.code_sent"
    RECOVERY_PROOF_FAILED = "recovery.proof_failed"
    RECOVERY_GATE_OPENED = "recovery.gate_opened"
    RECOVERY_BLOCKED = "recovery.blocked"  # Blocked from self-service password reset
    RECOVERY_REFUSED = "recovery.refused"
    RECOVERY_PURPOSE_CHOSEN = "recovery.purpose_chosen"
    RECOVERY_INSPECTED = "recovery.inspected"
    RECOVERY_SUBMITTED = "recovery.submitted"
    RECOVERY_ENDED = "recovery.ended"
    PASSWORD_CHANGED = "password.changed"  # Change password (self-service)  # noqa: S105
    PASSWORD_RESET = "password.reset"  # Reset password (self-service)  # noqa: S105 — an activity's name
    PASSWORD_RESET_BY_ADMIN = "password.reset_by_admin"  # Reset password (by admin)  # noqa: S105
    PASSWORD_EXPIRED_BY_ADMIN = "password.expired_by_admin"  # noqa: S105
    ADMIN_SUBMITTED = "admin.submitted"
    ACCOUNT_UNLOCKED = "account.unlocked"  # Unlock user account (self-service)
    ACCOUNT_UNLOCKED_BY_ADMIN = "account.unlocked_by_admin"

    ACCOUNT_HELD = "account.held"  # the person said that it was not them
    APPLICATION_ADDED = "application.added"
    APPLICATION_REMOVED = "application.removed"
    PROVIDER_CHANGED = "provider.changed"
    SECURITY_INFO_CONFIRMED = "security_info.confirmed"
    SECURITY_INFO_DEFAULT = "security_info.default_set"
    SIGNED_IN = "account.signed_in"
    SIGN_IN_BLOCKED = "account.sign_in_blocked"
    SIGN_IN_FAILED = "account.sign_in_failed"

    WRITEBACK_CORRECTED = "writeback.corrected"  # a late outcome changed the story
    WRITEBACK_OFF = "writeback.off"  # Disable password writeback for directory
    WRITEBACK_ON = "writeback.on"  # Enable password writeback for directory

    KEYS_ROTATED = "keys.rotated"
