"""The OpenAPI document of the agents' door, made from the protocol's own models and the table of calls."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from keyback import __version__
from keyback.protocol import messages, versions
from keyback.relay.admission import FORM, JSON, SIGNATURE_HEADER
from keyback.relay.answers import TRACKING_HEADER
from keyback.relay.arrivals import ASSERTION_TYPE
from keyback.relay.calls import CALLS, PREFIX
from keyback.relay.problems import (
    AGENT_OUT_OF_DATE,
    AGENT_PENDING,
    AGENT_REVOKED,
    BUSY,
    CODE_REFUSED,
    KEY_REFUSED,
    MALFORMED,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    SIGNATURE_REFUSED,
    TIMED_OUT,
    TOKEN_REFUSED,
    TOO_LARGE,
    TOO_MANY_CALLS,
    TOO_MANY_POLLS,
    UNSUPPORTED_TYPE,
    Problem,
)

__all__ = ["document"]


class Error(BaseModel):
    """Every refusal but those of ``token``."""

    model_config = ConfigDict(extra="forbid")
    error: str
    message: str
    tracking_id: UUID


class OAuthError(BaseModel):
    """RFC 6749 section 5.2."""

    model_config = ConfigDict(extra="forbid")
    error: Literal["invalid_request", "invalid_client", "unsupported_grant_type"]
    error_description: str


class TokenRequest(BaseModel):
    """Other fields are ignored (RFC 6749 section 3.2), but given once, like these."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": {"type": "string"}})
    grant_type: Literal["client_credentials"]
    client_assertion_type: Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    client_assertion: str


_BODY = (MALFORMED, TIMED_OUT, TOO_LARGE, UNSUPPORTED_TYPE, METHOD_NOT_ALLOWED, BUSY)
_ADMISSION = (TOKEN_REFUSED, AGENT_PENDING, AGENT_REVOKED, AGENT_OUT_OF_DATE, SIGNATURE_REFUSED)
_REF = "#/components/schemas/{model}"
_NO_NUL = "^[^\\u0000]*$"


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    takes: list[type[BaseModel]] = [messages.Onboarding, messages.Poll, TokenRequest, *(call.takes for call in CALLS)]
    gives: list[type[BaseModel]] = [messages.Onboarded, messages.Token, messages.WorkList, Error, OAuthError]
    gives += [call.gives for call in CALLS if call.gives is not None]
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((model, "validation") for model in takes),
        *((model, "serialization") for model in gives),
    ]
    _, schemas = models_json_schema(models, ref_template=_REF)
    _without_nul(schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Keyback: the agents' door", "version": __version__},
        "paths": _paths(),
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "headers": {
                TRACKING_HEADER: {
                    "required": True,
                    "description": "The id of this call in every log.",
                    "schema": {"type": "string", "format": "uuid"},
                }
            },
        },
    }


def _without_nul(schema: Any) -> None:
    """Says of every text that is not bound further what :mod:`keyback.relay.bodies` asks of it."""
    if isinstance(schema, list):
        for item in schema:
            _without_nul(item)
    if isinstance(schema, dict):
        if schema.get("type") == "string" and not {"pattern", "format", "enum", "const"} & schema.keys():
            schema["pattern"] = _NO_NUL
        if "propertyNames" in schema:
            schema["propertyNames"].setdefault("pattern", _NO_NUL)
        for item in schema.values():
            _without_nul(item)


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {
        f"{PREFIX}/onboard": _operation(
            "onboard",
            "Register an agent with a one-time code.",
            takes=messages.Onboarding,
            gives=messages.Onboarded,
            status=201,
            problems=(*_BODY, CODE_REFUSED, SIGNATURE_REFUSED, AGENT_OUT_OF_DATE, KEY_REFUSED, TOO_MANY_CALLS),
            secured=False,
        ),
        f"{PREFIX}/token": _token_operation(),
        f"{PREFIX}/poll": _operation(
            "poll",
            "Wait for work.",
            takes=messages.Poll,
            gives=messages.WorkList,
            problems=(*_BODY, *_ADMISSION, TOO_MANY_POLLS),
        ),
    }
    for call in CALLS:
        operation = _operation(
            call.name,
            call.summary,
            takes=call.takes,
            gives=call.gives,
            status=200 if call.gives else 204,
            problems=(*_BODY, *_ADMISSION, *call.problems, *([NOT_FOUND] if "{" in call.path else [])),
        )
        if "{request_id:uuid}" in call.path:
            operation["post"]["parameters"].append(
                {
                    "name": "request_id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "format": "uuid"},
                }
            )
        paths[call.path.replace(":uuid", "")] = operation
    for name, summary in (("health", "Is the door open?"), ("openapi.json", "This document.")):
        paths[f"{PREFIX}/{name}"] = {
            "get": {
                "operationId": name.partition(".")[0],
                "summary": summary,
                "security": [],
                "responses": {"200": _response("OK", {"type": "object"})},
            }
        }
    return paths


def _operation(
    name: str,
    summary: str,
    *,
    takes: type[BaseModel],
    gives: type[BaseModel] | None,
    problems: tuple[Problem, ...],
    status: int = 200,
    secured: bool = True,
) -> dict[str, Any]:
    signature = {
        "name": SIGNATURE_HEADER,
        "in": "header",
        # Missing is answered like wrong: 403.
        "required": True,
        "description": "Ed25519 over purpose, agent, path and body; base64url.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{86}$"},
    }
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "security": [{"bearer": []}] if secured else [],
            "parameters": [signature, _version()],
            "requestBody": {"required": True, "content": {JSON: {"schema": _ref(takes)}}},
            "responses": {
                str(status): _response("OK", None if gives is None else _ref(gives)),
                **_refusals(problems),
            },
        }
    }


def _version() -> dict[str, Any]:
    return {
        "name": versions.HEADER,
        "in": "header",
        "required": False,
        "description": "The version of this protocol that the agent speaks; the first one did not have to say.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,5}$"},
    }


def _token_operation() -> dict[str, Any]:
    oauth = _response("The client did not prove who it is, or asked for something else.", _ref(OAuthError))
    return {
        "post": {
            "operationId": "token",
            "summary": f"Client credentials (RFC 6749) with {ASSERTION_TYPE} (RFC 7523).",
            "security": [],
            "parameters": [_version()],
            "requestBody": {"required": True, "content": {FORM: {"schema": _ref(TokenRequest)}}},
            "responses": {
                "200": _response("OK", _ref(messages.Token)),
                **_refusals((*_BODY, TOO_MANY_CALLS)),
                "400": oauth,
                "401": oauth,
            },
        }
    }


def _refusals(problems: tuple[Problem, ...]) -> dict[str, Any]:
    by_status: dict[int, list[Problem]] = {}
    for problem in problems:
        by_status.setdefault(problem.status, []).append(problem)
    responses = {}
    for status, several in sorted(by_status.items()):
        text = " ".join(f"`{problem.code}`: {problem.message}" for problem in several)
        responses[str(status)] = _response(text, _ref(Error))
        if any(problem.retry_after for problem in several):
            responses[str(status)]["headers"]["Retry-After"] = {"schema": {"type": "string"}}
    return responses


def _response(description: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": description,
        "headers": {TRACKING_HEADER: {"$ref": f"#/components/headers/{TRACKING_HEADER}"}},
    }
    if schema is not None:
        response["content"] = {JSON: {"schema": schema}}
    return response


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
