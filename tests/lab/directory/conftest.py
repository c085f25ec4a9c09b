"""The directory package against a real forest: connections as the service account, and accounts by objectGUID."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from keyback.directory import Connection, DirectoryServer, Guard, connect, find_account
from lab import Forest
from lab.people import Kind, Person

NewAccount = Callable[..., tuple[Person, UUID]]


def server_of(forest: Forest) -> DirectoryServer:
    """The first controller of a forest, with its service account."""
    return DirectoryServer(
        forest.ldaps_url, forest.ca_file, forest.service_dn, forest.service_password_file.read_text()
    )


@pytest.fixture(scope="session")
def server(forest: Forest) -> DirectoryServer:
    return server_of(forest)


@pytest.fixture
def connection(server: DirectoryServer) -> Iterator[Connection]:
    with connect(server) as connection:
        yield connection


@pytest.fixture
def guard(forest: Forest, connection: Connection) -> Guard:
    return Guard(connection.root.own_sid, (forest.people_dn,))


@pytest.fixture
def new_account(new_person: Callable[..., Person], connection: Connection) -> NewAccount:
    """`new_person`, with the objectGUID."""

    def make(kind: Kind = Kind.ORDINARY, **details: object) -> tuple[Person, UUID]:
        person = new_person(kind, **details)
        return person, find_account(connection, person.account)

    return make
