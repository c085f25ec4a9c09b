"""What can go wrong in the lab, by who must act.

::

    LabError
    ├── BadNameError        the caller gave a name, address or duration that cannot be
    ├── NotRunningError     bring the forest up first
    ├── MachineError        this machine lacks something: root, apt, an address, a package
    └── ControllerError     the domain controller refused or did not answer
"""


class LabError(Exception):
    """Base of all; its text is one line for a human being."""


class BadNameError(LabError, ValueError):
    """A name, address or duration that cannot be."""


class NotRunningError(LabError, LookupError):
    """No such forest is up."""


class MachineError(LabError):
    """This machine cannot do it as it is."""


class ControllerError(LabError):
    """The domain controller refused, or did not answer in time."""
