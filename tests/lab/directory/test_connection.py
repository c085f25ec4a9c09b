"""Connecting: only encrypted, only to a server that proves who it is, and never for longer than the limit."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.waiting import wait_until

import lab
from keyback.directory import DirectoryServer, Pool, connect, errors, verify_bind
from lab import Forest

pytestmark = pytest.mark.lab


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A server that takes connections and says ``answer`` to the first bytes, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as lent:

        def serve() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                lent.enter_context(taken)
                if answer is not None:
                    taken.recv(4096)
                    taken.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_the_root_dse_tells_who_serves_and_who_is_signed_in(forest: Forest, server: DirectoryServer) -> None:
    with connect(server) as connection, forest.administrator() as directory:
        root = connection.root
        assert root.dns_host_name == forest.host
        assert root.default_naming_context.lower() == forest.base_dn.lower()
        assert root.domain_functionality == 7
        assert root.hints_control == "1.2.840.113556.1.4.2239"
        assert root.own_sid == directory.sid(forest.service_dn)
        settings = directory.read(root.ds_service_name, "invocationId")
        assert root.invocation_id.bytes_le == settings["invocationId"][0]


def test_start_tls_is_as_good(forest: Forest, server: DirectoryServer) -> None:
    with connect(replace(server, url=f"ldap://{forest.ip}")) as connection:
        assert connection.root.dns_host_name == forest.host


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_certificate_of_another_authority_is_refused(
    forest: Forest, other_forest: Forest, server: DirectoryServer, scheme: str
) -> None:
    stranger = replace(server, url=f"{scheme}://{forest.ip}", ca_file=other_forest.ca_file)
    with pytest.raises(errors.TlsFailure, match="certificate refused: unable to get local issuer certificate"):
        connect(stranger)


def test_a_certificate_for_another_name_is_refused(forest: Forest, server: DirectoryServer) -> None:
    port = 636
    with socket.create_server(("127.0.0.1", 0)) as listener:
        forwarding = threading.Thread(target=_forward, args=(listener, (forest.ip, port)), daemon=True)
        forwarding.start()
        with pytest.raises(errors.TlsFailure, match="IP address mismatch"):
            connect(replace(server, url=f"ldaps://127.0.0.1:{listener.getsockname()[1]}"))


def _forward(listener: socket.socket, target: tuple[str, int]) -> None:
    taken, _ = listener.accept()
    with taken, socket.create_connection(target) as beyond:
        back = threading.Thread(target=_pump, args=(beyond, taken), daemon=True)
        back.start()
        _pump(taken, beyond)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return


def test_a_file_without_authorities_is_named(server: DirectoryServer) -> None:
    with pytest.raises(errors.TlsFailure, match=r"/nonexistent/ca\.pem: No such file"):
        connect(replace(server, ca_file=Path("/nonexistent/ca.pem")))


def test_a_server_that_does_not_listen_is_unreachable(forest: Forest, server: DirectoryServer) -> None:
    with pytest.raises(errors.Unreachable, match="Connection refused"):
        connect(replace(server, url=f"ldaps://{forest.ip}:9"))


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_server_that_says_nothing_is_unreachable(server: DirectoryServer, scheme: str) -> None:
    with listening(None) as address, pytest.raises(errors.Unreachable, match="timed out"):
        connect(replace(server, url=f"{scheme}://{address}", network_timeout=0.3))


def test_a_server_that_speaks_something_else_fails_tls(server: DirectoryServer) -> None:
    with listening(b"220 mail.example.test ESMTP\r\n") as address, pytest.raises(errors.TlsFailure):
        connect(replace(server, url=f"ldaps://{address}"))
    with listening(b"220 mail.example.test ESMTP\r\n") as address, pytest.raises(errors.TlsFailure):
        connect(replace(server, url=f"ldap://{address}"))


def test_a_frozen_controller_is_given_up(forest_to_break: Forest, server: DirectoryServer) -> None:
    lab.freeze(forest_to_break.name)
    with pytest.raises(errors.Unreachable):
        connect(replace(server, network_timeout=0.3, operation_timeout=0.3))
    lab.thaw(forest_to_break.name)
    with connect(server) as connection:
        assert connection.root.dns_host_name == forest_to_break.host


def test_wrong_credentials_of_the_service_account_are_told_apart(server: DirectoryServer) -> None:
    with pytest.raises(errors.BindRefused) as caught:
        connect(replace(server, password="not the password"))
    assert caught.value.data == "52e"
    assert "not the password" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": ""},
        {"bind_dn": ""},
        {"url": "http://dc1"},
        {"url": "ldaps://"},
        {"url": "ldaps://dc1/DC=x"},
        {"url": "dc1"},
    ],
)
def test_what_could_bind_anonymously_or_in_clear_cannot_be_configured(
    server: DirectoryServer, wrong: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=r"give ldaps|needs a name and a password"):
        replace(server, **wrong)  # type: ignore[arg-type]  # all of these are texts


def test_an_empty_password_never_reaches_the_directory(forest: Forest, server: DirectoryServer) -> None:
    with pytest.raises(ValueError, match="anonymous"):
        verify_bind(server, f"ada@{forest.dns_domain}", "")


def test_the_password_is_not_in_the_servers_text(server: DirectoryServer) -> None:
    assert server.password not in repr(server)


def test_a_pool_lends_the_same_connection_again(server: DirectoryServer) -> None:
    pool = Pool(server, size=1)
    with pool.connection() as first:
        pass
    with pool.connection() as second:
        assert second is first
    pool.close()
    assert first.broken


def test_a_pool_never_lends_more_than_its_size(server: DirectoryServer) -> None:
    pool = Pool(server, size=2)
    lent: list[int] = []
    most = 0
    lock = threading.Lock()
    together = threading.Barrier(2, timeout=30)

    def borrow() -> None:
        nonlocal most
        with pool.connection() as connection:
            with lock:
                lent.append(id(connection))
                most = max(most, len(lent))
            together.wait()
            connection.search("", ["dnsHostName"])
            with lock:
                lent.remove(id(connection))

    threads = [threading.Thread(target=borrow) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, lent) == (2, [])
    pool.close()


def test_a_pool_replaces_connections_that_died_with_the_controller(
    forest_to_break: Forest, server: DirectoryServer
) -> None:
    pool = Pool(server, size=2)
    with pool.connection() as first, pool.connection() as second:
        assert first is not second
    lab.kill(forest_to_break.name)
    with pytest.raises(errors.Unreachable), pool.connection():
        pytest.fail("nobody listens")
    lab.restart(forest_to_break.name)
    with pool.connection() as third:
        assert third not in (first, second)
        assert third.search("", ["dnsHostName"])[0].text("dnsHostName") == forest_to_break.host
    pool.close()


def test_after_a_failure_idle_connections_must_answer_before_they_are_lent(
    forest_to_break: Forest, server: DirectoryServer
) -> None:
    hasty = replace(server, network_timeout=0.3, operation_timeout=0.3)
    pool = Pool(hasty, size=2)
    with pool.connection() as first, pool.connection():
        pass
    lab.freeze(forest_to_break.name)
    with pytest.raises(errors.Unreachable), pool.connection() as connection:
        connection.search("", ["dnsHostName"])
    with pytest.raises(errors.Unreachable), pool.connection():
        pytest.fail("the other connection is as dead as the first")
    lab.thaw(forest_to_break.name)
    with pool.connection() as later:
        assert later is not first
    pool.close()


def test_a_page_may_take_longer_than_any_other_answer(forest_to_break: Forest, server: DirectoryServer) -> None:
    with connect(replace(server, operation_timeout=0.5)) as connection:
        lab.freeze(forest_to_break.name)
        waking = threading.Timer(2 * connection.server.operation_timeout, lab.thaw, [forest_to_break.name])
        waking.start()
        try:
            assert list(connection.paged(forest_to_break.people_dn, ["cn"], "(objectClass=user)"))
        finally:
            waking.join()


def test_a_page_that_nobody_wants_any_more_is_not_waited_for(forest_to_break: Forest, server: DirectoryServer) -> None:
    said: list[Exception] = []

    def read() -> None:
        try:
            list(connection.paged(forest_to_break.people_dn, ["cn"], "(objectClass=user)"))
        except errors.DirectoryError as error:
            said.append(error)

    with connect(server) as connection:
        lab.freeze(forest_to_break.name)
        reading = threading.Thread(target=read)
        reading.start()
        wait_until(lambda: connection.asked, what="the question")
        connection.give_up()
        reading.join(30)  # half of what a page may take
        assert not reading.is_alive()
        lab.thaw(forest_to_break.name)
    assert [type(error) for error in said] == [errors.Unreachable]


def test_a_search_that_is_given_up_ends_the_connection(forest: Forest, server: DirectoryServer) -> None:
    pool = Pool(server)
    with pool.connection() as connection:
        entries = connection.stream(forest.people_dn, ["cn"], scope=2, filter="(objectClass=user)")
        next(entries)
        entries.close()
    with pool.connection() as other:
        assert other is not connection
    pool.close()


def test_a_search_that_is_forgotten_ends_the_connection_too(forest: Forest, server: DirectoryServer) -> None:
    pool = Pool(server)
    with pool.connection() as connection:
        entries = connection.paged(forest.people_dn, ["cn"], "(objectClass=user)", page_size=5)
        next(entries)
    with pytest.raises(errors.Unreachable):
        connection.search("", ["dnsHostName"])
    with pool.connection() as other:
        assert other is not connection
        entries.close()
        assert not other.broken
    pool.close()


def test_a_refused_search_leaves_the_connection_usable(server: DirectoryServer) -> None:
    with connect(server) as connection:
        with pytest.raises(errors.NotFound):
            connection.search("CN=nobody,DC=nowhere,DC=test", ["cn"])
        assert not connection.broken
        assert connection.search("", ["dnsHostName"])


def test_the_directorys_clock_is_read_once_and_counted_on(server: DirectoryServer) -> None:
    with connect(server) as connection:
        first, begun = connection.server_time(), time.clock_gettime(time.CLOCK_BOOTTIME)
        connection.search("", ["dnsHostName"])
        passed = time.clock_gettime(time.CLOCK_BOOTTIME) - begun
        assert (connection.server_time() - first).total_seconds() == pytest.approx(passed, abs=0.01)
