"""The root of every error that Keyback raises on purpose.

    KeybackError                 has a stable ``code``; its text may be shown to whoever must act
    ├── ConfigurationError       the operator mends a file or a setting, then starts again
    ├── protocol.ProtocolError   see keyback.protocol.errors
    ├── directory.DirectoryError see keyback.directory.errors
    └── flows.IllegalMove        see keyback.flows

No error of this tree ever carries a password, a code or a key.
"""

from __future__ import annotations

__all__ = ["ConfigurationError", "KeybackError"]


class KeybackError(Exception):
    """An error with a code that never changes, so that logs and tests can rely on it."""

    code = "error"


class ConfigurationError(KeybackError):
    """A setting is wrong. The text is one line: what is wrong, where, and what to do."""

    code = "configuration"
