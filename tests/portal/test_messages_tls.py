"""Mail to a server that wants TLS and a name: nothing goes out in clear, nor to a server that cannot show who it is."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from keyback.portal.config import MailConfig
from keyback.portal.messages.models import Message
from keyback.portal.messages.worker import send_due
from keyback.portal.organizations.models import Organization
from lab._authority import Authority
from tests.portal.test_messages import code_for
from tests.support.ports import free_port
from tests.support.smtp import Sink

PASSWORD = "of-the-mail-server-7"


def judge(server: Any, session: Any, envelope: Any, mechanism: str, given: LoginPassword) -> AuthResult:
    right = (given.login, given.password) == (b"keyback", PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    directory, now = tmp_path_factory.mktemp("mail"), datetime.now(UTC)
    authority = Authority.create(directory, "Mail", now)
    authority.issue(directory, "localhost", "127.0.0.1", now)
    return authority


@contextmanager
def demanding(security: str, authority: Authority) -> Iterator[Sink]:
    """A mail server that takes nothing without TLS and a password."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    folder = authority.certificate.parent
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    asked: dict[str, Any] = {"authenticator": judge, "auth_required": True}
    asked |= (
        {"ssl_context": context, "auth_require_tls": False}
        if security == "tls"
        else {"tls_context": context, "require_starttls": True}
    )
    sink = Sink()
    controller = Controller(sink, hostname=sink.host, port=sink.port, **asked)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()


@pytest.fixture
def use(settings: Any, tmp_path: Path) -> Any:
    def use(security: str, port: int, password: str = PASSWORD) -> None:
        file = tmp_path / "password"
        file.write_text(f"{password}\n")
        mail = MailConfig(
            host="127.0.0.1",
            port=port,
            security=security,
            sender="keyback@portal.test",
            user="keyback",
            password_file=file,
        )
        settings.CONFIG = settings.CONFIG.model_copy(update={"mail": mail})

    return use


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_takes_mail_over_tls_from_who_knows_the_password(
    security: str,
    organization: Organization,
    now: datetime,
    authority: Authority,
    use: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with demanding(security, authority) as sink:
        use(security, sink.port, "another")
        code_for(organization, now)
        send_due(now)
        row = Message.objects.get()
        assert (row.state, sink.messages) == ("queued", [])
        assert PASSWORD not in row.problem and "signing in to the mail server failed" in row.problem
        use(security, sink.port)
        Message.objects.update(next_attempt_at=now)
        send_due(now)
        assert len(sink.to("ana@mail.test")) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_nobody_vouches_for_gets_no_mail_and_no_password(
    security: str, organization: Organization, now: datetime, authority: Authority, use: Any
) -> None:
    with demanding(security, authority) as sink:
        use(security, sink.port)
        code_for(organization, now)
        send_due(now)
        assert sink.messages == []
    assert Message.objects.get().state == "queued"


def test_a_server_without_tls_gets_no_mail(organization: Organization, now: datetime, use: Any, smtp: Sink) -> None:
    use("starttls", smtp.port)
    code_for(organization, now)
    send_due(now)
    assert smtp.messages == []


def test_a_mail_server_elsewhere_is_never_asked_in_clear() -> None:
    with pytest.raises(ValueError, match="only for a mail server on this machine"):
        MailConfig(host="mail.example.test", port=free_port(), security="none")
