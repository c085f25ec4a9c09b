"""The doors as processes of their own on PostgreSQL, each with the keys that it needs and no others."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OKPKey
from pydantic import BaseModel

from keyback.protocol.messages import PersonRecord, Poll, Push
from keyback.protocol.signing import sign_agent_call
from tests.portal.agents import candidate
from tests.relay.caller import token_form
from tests.serve.portal import Portal, make_portal
from tests.support.ports import free_port


def request(port: int, path: str) -> httpx2.Response:
    with httpx2.Client(trust_env=False, timeout=30, verify=False) as client:
        return client.get(f"http://127.0.0.1:{port}{path}")


def test_the_doors_run_apart_on_postgresql(postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE apart")
    portal = make_portal(tmp_path, database=postgres.rpartition("/")[0] + "/apart")
    assert portal.run("org", "create", "Example Ltd", "--slug", "example").returncode == 0
    both = ("codes.key", "index.key", "rest-001.key", "requests.pub")
    of_agents = some_keys(portal, "of-agents", *both)
    of_workers = some_keys(portal, "of-workers", *both, "audit.key")
    with (
        portal.process("serve-people", "--processes", "2") as people,
        portal.process("serve-agents", port=free_port(), keys=of_agents) as agents,
        portal.process("worker", port=free_port(), ready=False, keys=of_workers) as worker,
    ):
        assert request(people.port, "/recover/").status_code == 200
        assert request(people.port, "/agents/v1/health").status_code == 404
        assert request(agents.port, "/agents/v1/health").status_code == 200
        assert request(agents.port, "/recover/").status_code == 404
        agent = new_agent(portal, agents.port)
        pushed = Push(run_id=uuid4(), seq=1, forest_id=agent.forest_id, people=[record()], last=True)
        assert agent.post("people", pushed)["added"] == 1
        assert agent.post("poll", Poll(boot_id=uuid4(), wait_s=0)) == {"work": []}
        assert worker.process.poll() is None
        for running in (people, agents, worker):
            assert [line for line in running.lines() if line["level"] != "info"] == []


def some_keys(portal: Portal, name: str, *files: str) -> Path:
    directory = portal.directory / name
    directory.mkdir(mode=0o700)
    for file in files:
        shutil.copy2(portal.directory / "keys" / file, directory)
    return directory


def record() -> PersonRecord:
    return PersonRecord(
        object_guid=uuid4(),
        anchor="anchor-ana",
        user_id="ana@example.test",
        account_name="ana",
        display_name="Ana",
        mail=["ana@mail.test"],
    )


@dataclass
class Onboarded:
    """An agent of a portal that is another process."""

    url: str
    agent_id: UUID
    forest_id: UUID
    sign: Ed25519PrivateKey
    bearer: str = ""

    def post(self, call: str, message: BaseModel) -> Any:
        path, body = f"/agents/v1/{call}", message.model_dump_json().encode()
        signature = sign_agent_call(self.sign, self.agent_id, path, body)
        headers = {"Authorization": f"Bearer {self.bearer}", "Keyback-Signature": signature}
        with httpx2.Client(trust_env=False, timeout=30, verify=False) as client:
            answer = client.post(self.url + path, content=body, headers=headers | {"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        return answer.json()


def new_agent(portal: Portal, port: int) -> Onboarded:
    """Onboarded at the door on this port, confirmed, and with a token."""
    portal.run("domain", "add", "example", "example.test")
    portal.run("domain", "verify", "example", "example.test", "--by-operator")
    code = portal.run("agent-code", "create", "example").stdout.split()[-1]
    new = candidate(code)
    url = f"http://127.0.0.1:{port}"
    with httpx2.Client(trust_env=False, timeout=30, verify=False) as client:
        given = {"Content-Type": "application/json", "Keyback-Signature": new.signature}
        answer = client.post(f"{url}/agents/v1/onboard", content=new.body, headers=given)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    confirmed = portal.run("agents", "confirm", "example", new.message.name, "--fingerprint", told["fingerprint"])
    assert confirmed.returncode == 0, confirmed.stderr
    agent = Onboarded(url, UUID(told["agent_id"]), UUID(told["forests"][0]["id"]), new.sign)
    moment = int(time.time())
    claims = {"iss": str(agent.agent_id), "sub": str(agent.agent_id), "aud": told["audience"], "iat": moment}
    claims |= {"exp": moment + 60, "jti": str(uuid4())}
    assertion = jwt.encode({"alg": "Ed25519"}, claims, OKPKey.import_key(new.sign), algorithms=["Ed25519"])
    with httpx2.Client(trust_env=False, timeout=30, verify=False) as client:
        token = client.post(f"{url}/agents/v1/token", data=token_form(assertion))
    agent.bearer = token.json()["access_token"]
    return agent
