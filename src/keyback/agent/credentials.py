"""The service account's password: tried on a controller, then stored. The running agent takes it up by itself."""

from __future__ import annotations

from keyback.agent.catalogue import Kind
from keyback.agent.config import AgentConfig, ForestConfig, ServicePasswordTooLong, checked_service_password
from keyback.agent.events import Events
from keyback.agent.files import write_private
from keyback.directory import connect
from keyback.directory.errors import BindRefused, DirectoryError, TlsFailure, Unreachable
from keyback.errors import ConfigurationError, KeybackError

__all__ = ["CredentialsRefused", "set_service_password", "try_service_account"]


class CredentialsRefused(KeybackError):
    """They were not stored, and why; an event says the same."""

    code = "credentials_refused"


def set_service_password(config: AgentConfig, forest_name: str, password: str, events: Events) -> str:
    """The name of the controller that took it. Raises CredentialsRefused and ConfigurationError."""
    forest = next((one for one in config.forest if one.name == forest_name.lower().rstrip(".")), None)
    if forest is None:
        raise ConfigurationError(f"{forest_name}: no such forest in the agent's file")
    if forest.password_file is None:
        raise ConfigurationError(f"{forest.name}: signs in with {forest.keytab}; put the new keytab in its place")
    try:
        checked_service_password(password, "the new password")
        controller = try_service_account(forest, password)
        write_private(forest.password_file, password.encode())
    except ServicePasswordTooLong as error:
        events.write(Kind.CREDENTIAL_TOO_LONG, str(error), forest=forest.name)
        raise CredentialsRefused(str(error)) from None
    except BindRefused as error:
        kind = Kind.CREDENTIALS_DENIED
        events.write(kind, f"{kind.value.meaning} {error.message}", forest=forest.name)
        raise CredentialsRefused(
            f"6329 {kind.value.hr}: {forest.account}: {error.message}; nothing was stored"
        ) from None
    except DirectoryError as error:
        raise CredentialsRefused(f"not tried, so nothing was stored: {error.message}") from None
    except OSError as error:
        raise CredentialsRefused(f"{forest.password_file}: {error.strerror}") from None
    return controller


def try_service_account(forest: ForestConfig, password: str) -> str:
    """Signs in with this password, or the keytab, at the first controller that answers; its name. Raises DirectoryError
    and ConfigurationError."""
    urls = forest.servers or [f"{forest.scheme}://{host}" for host in forest.controllers()]
    problem: DirectoryError = Unreachable(forest.name, "no domain controller is known")
    for url in urls:
        try:
            server = forest.server(url, password, alone=len(urls) == 1)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        try:
            with connect(server) as connection:
                return connection.root.dns_host_name
        except (Unreachable, TlsFailure) as error:
            problem = error
    raise problem
