"""`keyback serve`: both doors on one port, bounded waits, one clear line for a wrong setting, a stop in order."""

import json
import signal
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from keyback.relay.server import listening_socket
from tests.serve.portal import Portal, Running, make_portal

THREADS = 4


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Portal:
    made = make_portal(tmp_path_factory.mktemp("portal"))
    assert made.run("org", "create", "Example Ltd", "--slug", "example").returncode == 0
    return made


@pytest.fixture(scope="module")
def served(portal: Portal) -> Iterator[Running]:
    with portal.process("serve") as running:
        yield running


def request(port: int, path: str, data: bytes | None = None, **headers: str) -> httpx2.Response:
    method = "GET" if data is None else "POST"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx2.Client(trust_env=False, timeout=30, verify=False) as client:
        return client.request(method, f"http://127.0.0.1:{port}{path}", content=data, headers=given)


def raw(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 40)
    connection.sendall(sent)
    return connection


def test_both_doors_answer_on_one_port_each_with_its_tracking_id(served: Running) -> None:
    people, agents = request(served.port, "/recover/"), request(served.port, "/agents/v1/health")
    assert (people.status_code, agents.status_code) == (200, 200)
    assert "text/html" in people.headers["content-type"] and agents.json() == {"status": "ok"}
    for answer in (people, agents, request(served.port, "/nothing"), request(served.port, "/agents/nothing")):
        assert answer.headers["keyback-tracking-id"]
        assert "server" not in answer.headers


def test_answers_are_sent_without_waiting_for_acknowledgements() -> None:
    # asyncio switches Nagle's algorithm off only for sockets that name their protocol.
    with listening_socket("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_slow_bodies_hold_none_of_the_people_s_threads(served: Running) -> None:
    head = b"POST /recover/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf"
    slow = [raw(served.port, head) for _ in range(3 * THREADS)]
    try:
        assert request(served.port, "/recover/").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_form_that_breaks_off_never_reaches_a_page(served: Running) -> None:
    before = len(served.lines())
    head = b"POST /recover/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nuser_id=a"
    raw(served.port, head).close()
    assert request(served.port, "/recover/").status_code == 200
    assert served.lines()[before:] == []


def test_a_head_that_never_ends_is_cut_off(served: Running) -> None:
    with raw(served.port, b"GET /recover/ HTTP/1.1\r\nHost: a\r\nX: ") as slow:
        assert slow.recv(1000) == b""


def test_a_form_that_is_too_large_is_refused_by_the_people_s_door(served: Running) -> None:
    large = request(served.port, "/recover/", b"a=" + b"x" * 300_000, content_type="application/x-www-form-urlencoded")
    assert large.status_code in (400, 403, 413) and large.headers["keyback-tracking-id"]


def test_what_a_client_says_about_hosts_and_addresses_changes_no_answer(served: Running) -> None:
    spoofed = request(
        served.port,
        "/agents/v1/health",
        x_forwarded_proto="https",
        x_forwarded_host="evil.test",
        forwarded="for=1.2.3.4",
    )
    assert "evil" not in spoofed.text
    assert request(served.port, "/", host="evil.test").status_code == 400


def test_odd_requests_bring_neither_door_out_of_order(served: Running) -> None:
    for line in (
        b"GET /%00 HTTP/1.1",
        b"GET /%ff%fe?%ff=%00 HTTP/1.1",
        b"GET //evil.test/ HTTP/1.1",
        b"GET http://evil.test/ HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT a:1 HTTP/1.1",
        b"GET /agents/../recover/ HTTP/1.1",
        b"GET /agents%2fv1%2fhealth HTTP/1.1",
    ):
        with raw(served.port, line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n") as connection:
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.split()[1][:1] in (b"2", b"3", b"4"), (line, answer[:200])
        assert b"keyback-tracking-id" in answer.lower(), line


def test_a_log_holds_lines_of_json_and_no_address_of_a_page(served: Running) -> None:
    request(served.port, "/recover/?canary=4711")
    lines = served.lines()
    assert lines and {"time", "level", "logger", "message"} <= set(lines[0])
    assert "canary" not in served.log.read_text()
    # Somebody else's Host header is worth an error to Django.
    assert {line["logger"] for line in lines if line["level"] == "error"} <= {"django.security.DisallowedHost"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(portal: Portal, number: int, served: Running) -> None:
    from tests.support.ports import free_port

    with portal.process("serve", port=free_port()) as running:
        running.process.send_signal(number)
        assert running.process.wait(20) == 0
        assert [line for line in running.lines() if line["level"] == "error"] == []


def test_a_port_that_is_taken_is_told_in_one_line(portal: Portal, served: Running) -> None:
    told = portal.run("serve")
    assert told.returncode == 2
    assert f"127.0.0.1:{portal.port}" in told.stderr.splitlines()[-1] and "Traceback" not in told.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"listen": "0.0.0.0:8443"}, "plain http is for loopback only"),
        ({"listen": "8080"}, "is not an address and a port"),
        ({"tls_key": "/nothing"}, "go together"),
        ({"tls_key": "/nothing", "tls_certificate": "/nothing"}, "must begin with https://"),
        ({"public_url": "https://a.test", "tls_key": "/nothing", "tls_certificate": "/nothing"}, "No such file"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(
    portal: Portal, changed: dict[str, str], said: str, tmp_path: Path
) -> None:
    import tomllib

    values = tomllib.loads(portal.config.read_text()) | changed
    config = tmp_path / "portal.toml"
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    told = portal.run("serve", "--config", str(config))
    assert told.returncode == 2
    assert said in told.stderr.splitlines()[-1] and "Traceback" not in told.stderr


def test_a_database_that_is_not_up_to_date_is_told_in_one_line(portal: Portal, tmp_path: Path) -> None:
    config = tmp_path / "portal.toml"
    config.write_text(portal.config.read_text().replace("keyback.sqlite3", "other.sqlite3"))
    told = portal.run("serve", "--config", str(config))
    assert told.returncode == 2 and "keyback migrate" in told.stderr


@pytest.mark.parametrize("command", ["serve-people", "serve-agents", "worker"])
def test_with_sqlite_one_process_does_everything(portal: Portal, command: str) -> None:
    told = portal.run(command)
    assert told.returncode == 2 and "run 'keyback serve'" in told.stderr


def test_the_people_s_door_does_not_start_without_its_key(tmp_path: Path) -> None:
    portal = make_portal(tmp_path)
    (tmp_path / "keys" / "django.key").unlink()
    told = portal.run("serve")
    assert told.returncode == 2
    assert "django.key" in told.stderr.splitlines()[-1] and "Traceback" not in told.stderr


def test_it_serves_https_with_its_own_certificate(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    portal = make_portal(tmp_path, public_url="https://127.0.0.1:1", tls_certificate=str(certificate), tls_key=str(key))
    with portal.process("serve") as running:
        with httpx2.Client(verify=ssl.create_default_context(cafile=certificate), trust_env=False) as client:
            assert client.get(f"https://127.0.0.1:{running.port}/agents/v1/health").status_code == 200
        with pytest.raises(OSError), raw(running.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as plain:
            if not plain.recv(100):
                raise OSError("closed")


def _certificate(directory: Path) -> tuple[Path, Path]:
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "tls.pem", directory / "tls.key"
    certificate_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_file, key_file
