"""Password rules: pure, without input or output, usable on its own.

>>> from datetime import timedelta
>>> policy = DirectoryPolicy(min_length=7, history=24, min_age=timedelta(days=1), max_age=None,
...                          complexity=True, lockout_threshold=0)
>>> [finding.code.value for finding in check("Ada-12345678", PersonNames("ada"), policy)]
['account_name']
"""

from __future__ import annotations

from keyback.passwords.banned import BannedWords, Match, Verdict, builtin
from keyback.passwords.complexity import CharacterClass, utf16_units
from keyback.passwords.findings import Code, Finding, PersonNames, check
from keyback.passwords.policy import DirectoryPolicy
from keyback.passwords.profiles import PROFILES, Profile
from keyback.passwords.rules import Judgement, Rules, judge

__all__ = [
    "PROFILES",
    "BannedWords",
    "CharacterClass",
    "Code",
    "DirectoryPolicy",
    "Finding",
    "Judgement",
    "Match",
    "PersonNames",
    "Profile",
    "Rules",
    "Verdict",
    "builtin",
    "check",
    "judge",
    "utf16_units",
]
