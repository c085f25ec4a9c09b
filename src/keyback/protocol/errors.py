"""What can be wrong with a message between portal and agent.

ProtocolError
├── Malformed      the bytes are not of the protocol's form     (event 32003)
├── Forged         a signature does not match                   (event 32003)
├── Mismatched     well signed, but for somebody or something else (event 32003)
├── OutOfDate      the other side is more than one version of the protocol behind
└── Unopenable     a sealed box could not be opened: one answer for every cause (event 32004)
"""

from __future__ import annotations

from keyback.errors import KeybackError

__all__ = ["Forged", "Malformed", "Mismatched", "OutOfDate", "ProtocolError", "Unopenable"]


class ProtocolError(KeybackError):
    code = "protocol"


class Malformed(ProtocolError):
    code = "malformed"


class Forged(ProtocolError):
    code = "forged"


class Mismatched(ProtocolError):
    code = "mismatched"


class OutOfDate(ProtocolError):
    code = "out_of_date"


class Unopenable(ProtocolError):
    code = "unopenable"
