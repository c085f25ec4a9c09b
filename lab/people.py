"""The people, groups and fine-grained policies of every forest: a table that tests import.

Names are those of people who made computing and mathematics; what they are here is made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

INITIAL_PASSWORD = "Initial-Pa55word!"
"""Everybody's password at first, unless :attr:`Person.password` says otherwise."""

PEOPLE_OU = "OU=People"
GROUPS_OU = "OU=Groups"
OUTSIDE_OU = "OU=Outside"  # where the service account has no rights
SERVICES_OU = "OU=Services"
SERVICE_ACCOUNT = "svc-keyback"


class Kind(Enum):
    """What is special about a person; the word is also their job title in the directory."""

    ORDINARY = "ordinary"
    DISABLED = "disabled"
    LOCKED = "locked out"
    EXPIRED = "account expired"
    PASSWORD_EXPIRED = "password expired"
    MUST_CHANGE = "must change the password"
    NEVER_EXPIRES = "password never expires"
    CANNOT_CHANGE = "cannot change the password"
    WITHOUT_PASSWORD = "without a password"  # PASSWD_NOTREQD, and none set
    UNKNOWN_PASSWORD = "nobody knows the password"
    ADMIN_COUNT = "protected by adminCount"  # and, as Active Directory does, no inherited rights
    NESTED_ADMIN = "protected by nested group membership"  # adminCount is not set: only the token tells
    NO_MAIL = "no mail address"
    MALFORMED_PHONE = "malformed phone"
    OTHER_SUFFIX = "another UPN suffix"
    FINE_GRAINED = "under a fine-grained policy"
    OUTSIDE = "outside the delegated OU"


@dataclass(frozen=True, slots=True)
class Person:
    """One person; ``account`` is the sAMAccountName.

    ``suffix`` picks the UPN suffix: 0 the domain's own, 1.. the alternative ones (:func:`alternative_suffixes`).
    ``mail`` None means ``account@example.test``; an empty one means none.
    """

    account: str
    given: str
    surname: str
    kind: Kind = Kind.ORDINARY
    mail: str | None = None
    mobile: str = ""
    suffix: int = 0
    groups: tuple[str, ...] = ()
    password: str | None = field(default=INITIAL_PASSWORD, repr=False)  # None: random, known to nobody
    common_name: str = ""

    @property
    def display_name(self) -> str:
        return f"{self.given} {self.surname}"

    def user_id(self, dns_domain: str) -> str:
        """The user principal name in a forest with this DNS name."""
        return f"{self.account}@{(dns_domain, *alternative_suffixes(dns_domain))[self.suffix]}"

    @property
    def mail_address(self) -> str:
        return f"{self.account}@example.test" if self.mail is None else self.mail


@dataclass(frozen=True, slots=True)
class FineGrainedPolicy:
    """A PSO and the group it applies to. Ages in seconds, 0 for none."""

    name: str
    group: str
    precedence: int
    length: int
    history: int
    max_age: int
    min_age: int = 0
    complexity: bool = True
    lockout_threshold: int = 10


PEOPLE: tuple[Person, ...] = (
    Person("ada", "Ada", "Lovelace", mobile="+44 20 7946 0001", groups=("Engineering",)),
    Person("grace", "Grace", "Hopper", mobile="+1 202 555 0102", groups=("Engineering",)),
    Person("alan", "Alan", "Turing", mobile="+44 20 7946 0003", groups=("Engineering",)),
    Person("katherine", "Katherine", "Johnson", mobile="+1 202 555 0104", groups=("Research",)),
    Person("edsger", "Edsger", "Dijkstra", mobile="+31 20 555 0105", groups=("Research",)),
    Person("barbara", "Barbara", "Liskov", mobile="+1 202 555 0106", groups=("Research",)),
    Person("donald", "Donald", "Knuth", mobile="+1 202 555 0107", groups=("Research",)),
    Person("jorg", "Jörg", "Müßig-Łukasz", mobile="+49 30 5550108"),
    Person("augusta", "Augusta", "King", common_name="King, Augusta + Co. #1"),
    Person("dennis", "Dennis", "Ritchie", Kind.DISABLED),
    Person("louis", "Louis", "Pouzin", Kind.LOCKED),
    Person("emmy", "Emmy", "Noether", Kind.EXPIRED),
    Person("radia", "Radia", "Perlman", Kind.PASSWORD_EXPIRED),
    Person("mary", "Mary", "Jackson", Kind.MUST_CHANGE),
    Person("niels", "Niels", "Abel", Kind.NEVER_EXPIRES),
    Person("carl", "Carl", "Gauss", Kind.CANNOT_CHANGE),
    Person("wilhelm", "Wilhelm", "Leibniz", Kind.WITHOUT_PASSWORD, password=""),
    Person("ursula", "Ursula", "Franklin", Kind.UNKNOWN_PASSWORD, password=None),
    Person("adele", "Adele", "Goldberg", Kind.ADMIN_COUNT),
    Person("margaret", "Margaret", "Hamilton", Kind.NESTED_ADMIN, groups=("Night Shift",)),
    Person("noor", "Noor", "Khan", Kind.NO_MAIL, mail=""),
    Person("maurice", "Maurice", "Wilkes", Kind.MALFORMED_PHONE, mobile="ask reception, ext. 7"),
    Person("sofia", "Sofia", "Kovalevskaya", Kind.OTHER_SUFFIX, suffix=1),
    Person("srinivasa", "Srinivasa", "Ramanujan", Kind.OTHER_SUFFIX, suffix=2),
    Person("fibonacci", "Leonardo", "Fibonacci", Kind.FINE_GRAINED, groups=("Finance",)),
    Person("luca", "Luca", "Pacioli", Kind.FINE_GRAINED, groups=("Finance",)),
    Person("oskar", "Oskar", "Morgenstern", Kind.OUTSIDE),
)

GROUPS: dict[str, tuple[str, ...]] = {
    "Engineering": (),
    "Research": (),
    "Finance": (),
    "Password Reset Users": ("Engineering", "Research", "Finance"),
    "Night Shift": (),
    "Operators on Duty": ("Night Shift",),
}
"""Group name → the groups that are members of it."""

PROTECTED_GROUP = "Backup Operators"
PROTECTED_MEMBER = "Operators on Duty"  # so whoever is on the night shift is protected, two groups away

FINE_GRAINED: tuple[FineGrainedPolicy, ...] = (
    FineGrainedPolicy("Finance passwords", "Finance", 10, length=14, history=5, max_age=30 * 86400),
)


def person(account: str) -> Person:
    """The row of ``account``; KeyError when there is none."""
    return _BY_ACCOUNT[account]


def of_kind(kind: Kind) -> Person:
    """The first person of ``kind``."""
    return next(row for row in PEOPLE if row.kind is kind)


def alternative_suffixes(dns_domain: str) -> tuple[str, str]:
    """The UPN suffixes of a forest beside its own DNS name."""
    return f"staff.{dns_domain}", f"{dns_domain.partition('.')[0]}.test"


_BY_ACCOUNT = {row.account: row for row in PEOPLE}
