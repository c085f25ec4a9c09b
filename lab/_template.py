"""A provisioned and populated forest, kept in the cache: to bring one up is to copy it and start it."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from lab import _controller, _namespace
from lab._accounts import make_lasting
from lab._authority import Authority
from lab._populate import populate
from lab._settings import Flavour, cache_dir, lock
from lab.errors import ControllerError
from lab.forest import STATE_FILE, Controller, Forest, load
from lab.people import PEOPLE, SERVICE_ACCOUNT

# What shapes a template: when one of these changes, a new one is made.
_SOURCES = ("people.py", "_populate.py", "_rights.py", "_descriptor.py", "_controller.py", "_template.py")
# People's passwords in a template must not come near the domain's maximum age of 42 days.
_LIFE = 14 * 86400


def ensure_template(domain: str, flavour: Flavour, ip: str) -> Path:
    """The directory of the template for a forest of ``domain``, made on ``ip`` if need be (some seconds)."""
    templates = cache_dir() / "templates"
    templates.mkdir(mode=0o700, exist_ok=True)
    template = templates / f"{flavour}-{domain}-{_digest()}"
    with lock(f"template-{flavour}-{domain}"):
        if not template.exists() or time.time() - template.stat().st_mtime > _LIFE:
            for old in templates.glob(f"{flavour}-{domain}-*[!g]"):  # not one that is .building
                shutil.rmtree(old)
            _build(template, domain, flavour, ip)
    return template


def _build(template: Path, domain: str, flavour: Flavour, ip: str) -> None:
    building = template.with_name(f"{template.name}.building")
    if (building / STATE_FILE).exists():  # whoever made it was killed
        for left in load(domain, building).controllers:
            _controller.destroy(left)
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o711)
    controller = Controller("dc1", ip)
    forest = Forest(domain, domain, flavour, building, (controller,))
    Authority.create(building, f"{forest.netbios} lab authority", datetime.now(UTC))
    service_password = _secret(building / f"{SERVICE_ACCOUNT}.password")
    _controller.configure(forest, controller)
    _provision(forest, controller)
    _controller.configure(forest, controller)  # provisioning writes a smb.conf of its own
    forest = _controller.start(forest, controller)
    try:
        with forest.administrator() as directory:
            populate(forest, directory, service_password)
        for row in PEOPLE:
            make_lasting(forest, row)
    finally:
        _controller.stop(forest.controllers[0])
    (building / STATE_FILE).unlink()
    _controller.wipe_runtime(forest.data_of(controller))
    building.rename(template)


def _provision(forest: Forest, controller: Controller) -> None:
    (forest.data_of(controller) / "etc/smb.conf").unlink()  # samba-tool refuses another's
    options = [
        "--targetdir=/forest",
        f"--realm={forest.realm}",
        f"--domain={forest.netbios}",
        "--server-role=dc",
        "--dns-backend=NONE",
        f"--host-name={controller.name}",
        f"--host-ip={controller.ip}",
        f"--function-level={_controller.functional_level(forest)}",
        "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
        f"--option=interfaces={controller.ip}/8",
        "--option=bind interfaces only=yes",
    ]
    if forest.flavour == "trixie":
        options.append("--option=ad dc functional level=2016")
    done = _namespace.run_inside(
        forest.root, ["samba-tool", "domain", "provision", *options], forest=forest.data_of(controller)
    )
    # Samba makes the password itself, so it stands in no command line.
    made = re.search(r"Admin password:\s*(\S.*)$", done, re.MULTILINE)
    if made is None:
        raise ControllerError("samba-tool named no administrator password")
    _write_secret(forest.administrator_password_file, made.group(1).rstrip())


def _secret(file: Path) -> str:
    password = secrets.token_urlsafe(24) + "-aA1"
    _write_secret(file, password)
    return password


def _write_secret(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def _digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in _SOURCES)).hexdigest()[:12]
