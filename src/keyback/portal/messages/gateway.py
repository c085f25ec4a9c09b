"""A gateway to the telephone network, over HTTP: one POST for each message, in the form that portal.toml describes."""

from __future__ import annotations

import time
from types import TracebackType

import httpx2

from keyback.credentials import secret_file
from keyback.portal.config import GatewayConfig, Template
from keyback.portal.messages.transport import Outgoing, SendRefused

__all__ = ["Gateway"]

# Passing: too early, too many, and whatever the operator will mend (a wrong password among them).
_PASSING = {401, 403, 408, 409, 425, 429}


class Gateway:
    """``None``: none is set up, and every message is refused."""

    def __init__(self, config: GatewayConfig | None) -> None:
        self._config = config
        self._client: httpx2.Client | None = None
        self._silent: SendRefused | None = None

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def send(self, message: Outgoing) -> None:
        """Raises SendRefused. What the gateway answers beside its status is not read."""
        client, config, request = self._prepared(message)
        began = time.monotonic()
        try:
            response = client.send(request, stream=True)
            response.close()
        except httpx2.HTTPError as error:
            self._silent = SendRefused(f"no gateway: {type(error).__name__}", permanent=False)
            raise self._silent from None
        if response.is_success:
            return
        refusal = SendRefused(
            f"the gateway refused ({response.status_code})",
            permanent=response.status_code < 500 and response.status_code not in _PASSING,
        )
        if time.monotonic() - began > config.timeout_s / 2:
            self._silent = refusal
        raise refusal

    def rehearse(self, message: Outgoing) -> None:
        """Up to the request: there is no call to a gateway that asks for nothing. Raises SendRefused."""
        self._prepared(message)

    def _prepared(self, message: Outgoing) -> tuple[httpx2.Client, GatewayConfig, httpx2.Request]:
        if self._silent is not None:
            raise self._silent
        if self._config is None:
            raise SendRefused("no gateway is set up in portal.toml", permanent=True)
        if self._client is None:
            # Redirects are not followed: the message and the secrets go where the file says.
            self._client = httpx2.Client(timeout=self._config.timeout_s, follow_redirects=False)
        return self._client, self._config, _request(self._client, self._config, message)


def _request(client: httpx2.Client, config: GatewayConfig, message: Outgoing) -> httpx2.Request:
    try:
        secrets = {name: secret_file(path).read_text("utf-8").strip() for name, path in config.secrets.items()}
    except (OSError, UnicodeDecodeError):
        raise SendRefused("a secret of the gateway cannot be read", permanent=False) from None
    number = message.to.replace(" ", "")
    values = {
        **secrets,
        "to": number,
        "digits": number.removeprefix("+"),
        "text": message.text,
        "id": str(message.id),
        "language": message.language,
    }
    fields = {name: _filled(template, values) for name, template in config.fields.items()}
    headers = {name: template.format_map(values) for name, template in config.headers.items()}
    if config.body == "json":
        return client.build_request("POST", config.url, headers=headers, json=fields)
    if config.body == "text":
        headers = {"Content-Type": "text/plain; charset=UTF-8", **headers}
        return client.build_request("POST", config.url, headers=headers, content=str(fields["text"]).encode())
    data = {name: str(value) for name, value in fields.items()}
    return client.build_request("POST", config.url, headers=headers, data=data)


def _filled(template: Template, values: dict[str, str]) -> Template:
    if isinstance(template, str):
        return template.format_map(values)
    if isinstance(template, list):
        return [_filled(part, values) for part in template]
    if isinstance(template, dict):
        return {name: _filled(part, values) for name, part in template.items()}
    return template
