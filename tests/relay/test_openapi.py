"""The OpenAPI document says what the door does: calls made from it, right and wrong, get the answers it promises."""

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from keyback.protocol.signing import sign_agent_call
from tests.relay.caller import Caller
from tests.relay.conftest import Site
from tests.relay.door import OpenDoor

ARRIVE = ("onboard", "token")
READ = ("health", "openapi")
AGENT = ("poll", "writing", "outcome", "people", "show", "keys", "forests", "offboard", "heartbeat", "banned")
OPERATIONS = (*ARRIVE, *AGENT, *READ)


class _Signed:
    """Authenticates a prepared request as its agent would: bearer, and signature over what is really sent."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def __call__(self, request: Any) -> Any:
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        path = request.path_url.partition("?")[0]
        agent = self._caller.agent
        request.headers["Authorization"] = f"Bearer {self._caller.token}"
        request.headers["Keyback-Signature"] = sign_agent_call(agent.sign, agent.row.id, path, body)
        return request


def test_every_path_of_the_door_is_in_the_document(site: Site, door: OpenDoor) -> None:
    document = site.caller.http.get("/agents/v1/openapi.json").json()
    routes = {re.sub(r"\{(\w+):uuid\}", r"{\1}", route.path) for route in door.app.routes}  # type: ignore[attr-defined]
    assert set(document["paths"]) == routes
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert sorted(names) == sorted(OPERATIONS)


def test_every_answer_declares_its_tracking_id(site: Site) -> None:
    document = site.caller.http.get("/agents/v1/openapi.json").json()
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                assert "Keyback-Tracking-Id" in response["headers"]


def whole_numbers(value: Any) -> Any:
    """JSON Schema calls 14.0 an integer; the protocol writes integers without a point, and takes no others."""
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_calls_made_from_the_document_get_the_answers_it_promises(
    site: Site, door: OpenDoor, name: str, mode: GenerationMode
) -> None:
    if name in READ and mode is GenerationMode.NEGATIVE:
        return  # they take nothing that could be wrong
    schema = schemathesis.openapi.from_url(f"{door.url}/agents/v1/openapi.json").include(operation_id=name)
    operation = next(iter(schema.get_all_operations())).ok()  # type: ignore[union-attr]
    signed = None if name in READ or name in ARRIVE else _Signed(site.caller)
    # Wrong headers are the matter of test_admission; here they are made for each call as it is sent.
    headers = None if signed is None else {"Keyback-Signature": "A" * 86, "Authorization": "Bearer x"}

    @settings(max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(mode, headers=headers))
    def check(case: schemathesis.Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE:
            case.body = whole_numbers(case.body)
        if name == "poll" and isinstance(case.body, dict) and case.body.get("wait_s", 50) in range(51):
            case.body["wait_s"] = 0  # there will be no work, however long it waits
        case.call_and_validate(auth=signed)

    check()
