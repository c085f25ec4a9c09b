"""The Debian system in which Samba runs, made once for each flavour and kept in the cache.

``trixie`` has Samba 4.24 from Debian 13's backports, which offers the policy hints control; ``bookworm`` has
Debian 12's own 4.17, which does not. The mirror, its settings and keys are the machine's own: they are read from apt
and written into the root only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from lab._namespace import run_inside
from lab._settings import Flavour, cache_dir, lock
from lab.errors import MachineError

_SAMBA = ("samba", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "winbind", "ldb-tools")
_PACKAGES: dict[Flavour, tuple[str, ...]] = {
    "trixie": (*_SAMBA, "samba-ad-dc"),  # in Debian 12 a part of `samba`
    "bookworm": _SAMBA,
}
_POLICY = "usr/sbin/policy-rc.d"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PASSED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def root_dir(flavour: Flavour) -> Path:
    """Where the root of ``flavour`` is; its name changes with what is installed, so that an old one is not reused."""
    digest = hashlib.sha256(" ".join(_PACKAGES[flavour]).encode()).hexdigest()[:8]
    return cache_dir() / "roots" / f"{flavour}-{digest}"


def ensure_root(flavour: Flavour) -> Path:
    """The root directory of ``flavour``, made if need be (under a minute, needs the Debian mirror)."""
    root = root_dir(flavour)
    with lock(f"root-{flavour}"):
        if not root.exists():
            root.parent.mkdir(exist_ok=True)
            backports = flavour == "trixie"
            _build(root, flavour, _PACKAGES[flavour], backports=backports)
    return root


def ensure_machine_root(packages: tuple[str, ...]) -> Path:
    """A root of this machine's own release with these packages, made if need be."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    digest = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:8]
    root = cache_dir() / "roots" / f"machine-{suite}-{digest}"
    with lock(f"root-{root.name}"):
        if not root.exists():
            root.parent.mkdir(exist_ok=True)
            _build(root, suite, packages, backports=False)
            (root / _POLICY).unlink()  # from here on services may start
    return root


def require_root_user() -> None:
    """Raise unless we may mount, chroot and listen on port 88."""
    if os.geteuid() != 0:
        raise MachineError("the lab mounts, changes root and listens on low ports: run it as root")
    for tool in ("unshare", "chroot"):
        if shutil.which(tool) is None:
            raise MachineError(f"the lab needs {tool} (Debian packages util-linux and coreutils)")
    _call("unshare", "--mount", "--pid", "--fork", "true")  # refused in many containers, better told before the work


def _build(root: Path, suite: str, packages: tuple[str, ...], *, backports: bool) -> None:
    _ensure_debootstrap()
    building = root.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    mirror = _mirror()
    _call("debootstrap", "--variant=minbase", f"--keyring={_KEYRING}", suite, str(building), mirror)
    _copy_apt_settings(building)
    suites = [f"deb {mirror} {suite} main"]
    options: list[str] = []
    if backports:
        suites.append(f"deb {mirror} {suite}-backports main")
        options = ["--target-release", f"{suite}-backports"]
    (building / "etc/apt/sources.list").write_text("\n".join(suites) + "\n")
    # The packages' own services must not start while they are installed.
    policy = building / _POLICY
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    proxies = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    apt = ["apt-get", "--quiet", "--yes", "--no-install-recommends"]
    run_inside(building, [*apt, "update"], environment=proxies)
    run_inside(building, [*apt, *options, "install", *packages], environment=proxies)
    run_inside(building, ["apt-get", "clean"])
    (building / "forest").mkdir()  # where a forest's data is mounted
    (building / "etc/krb5.conf").touch()
    building.rename(root)


def _mirror() -> str:
    """The URL of the Debian archive this machine uses, as apt itself understands its sources."""
    fields = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    command = ("apt-get", "indextargets", "--format", fields, "Created-By: Packages")
    if not (listing := _call(*command)):
        _call("apt-get", "update")  # it lists what has been fetched only
        listing = _call(*command)
    for line in listing.splitlines():
        uri, release, component = line.split()[:3]
        if component == "main" and "/" not in release and "-" not in release:
            return _real_uri(uri)
    raise MachineError("apt on this machine knows no Debian archive with the component main")


def _real_uri(uri: str) -> str:
    if uri.startswith("mirror+file:"):  # as on Debian's cloud images: a file with a list of mirrors
        uri = Path(uri.removeprefix("mirror+file:").rstrip("/")).read_text().split()[0]
    return uri.rstrip("/")


def _copy_apt_settings(root: Path) -> None:
    apt = root / "etc/apt"
    # The effective settings instead of the files: those may hold hooks that call programs the root does not have.
    effective = _call("apt-config", "dump", "Acquire", "Binary::apt-get::Acquire")
    kept = "\n".join(line for line in effective.splitlines() if not line.startswith("Acquire::IndexTargets"))
    settings = apt / "apt.conf.d/00machine"
    settings.touch(mode=0o600)
    settings.write_text(kept + '\nAPT::Sandbox::User "root";\n')
    for name in ("auth.conf", "auth.conf.d", "keyrings", "trusted.gpg", "trusted.gpg.d"):
        source = Path("/etc/apt") / name
        if source.is_dir():
            shutil.copytree(source, apt / name, dirs_exist_ok=True)
        elif source.exists():
            shutil.copy2(source, apt / name)
    _copy_file(root, Path("/etc/resolv.conf"))
    _copy_file(root, Path("/etc/ssl/certs/ca-certificates.crt"))
    for line in kept.splitlines():  # certificates and keys that the settings name by path
        value = line.partition(" ")[2].strip('";')
        if value.startswith("/") and ("Cert" in line or "Key" in line or "CAInfo" in line) and Path(value).is_file():
            _copy_file(root, Path(value))


def _copy_file(root: Path, source: Path) -> None:
    if source.exists():
        target = root / source.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copy2(source, target)  # follows a symbolic link, as resolv.conf often is


def _ensure_debootstrap() -> None:
    if shutil.which("debootstrap"):
        return
    if shutil.which("apt-get") is None:
        raise MachineError("the lab is built with debootstrap and apt, which this machine does not have")
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "--quiet", "--yes", "--no-install-recommends"]
    _call(*apt, "update")
    _call(*apt, "install", "debootstrap")


def _call(*command: str) -> str:
    environment = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        tail = " | ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise MachineError(f"{command[0]} failed ({done.returncode}): {tail}")
    return done.stdout
