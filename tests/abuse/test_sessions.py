"""A session belongs to one browser, is new at every rise of privilege, and is worth nothing to who reads or writes the
database."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.utils import timezone

from keyback.portal.account.hold import hold, is_held
from keyback.portal.limits.models import Counter
from keyback.portal.people.cloud import verify_password
from keyback.portal.people.models import Person
from keyback.portal.recovery.models import Recovery
from keyback.portal.recovery.rows import locked
from keyback.portal.writeback.models import WritebackRequest
from tests.portal.walk import FakeDirectory, Walker, boxes_for, newest_code


def _session_id(walker: Walker) -> str:
    return walker.client.cookies["keyback"].value


def test_the_session_id_is_new_at_every_rise(ada: Person, walker: Walker) -> None:
    page = walker.identify("ada@example.test")
    first = _session_id(walker)
    page = walker.ask_for_code(page)
    assert _session_id(walker) == first
    walker.type_code(page, newest_code())
    assert _session_id(walker) != first


def test_the_old_session_id_is_worth_nothing_after_the_gate(ada: Person, walker: Walker) -> None:
    page = walker.ask_for_code(walker.identify("ada@example.test"))
    stolen = _session_id(walker)
    walker.type_code(page, newest_code())
    thief = Walker()
    thief.client.cookies["keyback"] = stolen
    assert thief.get("/recover/wait", follow=False).response.headers["Location"] == "/recover/"


def test_a_planted_session_id_is_not_taken_over(ada: Person, walker: Walker) -> None:
    walker.client.cookies["keyback"] = "plantedplantedplantedplantedplan"
    walker.identify("ada@example.test")
    assert _session_id(walker) != "plantedplantedplantedplantedplan"


def test_somebody_else_s_recovery_ends_mine_in_the_same_browser(
    ada: Person, make_ada: Callable[..., Person], walker: Walker
) -> None:
    """Two tabs, two people: the browser is in the newest recovery, and nothing of the first one helps in it."""
    make_ada("grace")
    walker.type_code(walker.ask_for_code(walker.identify("ada@example.test")), newest_code())
    Counter.objects.all().delete()
    page = walker.identify("grace@example.test")
    assert page.heading
    assert walker.get("/recover/wait", follow=False).response.headers["Location"] == "/recover/prove"
    assert walker.recovery().gates_opened == []


def test_who_reads_the_database_finds_no_session_id(ada: Person, walker: Walker) -> None:
    walker.identify("ada@example.test")
    row = Session.objects.get()
    assert row.session_key != _session_id(walker)
    thief = Walker()
    thief.client.cookies["keyback"] = row.session_key
    assert thief.get("/recover/prove", follow=False).response.headers["Location"] == "/recover/"


def test_who_writes_the_database_cannot_paste_a_session(
    ada: Person, make_ada: Callable[..., Person], walker: Walker
) -> None:
    make_ada("grace")
    walker.type_code(walker.ask_for_code(walker.identify("ada@example.test")), newest_code())
    proved = Session.objects.get()
    thief = Walker()
    thief.identify("grace@example.test")
    Session.objects.exclude(pk=proved.pk).update(session_data=proved.session_data)
    assert thief.get("/recover/wait", follow=False).response.headers["Location"] == "/recover/"


@pytest.mark.parametrize("value", ['"' + "\\000" * 12 + '"', "x", "", "a" * 5000])
def test_a_malformed_session_id_is_no_session(ada: Person, walker: Walker, value: str) -> None:
    answer = walker.client.get("/recover/prove", headers={"Cookie": f"keyback={value}"})
    assert answer.headers["Location"] == "/recover/"


def test_the_way_back_does_not_reopen_a_finished_recovery(
    cleo: Person, walker: Walker, directory: FakeDirectory
) -> None:
    page = walker.prove("cleo@example.test")
    form = walker.get("/recover/password/plain").forms["/recover/password/plain"]
    typed = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
    assert walker.post("/recover/password/plain", form | typed).status == 200
    assert walker.post("/recover/password/plain", form | typed).status == 409
    assert page.status == 200


def test_a_new_password_ends_what_others_proved_before_it(cleo: Person, walker: Walker) -> None:
    """Whoever reads her mail too has opened the gate first, and waits until she has a new password."""
    thief = Walker("10.0.0.9")
    thief.prove("cleo@example.test")
    form = thief.get("/recover/password/plain").forms["/recover/password/plain"]
    walker.prove("cleo@example.test")
    hers, theirs = "Winter-ist-kalt-7", "Herbst-ist-nass-8"
    own = walker.get("/recover/password/plain").forms["/recover/password/plain"]
    walker.post("/recover/password/plain", own | {"new_password": hers, "new_password_again": hers})
    answer = thief.post("/recover/password/plain", form | {"new_password": theirs, "new_password_again": theirs})
    assert answer.status == 409
    assert thief.recovery().refusal == "superseded"
    assert "Somebody else changed your password" in thief.get("/recover/outcome").heading
    assert verify_password(cleo, hers)


def test_a_new_password_in_the_directory_ends_what_others_proved_before_it(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    thief = Walker("10.0.0.9")
    thief.prove("ada@example.test")
    directory.inspect(ada)
    page = thief.get("/recover/password")
    walker.prove("ada@example.test")
    directory.inspect(ada)
    own = walker.get("/recover/password")
    assert walker.send_boxes(own, boxes_for(own, "Winter-ist-kalt-7")).status_code == 200
    directory.write()
    assert thief.send_boxes(page, boxes_for(page, "Herbst-ist-nass-8")).status_code == 409
    assert (walker.recovery().state, thief.recovery().state) == ("done", "refused")
    assert directory.written == ["Winter-ist-kalt-7"]


@contextmanager
def _held(recovery: Recovery) -> Iterator[None]:
    """As by another request of the same browser at this moment. On SQLite nobody else could write meanwhile."""
    has_it, let_go = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                locked(recovery)
                has_it.set()
                let_go.wait(30)
        finally:
            connection.close()

    if connection.vendor == "sqlite":
        yield
        return
    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert has_it.wait(30)
        yield
        let_go.set()
        holding.result()


@pytest.mark.django_db(transaction=True)
def test_a_new_password_ends_a_walk_that_is_busy_at_that_moment(cleo: Person, walker: Walker) -> None:
    """Whoever keeps asking for their page keeps its row locked most of the time."""
    thief = Walker("10.0.0.9")
    thief.prove("cleo@example.test")
    form = thief.get("/recover/password/plain").forms["/recover/password/plain"]
    walker.prove("cleo@example.test")
    hers, theirs = "Winter-ist-kalt-7", "Herbst-ist-nass-8"
    own = walker.get("/recover/password/plain").forms["/recover/password/plain"]
    with _held(thief.recovery()):
        walker.post("/recover/password/plain", own | {"new_password": hers, "new_password_again": hers})
    answer = thief.post("/recover/password/plain", form | {"new_password": theirs, "new_password_again": theirs})
    assert answer.status == 409
    assert thief.recovery().refusal == "superseded"
    assert verify_password(cleo, hers)


@pytest.mark.django_db(transaction=True)
def test_a_password_submitted_while_another_is_being_recorded_is_not_taken(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    """It comes while the outcome is written but not committed, when nothing of it can be seen yet."""
    thief = Walker("10.0.0.9")
    thief.prove("ada@example.test")
    directory.inspect(ada)
    page = thief.get("/recover/password")
    walker.prove("ada@example.test")
    directory.inspect(ada)
    own = walker.get("/recover/password")
    assert walker.send_boxes(own, boxes_for(own, "Winter-ist-kalt-7")).status_code == 200
    boxes = boxes_for(page, "Herbst-ist-nass-8")
    theirs: list[Future[int]] = []

    def submit() -> int:
        try:
            return thief.send_boxes(page, boxes).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:

        def at_this_moment(instance: WritebackRequest, **_: object) -> None:
            if instance.operation == "reset" and instance.state == "finished":
                theirs.append(pool.submit(submit))
                _until_somebody_waits()

        post_save.connect(at_this_moment, sender=WritebackRequest)
        try:
            directory.write()
        finally:
            post_save.disconnect(at_this_moment, sender=WritebackRequest)
        assert [answer.result() for answer in theirs] == [409]
    assert thief.get("/recover/password", follow=False).response["Location"] == "/recover/outcome"
    assert (walker.recovery().state, thief.recovery().state) == ("done", "refused")
    assert thief.recovery().refusal == "superseded"


@pytest.mark.django_db(transaction=True)
def test_it_was_not_me_and_the_outcome_of_another_reset_come_through_together(
    ada: Person, walker: Walker, directory: FakeDirectory
) -> None:
    """Both write about the same account; neither waits for something that the other has."""
    walker.prove("ada@example.test")
    directory.inspect(ada)
    page = walker.get("/recover/password")
    walker.send_boxes(page, boxes_for(page, "Winter-ist-kalt-7"))
    has_the_person, go_on = Event(), Event()

    def stop_before_the_state(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if "account_accountstate" in sql and sql.startswith("INSERT"):
            has_the_person.set()
            go_on.wait(30)
        return execute(sql, *rest)

    def press() -> None:
        try:
            with connection.execute_wrapper(stop_before_the_state):
                hold(ada, uuid4(), timezone.now())
        finally:
            connection.close()

    if connection.vendor == "sqlite":
        go_on.set()
    with ThreadPoolExecutor(1) as pool:
        pressed = pool.submit(press)
        assert has_the_person.wait(30)
        with transaction.atomic():
            directory.write()
            go_on.set()
            _until_somebody_waits()
        pressed.result()
    assert walker.recovery().state == "done"
    assert is_held(ada, timezone.now())


def _until_somebody_waits() -> None:
    """For a lock of this connection's. On SQLite whoever writes waits for this one's transaction anyway."""
    if connection.vendor == "sqlite":
        return
    with connection.cursor() as cursor:
        for _ in range(3000):
            cursor.execute("SELECT count(*), pg_sleep(0.01) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits for a lock")


@pytest.mark.django_db(transaction=True)
def test_of_walks_that_submit_at_once_only_the_one_whose_password_stands_is_told_so(cleo: Person) -> None:
    walkers = [Walker(f"10.0.0.{number}") for number in range(4)]
    for walker in walkers:
        walker.prove("cleo@example.test")
    path = "/recover/password/plain"
    forms = [walker.get(path).forms[path] for walker in walkers]
    passwords = [f"Winter-ist-kalt-{number}" for number in range(4)]

    def choose(walker: Walker, form: dict[str, str], password: str) -> bool:
        try:
            fields = form | {"new_password": password, "new_password_again": password}
            return walker.post(path, fields).heading == "Your password is changed"
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(choose, walkers, forms, passwords))
    assert told.count(True) == 1
    assert verify_password(cleo, passwords[told.index(True)])


def test_a_walk_that_has_proved_nothing_goes_on_after_somebody_s_new_password(cleo: Person, walker: Walker) -> None:
    """It would tell a stranger that there is such a person, and that they were here."""
    stranger = Walker("10.0.0.9")
    stranger.identify("cleo@example.test")
    walker.prove("cleo@example.test")
    form = walker.get("/recover/password/plain").forms["/recover/password/plain"]
    typed = {"new_password": "Winter-ist-kalt-7", "new_password_again": "Winter-ist-kalt-7"}
    walker.post("/recover/password/plain", form | typed)
    assert stranger.get("/recover/prove").status == 200
    assert stranger.recovery().state == "prove"
