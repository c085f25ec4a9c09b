"""Wake-ups reach whoever waits, after the commit and not before; in one process and across many."""

import threading
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection, transaction

from keyback.portal import wake
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def topic() -> str:
    return wake.work_of(uuid.uuid4())


@pytest.fixture
def bell(topic: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[wake.Bell]:
    bus = wake.PostgresBus() if connection.vendor == "postgresql" else wake.MemoryBus()
    monkeypatch.setattr(wake, "_bus", lambda: bus)
    with wake.subscribe(topic) as bell:
        # On PostgreSQL everybody is rung once when listening begins, since nobody knows what was sent before.
        if connection.vendor == "postgresql":
            assert bell.wait(10)
        yield bell


def test_a_wake_up_rings_whoever_waits_for_its_topic(topic: str, bell: wake.Bell) -> None:
    with wake.subscribe(wake.work_of(uuid.uuid4())) as other:
        wake.notify(topic)
        assert bell.wait(10)
        assert not other.wait(0)


def test_several_wake_ups_between_two_waits_are_one_ring(topic: str, bell: wake.Bell) -> None:
    for _ in range(3):
        wake.notify(topic)
    assert bell.wait(10)


def test_it_rings_when_the_transaction_commits(topic: str, bell: wake.Bell) -> None:
    with transaction.atomic():
        wake.notify(topic)
        assert not bell.wait(0.05)
    assert bell.wait(10)


def test_what_is_rolled_back_rings_nobody(topic: str, bell: wake.Bell) -> None:
    def fail() -> None:
        with transaction.atomic():
            wake.notify(topic)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not bell.wait(0.05)


def test_a_wake_up_for_nobody_is_no_error(topic: str) -> None:
    wake.notify(topic)


def test_whoever_stopped_waiting_is_not_rung(topic: str) -> None:
    rung: list[str] = []
    stop = wake.watch(topic, lambda: rung.append(topic))
    stop()
    wake.notify(topic)
    stop()
    assert rung == []


def test_many_may_come_and_go_at_once(topic: str) -> None:
    def come_and_go() -> None:
        for _ in range(20):
            with wake.subscribe(topic) as bell:
                bell.wait(0)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


@pytest.fixture
def postgres_bus(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], wake.PostgresBus]]:
    """Buses like those of several processes, on one cluster, whatever database this run is on."""
    from django.db.backends.postgresql.base import DatabaseWrapper
    from django.db.utils import ConnectionHandler

    from keyback.portal.settings import _database

    handler = ConnectionHandler({"default": _database(postgres)})
    one = handler["default"]
    assert isinstance(one, DatabaseWrapper)
    monkeypatch.setattr(wake, "connection", one)
    yield wake.PostgresBus
    one.close()


def test_processes_wake_each_other_through_postgresql(postgres_bus: Callable[[], wake.PostgresBus], topic: str) -> None:
    here, there = postgres_bus(), postgres_bus()
    bell = wake.Bell()
    stop = there.watch(topic, bell.ring)
    assert bell.wait(10)  # listening
    here.send(topic)
    assert bell.wait(10)
    stop()


def test_a_lost_connection_is_made_anew_and_everybody_looks_once(
    postgres_bus: Callable[[], wake.PostgresBus], postgres: str, topic: str
) -> None:
    bus = postgres_bus()
    bell = wake.Bell()
    stop = bus.watch(topic, bell.ring)
    assert bell.wait(10)
    with psycopg.connect(postgres, autocommit=True) as administrator:
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN %' AND datname = current_database()"
        )
        assert wait_until(lambda: administrator.execute(query).fetchone(), what="the end of the connection") != (0,)
    assert bell.wait(20)
    bus.send(topic)
    assert bell.wait(10)
    stop()
