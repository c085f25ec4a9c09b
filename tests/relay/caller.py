"""An agent's end of the line: real keys, real signatures, any header changed at will."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from django.utils import timezone
from pydantic import BaseModel

from keyback.protocol.messages import Poll, WorkList
from keyback.protocol.signing import sign_agent_call
from tests.portal.agents import AgentWithKeys

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BOOT = uuid.UUID(int=7)


def token_form(assertion: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }


class Caller:
    """`agent`'s calls to the door at `url`. Gets its token when it first needs one."""

    def __init__(self, url: str, agent: AgentWithKeys) -> None:
        self.agent = agent
        # Plain http: without `verify` each caller would read all certificate authorities first, which takes 30 ms.
        self.http = httpx2.Client(base_url=url, timeout=70, trust_env=False, verify=False)
        self._token: str | None = None

    @property
    def token(self) -> str:
        if self._token is None:
            response = self.ask_token()
            assert response.status_code == 200, response.text
            self._token = response.json()["access_token"]
        return self._token

    def ask_token(self, **changed: object) -> httpx2.Response:
        """A new token, with these claims changed."""
        assertion = self.agent.assertion(timezone.now(), **changed)
        return self.http.post("/agents/v1/token", data=token_form(assertion))

    def post(self, path: str, message: BaseModel | bytes | str, **headers: str | None) -> httpx2.Response:
        """Posts to /agents/v1/<path>, signed. A header by name (content_type=…) replaces ours; None removes it."""
        body = message.model_dump_json() if isinstance(message, BaseModel) else message
        return self.send(f"/agents/v1/{path}", body.encode() if isinstance(body, str) else body, **headers)

    def send(self, path: str, body: bytes, signed_path: str | None = None, **headers: str | None) -> httpx2.Response:
        given: dict[str, str | None] = {
            "content_type": "application/json",
            "keyback_signature": sign_agent_call(self.agent.sign, self.agent.row.id, signed_path or path, body),
        }
        if "authorization" not in headers:
            given["authorization"] = f"Bearer {self.token}"
        given |= headers
        raw = {name.replace("_", "-"): value.encode("latin-1") for name, value in given.items() if value is not None}
        return self.http.post(path, content=body, headers={k.encode(): v for k, v in raw.items()})

    def poll(self, wait_s: int = 0, capacity: int = 1, boot_id: uuid.UUID = BOOT) -> httpx2.Response:
        return self.post("poll", Poll(boot_id=boot_id, wait_s=wait_s, capacity=capacity))

    def work(self, wait_s: int = 0, capacity: int = 1) -> WorkList:
        response = self.poll(wait_s, capacity)
        assert response.status_code == 200, response.text
        return WorkList.model_validate_json(response.content)


@contextmanager
def caller(url: str, agent: AgentWithKeys) -> Iterator[Caller]:
    one = Caller(url, agent)
    try:
        yield one
    finally:
        one.http.close()
