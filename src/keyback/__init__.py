"""Keyback: people get back into their Active Directory account by themselves."""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("keyback")
