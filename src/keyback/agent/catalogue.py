"""Every event that an agent can write: number, name, source, level, meaning, repair.

Numbers and names up to 33009, and those of source ADSync, are the ones that administrators know from Microsoft's
password writeback. Those from 42001 on are Keyback's own, for what has no number there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum

__all__ = ["Facts", "Kind", "Level", "Source"]


class Source(StrEnum):
    RESET = "PasswordResetService"
    SYNC = "ADSync"
    KEYBACK = "Keyback"


class Level(StrEnum):
    INFORMATION = "information"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Facts:
    """``hr``: the code that goes with an ADSync event. ``repair``: what an administrator does about it, perhaps ""."""

    id: str
    name: str
    source: Source
    level: Level
    meaning: str
    repair: str = ""
    hr: str = ""


def _info(id: str, name: str, meaning: str, source: Source = Source.RESET) -> Facts:
    return Facts(id, name, source, Level.INFORMATION, meaning)


def _warn(id: str, name: str, meaning: str, repair: str, source: Source = Source.RESET) -> Facts:
    return Facts(id, name, source, Level.WARNING, meaning, repair)


def _error(id: str, name: str, meaning: str, repair: str, source: Source = Source.RESET, *, hr: str = "") -> Facts:
    return Facts(id, name, source, Level.ERROR, meaning, repair, hr)


_SEE_BESIDE = "Look at the 33xxx or 6329 event with the same tracking id: it names the cause and the repair."
_ALLOW_443 = "Allow this machine outbound TCP 443 to the portal, and check the proxy in its environment."


class Kind(Enum):
    """One kind of event each; ``value`` has the facts."""

    RESET_START = _info("31001", "PasswordResetStart", "A person's own reset has reached this agent.")
    RESET_SUCCESS = _info("31002", "PasswordResetSuccess", "The directory took the new password.")
    RESET_FAIL = _error("31003", "PasswordResetFail", "The reset was refused.", _SEE_BESIDE)
    ONBOARDING_START = _info("31004", "OnboardingEventStart", "This agent is being made known to the portal.")
    ONBOARDING_SUCCESS = _info("31005", "OnboardingEventSuccess", "The portal knows this agent.")
    CHANGE_START = _info("31006", "ChangePasswordStart", "A change with the current password has reached this agent.")
    CHANGE_SUCCESS = _info("31007", "ChangePasswordSuccess", "The directory took the changed password.")
    CHANGE_FAIL = _error("31008", "ChangePasswordFail", "The change was refused.", _SEE_BESIDE)
    ADMIN_RESET_START = _info(
        "31009", "ResetUserPasswordByAdminStart", "An administrator's reset for a person has reached this agent."
    )
    ADMIN_RESET_SUCCESS = _info(
        "31010", "ResetUserPasswordByAdminSuccess", "The directory took the administrator's password."
    )
    ADMIN_RESET_FAIL = _error(
        "31011", "ResetUserPasswordByAdminFail", "The administrator's reset was refused.", _SEE_BESIDE
    )
    OFFBOARDING_START = _info("31012", "OffboardingEventStart", "Writeback is being switched off.")
    OFFBOARDING_SUCCESS = _info("31013", "OffboardingEventSuccess", "Writeback is off and its keys are gone.")
    OFFBOARDING_FAIL = _error(
        "31014",
        "OffboardingEventFail",
        "Writeback could not be switched off to the end.",
        "Check the connection to the portal and the rights of who asked, then repeat it.",
    )
    SERVICE_STARTED = _info("31015", "WriteBackServiceStarted", "The agent has started and takes requests.")
    SERVICE_STOPPED = _warn(
        "31016",
        "WriteBackServiceStopped",
        "The agent has stopped; nobody's password can be written until it runs.",
        "Start the agent again.",
    )
    AUTH_TOKEN_SUCCESS = _info("31017", "AuthTokenSuccess", "The portal accepted this agent's credentials.")
    KEY_PAIR_CREATED = _info("31018", "KeyPairCreationSuccess", "A key pair for sealed passwords was made.")
    HEARTBEAT = _info("31019", "ServiceBusHeartBeat", "The portal answered the heartbeat.")
    LISTENER_ERROR = _error(
        "31034",
        "ServiceBusListenerError",
        "The connection on which requests arrive could not be made: name, TLS or proxy.",
        "Read the message. Check the proxy, the name, and that this machine trusts the authority that vouches for "
        "the portal (ca_file).",
    )
    LISTENER_MISSING = _error(
        "31044",
        "PasswordResetService",
        "This agent's connection, one of those on which requests arrive, is not running: several tries in a row "
        "failed. Other agents take requests meanwhile, where there are any.",
        "Find the 31034, 32002 or 32014 event beside it and mend what it names; the connection is then made by itself.",
    )
    UNKNOWN_ERROR = _error(
        "32000",
        "UnknownError",
        "Something unforeseen happened during an operation; the event has the kind and place of the exception.",
        "Report it with the tracking id.",
    )
    PORTAL_UNREACHABLE = _error(
        "32001", "ServiceError", "The portal could not be reached to tell it an outcome.", _ALLOW_443
    )
    RELAY_UNREACHABLE = _error(
        "32002", "ServiceBusError", "The portal could not be reached to ask for requests.", _ALLOW_443
    )
    INVALID_REQUEST = _error(
        "32003",
        "InPutValidationError",
        "A request was malformed, was not signed by the portal, or was meant for somebody or something else.",
        "Try again. If it repeats, somebody may be tampering with the portal's database or connection: report it.",
    )
    UNOPENABLE = _error(
        "32004",
        "DecryptionError",
        "A sealed password could not be opened with this agent's keys.",
        "Try again. If it repeats, run 'keyback agent writeback off' and 'on', which makes new keys.",
    )
    CONFIGURATION_ERROR = _error(
        "32005",
        "ConfigurationError",
        "The agent's configuration could not be read.",
        "Mend the line that the event names, or write the file anew.",
    )
    ONBOARDING_NOT_STORED = _error(
        "32007",
        "OnBoardingConfigUpdateError",
        "What the portal answered to onboarding could not be stored.",
        "Check that the state directory can be written and has room; onboard again with a fresh code.",
    )
    INVALID_ANSWER = _error(
        "32008",
        "ValidationError",
        "The portal's answer was not valid.",
        "Compare the versions of portal and agent, and look for a proxy between them that alters answers.",
    )
    AUTH_REFUSED = _error(
        "32009",
        "AuthTokenError",
        "The onboarding code, or this agent's credentials, were refused.",
        "Make a fresh code in the portal and onboard with it within the hour; check this machine's clock.",
    )
    CRYPTO_ERROR = _error(
        "32010",
        "CryptoError",
        "A key could not be made, read or used.",
        "Read the event. 'keyback agent writeback on' makes new keys for passwords; where the agent's own key "
        "(sign.pem) is damaged, onboard this agent again.",
    )
    ONBOARDING_UNREACHABLE = _error(
        "32011", "OnBoardingServiceError", "The portal could not be reached to onboard.", _ALLOW_443
    )
    OFFBOARDING_UNREACHABLE = _error(
        "32013", "OffBoardingError", "The portal could not be reached to switch writeback off.", _ALLOW_443
    )
    RELAY_RETRIED = _warn(
        "32014",
        "ServiceBusWarning",
        "The connection on which requests arrive broke off and is made again.",
        "Nothing, unless it is frequent: then look at the network and at the idle limit of proxies.",
    )
    HEARTBEAT_FAILED = _error("32015", "ReportServiceHealthError", "The heartbeat could not be delivered.", _ALLOW_443)
    DIRECTORY_UNFORESEEN = _error(
        "33001",
        "ADUnKnownError",
        "The directory gave an answer that the agent does not know.",
        "Read the directory's message in the event; report it if it does not explain itself.",
    )
    USER_NOT_FOUND = _error(
        "33002",
        "ADUserNotFoundError",
        "The account is not in the directory, or not in this agent's scope.",
        "Run 'keyback agent sync run', and check base_dns in the agent's file.",
    )
    AMBIGUOUS = _error(
        "33003",
        "ADMutliMatchError",
        "Two enabled accounts carry the same source anchor.",
        "Give each account an anchor of its own, then synchronise.",
    )
    PERMISSIONS = _error(
        "33004",
        "ADPermissionsError",
        "The service account may not write this account: a right is missing, or the account is protected.",
        "Grant the right that the event names on the organizational unit of the person, inheritance on; it may take "
        "up to an hour to arrive. Protected accounts are never written, on purpose.",
    )
    DISABLED = _error(
        "33005", "ADUserAccountDisabled", "The account is disabled in the directory.", "Enable it, if it should be."
    )
    LOCKED_OUT = _error(
        "33006",
        "ADUserAccountLockedOut",
        "The account is locked out in the directory and stays so.",
        "Unlock it; grant the service account the right to write lockoutTime.",
    )
    CURRENT_WRONG = _warn(
        "33007", "ADUserIncorrectPassword", "The current password given for a change is wrong.", "Enter the right one."
    )
    POLICY = _warn(
        "33008",
        "ADPasswordPolicyError",
        "The new password breaks a rule of the domain: length, complexity, names, history, age or a filter.",
        "Choose another one; the event names the rule.",
    )
    DIRECTORY_CONFIGURATION = _error(
        "33009",
        "ADConfigurationError",
        "The way the directory or the account is set up stops the write.",
        "Read the message, and the ADSync event beside it where there is one.",
    )
    DIRECTORY_POLICY = _error(
        "6329",
        "PolicyRestriction",
        "The directory's own password restrictions refused the write.",
        "As for 33008.",
        Source.SYNC,
        hr="0x80230619",
    )
    CONTROL_MISSING = _error(
        "6329",
        "PolicyHintsControlMissing",
        "The domain controller does not offer the password policy hints control (1.2.840.113556.1.4.2239 or "
        "1.2.840.113556.1.4.2066), so history and minimum age would not count.",
        "Use a domain controller that offers it: Windows Server 2008 R2 or later, Samba 4.24 or later.",
        Source.SYNC,
    )
    FOREST_UNKNOWN = _error(
        "6329",
        "PasswordSyncNotEnabledOnConnector",
        "A forest is not in this agent's file, or came there after onboarding, or has its writeback off.",
        "Put the forest into the agent's file, start the agent again, then run 'keyback agent writeback off' and 'on'. "
        "A forest that other agents serve has to be allowed in the portal: 'keyback agents allow'.",
        Source.SYNC,
        hr="0x8023061f",
    )
    CREDENTIALS_DENIED = _error(
        "6329",
        "ConnectorCredentialsDenied",
        "The directory refused the service account's own name or password.",
        "Correct bind_dn and the password file in the agent's configuration, and start the agent again.",
        Source.SYNC,
        hr="0x80230626",
    )
    CREDENTIAL_TOO_LONG = _error(
        "800700CE",
        "CredentialTooLong",
        "The service account's password is longer than 256 characters.",
        "Set a shorter one.",
        Source.SYNC,
    )
    ENDPOINT_FAILED = _error(
        "6800",
        "EndpointStartFailure",
        "Requests cannot be taken; synchronisation goes on without that.",
        "Read the events beside it.",
        Source.SYNC,
    )
    SYNC_START = _info("656", "PasswordSyncRequest", "A synchronisation run has begun.", Source.SYNC)
    SYNC_RESULT = _info("657", "PasswordSyncResult", "A synchronisation run has ended.", Source.SYNC)
    DUPLICATE_ANCHOR = _error(
        "8023042",
        "DuplicateAnchor",
        "Two objects share one source anchor.",
        "Choose an anchor attribute that is unique, or make its values so.",
        Source.SYNC,
        hr="0x80230402",
    )
    UNLOCK_START = _info("42001", "UnlockStart", "An unlock has reached this agent.", Source.KEYBACK)
    UNLOCK_SUCCESS = _info("42002", "UnlockSuccess", "The account is unlocked.", Source.KEYBACK)
    UNLOCK_FAIL = _error("42003", "UnlockFail", "The unlock was refused.", _SEE_BESIDE, Source.KEYBACK)
    UNLOCKED_ELSEWHERE = _info(
        "42025", "UnlockedElsewhere", "The lock-out was cleared on another domain controller too.", Source.KEYBACK
    )
    EXPIRE_START = _info(
        "42004", "ExpireStart", "An order to expire a password has reached this agent.", Source.KEYBACK
    )
    EXPIRE_SUCCESS = _info(
        "42005", "ExpireSuccess", "The password must be changed at the next sign-in.", Source.KEYBACK
    )
    EXPIRE_FAIL = _error("42006", "ExpireFail", "The password was not expired.", _SEE_BESIDE, Source.KEYBACK)
    VERIFY_START = _info("42007", "VerifyStart", "A sign-in has reached this agent.", Source.KEYBACK)
    VERIFY_SUCCESS = _info("42008", "VerifySuccess", "The password is right.", Source.KEYBACK)
    VERIFY_FAIL = _warn("42009", "VerifyFail", "The sign-in was refused.", _SEE_BESIDE, Source.KEYBACK)
    NOT_ALLOWED = _error(
        "42010",
        "OperationNotAllowed",
        "The portal asked for an operation that this agent's own file does not list.",
        "If it should be allowed, add it to limits.operations and start the agent again.",
        Source.KEYBACK,
    )
    CAPPED = _error(
        "42011",
        "OperationCapped",
        "The cap of an operation was reached; it has stopped on this agent.",
        "Find out why there were so many, then run 'keyback agent resume'.",
        Source.KEYBACK,
    )
    RESUMED = _info("42012", "OperationResumed", "An administrator let an operation go on.", Source.KEYBACK)
    STALE = _warn(
        "42013",
        "PasswordMovedOn",
        "Somebody else has changed the password since the person proved who they are; it was left alone.",
        "Nothing: the person starts again if need be.",
        Source.KEYBACK,
    )
    DIRECTORY_UNREACHABLE = _error(
        "42014",
        "DirectoryUnreachable",
        "No domain controller of the forest could be reached; nothing was sent.",
        "Check that the servers in the agent's file run and can be reached on TCP 636 or 389.",
        Source.SYNC,
    )
    RESOLVED = _info(
        "42015",
        "WriteResolved",
        "What became of a write without an answer was found out; the event says what.",
        Source.KEYBACK,
    )
    UNSURE = _warn(
        "42016",
        "WriteUnsure",
        "What became of a write without an answer cannot be found out yet.",
        "Bring the domain controller that the event names back; otherwise set this person's password by hand.",
        Source.KEYBACK,
    )
    NOT_CONFIRMED = _warn(
        "42017",
        "AgentNotConfirmed",
        "No administrator has confirmed this agent yet; it gets no requests.",
        "Compare the key fingerprint and confirm the agent in the portal.",
        Source.KEYBACK,
    )
    REVOKED = _error(
        "42018",
        "AgentRevoked",
        "An administrator has revoked this agent; it gets no requests.",
        "If that was a mistake, onboard it again.",
        Source.KEYBACK,
    )
    OUT_OF_DATE = _error(
        "42024",
        "OutOfDate",
        "Agent and portal are more than one version apart; the agent gets no requests.",
        "Upgrade the one that the message names. What they have not said to each other yet is kept meanwhile.",
        Source.KEYBACK,
    )
    SYNC_FAILED = _error(
        "42019",
        "SynchronisationFailed",
        "A synchronisation run broke off; nobody was removed. It is tried again at its next time.",
        "Read the message: the directory or the portal could not be reached, or refused.",
        Source.SYNC,
    )
    PERSON_REFUSED = _warn(
        "42020",
        "PersonRefused",
        "The portal did not take a person as the directory has them.",
        "Read the message: most often the domain of the user ID has not been verified in the portal.",
        Source.SYNC,
    )
    PASSWORD_STAYS_EXPIRED = _error(
        "42021",
        "PasswordStaysExpired",
        "The new password was written, but has to be changed at the next sign-in: pwdLastSet stayed 0.",
        "Grant the service account the right Unexpire Password on the domain.",
        Source.KEYBACK,
    )
    REMOVALS_HELD = _error(
        "42040",
        "RemovalsHeld",
        "More people have gone from the directory within 24 hours than may be removed unasked; they all stay.",
        "Check base_dns, filter and rights in the agent's file. If they have really gone, confirm it in the portal: "
        "'keyback removals confirm'.",
        Source.SYNC,
    )
    USER_ID_TWICE = _error(
        "42041",
        "DuplicateUserId",
        "Two enabled accounts have one user ID; whoever types it is nobody.",
        "Give one of them another user principal name.",
        Source.SYNC,
    )
    MADE_AGAIN = _info(
        "42042",
        "AccountMadeAgain",
        "A new account has the user ID of one that has gone. It is another person, and inherits nothing.",
        Source.SYNC,
    )
    CHANGES_BY_USN = _warn(
        "42043",
        "DirSyncNotGranted",
        "The controller does not give its changes by DirSync to the service account; uSNChanged is used instead.",
        "Nothing, unless changes come late: then use a controller that offers DirSync.",
        Source.SYNC,
    )
    BANNED_PASSWORD = _warn(
        "42030",
        "FuzzyPolicyViolation",
        "The new password breaks the organization's own rules; the event names them, never the password.",
        "Nothing: the person chooses another one. 'keyback password check' explains a password typed as a trial.",
        Source.KEYBACK,
    )
    BANNED_PASSWORD_AUDITED = _warn(
        "42031",
        "FuzzyPolicyViolationAuditOnly",
        "The new password breaks the organization's own rules, but they are only audited: it was accepted.",
        "When few people are concerned, switch the mode to enforce.",
        Source.KEYBACK,
    )
    BANNED_LIST_TAKEN = _info("42032", "BannedListTaken", "A newer list of banned words is in force.", Source.KEYBACK)
    BANNED_LIST_DAMAGED = _error(
        "42033",
        "BannedListDamaged",
        "The list of banned words cannot be used; the one before, or else the built-in one, stays in force.",
        "Nothing, if the portal sends it anew soon; otherwise import the list there again.",
        Source.KEYBACK,
    )
    BREACHED_UNAVAILABLE = _error(
        "42034",
        "BreachedUnavailable",
        "The new password could not be looked up among the breached ones, and the agent's file says to refuse then.",
        "Check the service or the file that the agent's file names under [passwords].",
        Source.KEYBACK,
    )
    TRIES_SPENT = _warn(
        "42023",
        "TriesSpent",
        "So many wrong passwords were tried that a few more would lock the account: half of the lock-out threshold is "
        "left for the person's own computers, so nothing was asked of the directory.",
        "Nothing: it goes on when the observation window of the lock-out policy is over. If it repeats, somebody "
        "guesses.",
        Source.KEYBACK,
    )
    WITHDRAWN = _warn(
        "42022",
        "RequestWithdrawn",
        "The portal did not let a claimed request be written now; nothing was sent, and it may come again.",
        "Nothing, unless it is frequent: then look at the connection to the portal.",
        Source.KEYBACK,
    )
