"""Django's settings for tests and mypy: the portal's own, from a configuration made for this process.

A server that a test starts gets a configuration of its own in KEYBACK_CONFIG; this module then adds nothing.
"""

import os
import tempfile
from pathlib import Path

if "KEYBACK_CONFIG" not in os.environ:
    from keyback.portal import keyring

    _directory = tempfile.TemporaryDirectory(prefix="keyback-tests-")  # lives as long as this module
    _state = Path(_directory.name)
    keyring.create(_state / "keys")
    _config = _state / "keyback.toml"
    # The proof of work costs next to nothing here; what it must cost is a test's own business.
    _config.write_text(
        f"""\
public_url = "http://127.0.0.1:8080"
state_dir = "{_state}"
keys_dir = "{_state / "keys"}"
database = "sqlite:///{_state / "keyback.sqlite3"}"
work_cost = 1
"""
    )
    os.environ["KEYBACK_CONFIG"] = str(_config)

from keyback.portal.settings import *  # noqa: F403 - the configuration must be there first
