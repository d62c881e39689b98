"""Reports by e-mail: who gets them, what they say, and what happens when they can't be sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from sqlalchemy import Executable, text

from dialtone.analysis import mailing
from dialtone.calls.ending import AFTER_CALL
from dialtone.jobs.jobs import Job
from dialtone.platform.smtp import Mail, MailError, MailServer
from dialtone.settings import Settings
from tests.analysis.conftest import SAID, SUMMARY, Office
from tests.fakes.resend import FakeResend, Fault
from tests.fakes.smtp import FakeSmtp

DESK = "desk@example.com"


def parts_of(message: Any) -> tuple[str, str]:
    plain, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return plain, html


async def test_the_report_is_mailed_to_everybody_once(office: Office) -> None:
    call_id = await office.call(notification_email=DESK, notification_emails=[DESK, "boss@example.com"])
    mails = await office.smtp.until(2)
    assert sorted(mail.recipients[0] for mail in mails) == ["boss@example.com", DESK]
    assert {(mail.user, mail.sender) for mail in mails} == {("mailer", "calls@dialtone.example")}
    message = mails[0].message
    assert (message["From"], message["Subject"]) == ("Dialtone <calls@dialtone.example>", "Call from the web: Ada")
    plain, html = parts_of(message)
    for body in (plain, html):
        assert SUMMARY in body
        assert "Caller: A table for four tomorrow, my name is Zoë." in body
        assert "user hangup" in body
    call = await office.noted(call_id, f"mailed to {DESK}")
    assert not any("not mailed" in note for note in call["notes"])


async def test_what_strangers_say_stays_text(office: Office) -> None:
    said = [*SAID, ("user", "<script>alert(1)</script> & more\r\nBcc: all@example.com")]
    name = "Ada <b>\r\nBcc: everybody@example.com"
    await office.call(said=said, notification_email=DESK, business_name=name)
    [mail] = await office.smtp.until(1)
    assert mail.recipients == [DESK]
    assert mail.message["Bcc"] is None
    assert mail.message["Subject"] == "Call from the web: Ada <b> Bcc: everybody@example.com"
    _, html = parts_of(mail.message)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in html


async def test_a_mail_server_that_is_busy_is_asked_again(office: Office) -> None:
    office.smtp.answers += ["451 4.3.0 try later", None]
    call_id = await office.call(notification_email=DESK)
    assert "451" in await office.waits_again("report-email")
    office.pass_time(60)
    await office.smtp.until_sessions(2)
    await office.waits_again("report-email", "no answer")
    office.pass_time(120)
    await office.smtp.until(1)
    await office.noted(call_id, f"mailed to {DESK}")


@pytest.mark.parametrize(("answer", "passed"), [("550 5.1.1 no such mailbox", 0), ("451 4.3.0 try later", 86_500)])
async def test_a_mail_that_can_not_be_sent_is_told_on_the_call(office: Office, answer: str, passed: int) -> None:
    office.clock.passed += timedelta(seconds=passed)
    office.smtp.answers.append(answer)
    call_id = await office.call(notification_email=DESK)
    call = await office.noted(call_id, f"not mailed to {DESK}")
    assert answer[4:] in str(call["notes"])
    assert office.smtp.taken == []
    assert (await office.report())["summary"] == SUMMARY


async def test_in_gdpr_mode_the_report_is_mailed_and_does_not_stay(office: Office) -> None:
    call_id = await office.call(said=[("user", "I am Rumpelstiltskin.")], gdpr_mode=True, notification_email=DESK)
    [mail] = await office.smtp.until(1)
    assert "Rumpelstiltskin" in parts_of(mail.message)[0]
    await office.noted(call_id, "mailed to")
    async with office.house.database.read() as session:
        assert await session.scalar(text("SELECT COUNT(*) FROM report_emails")) == 0


class TestWithoutMailServer:
    @pytest.fixture
    def more_settings(self) -> dict[str, Any]:
        return {"smtp_url": None}

    async def test_that_nothing_can_send_is_told_on_the_call(self, office: Office) -> None:
        call_id = await office.call(notification_email=DESK)
        await office.noted(call_id, "DIALTONE_SMTP_URL is not set")


class TestWithResend:
    @pytest.fixture
    async def resend(self) -> AsyncIterator[FakeResend]:
        async with FakeResend("re_own") as fake:
            yield fake

    @pytest.fixture
    def more_settings(self, resend: FakeResend) -> dict[str, Any]:
        return {"resend_base_url": resend.url, "byok_to_base_urls": True}

    async def _domain(self, office: Office, resend: FakeResend) -> None:
        async with office.house.client() as client:
            await client.post("/api/v1/byok", json={"provider": "resend", "api_key": "re_own"})
            created = await client.post("/api/v1/domains", json={"domain_name": "luigi.example"})
            assert created.status_code == 201, created.text
            resend.verified(created.json()["domain"]["resend_domain_id"])
            await client.post("/api/v1/domains/refresh")

    async def test_an_own_verified_domain_sends_the_report(self, office: Office, resend: FakeResend) -> None:
        await self._domain(office, resend)
        resend.faults.append(Fault("POST", None, done=True))  # taken, and the answer lost
        call_id = await office.call(notification_email=DESK)
        assert "Resend" in await office.waits_again("report-email")
        office.pass_time(60)
        await office.noted(call_id, f"mailed to {DESK}")
        [mail] = resend.mails.values()
        assert (mail["from"], mail["to"]) == ("calls@luigi.example", [DESK])
        assert SUMMARY in mail["text"]
        assert office.smtp.taken == []

    async def test_a_domain_that_is_not_verified_leaves_it_to_the_deployment(
        self, office: Office, resend: FakeResend
    ) -> None:
        await self._domain(office, resend)
        [domain] = resend.accounts["re_own"].values()
        domain["status"] = "failed"
        async with office.house.client() as client:
            await client.post("/api/v1/domains/refresh")
        await office.call(notification_email=DESK)
        assert (await office.smtp.until(1))[0].recipients == [DESK]
        assert resend.mails == {}


# The mail server


MAIL = Mail(DESK, "Hello", "Hello.", "<p>Hello.</p>", "id-1")


def server(url: str) -> MailServer:
    found = MailServer.from_settings(Settings(smtp_url=SecretStr(url), mail_from="calls@dialtone.example"))
    assert found is not None
    return found


def _certificate(folder: Path) -> ssl.SSLContext:
    """A context for a server with a certificate that the clients of this process come to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_mail_goes_out_by_starttls_to_a_server_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeSmtp(tls=_certificate(tmp_path)) as smtp:
        with pytest.raises(MailError, match="no secure connection"):
            await server(f"smtp://localhost:{smtp.port}").send(MAIL)
        assert smtp.taken == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        await server(f"smtp://user:mail%20secret@localhost:{smtp.port}").send(MAIL)
    assert (smtp.taken[0].secure, smtp.taken[0].message["Message-ID"]) == (True, "<id-1@dialtone.example>")


@pytest.mark.parametrize(
    ("url", "words", "retryable"),
    [
        ("smtp://localhost:{port}", "STARTTLS", False),
        ("smtp://user:wrong@localhost:{port}?starttls=off", "refused the user name or password", True),
        ("smtp://localhost:1?starttls=off", "no answer from localhost", True),
    ],
)
async def test_what_goes_wrong_is_told_without_the_password(url: str, words: str, retryable: bool) -> None:
    async with FakeSmtp() as smtp:
        with pytest.raises(MailError, match=words) as failed:
            await server(url.format(port=smtp.port)).send(MAIL)
    assert smtp.taken == []
    assert failed.value.retryable == retryable
    assert "wrong" not in str(failed.value)


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: c@d.example", "not an address", "ä\x00@b.example"])
async def test_an_address_that_is_none_is_not_written_to(address: str) -> None:
    async with FakeSmtp() as smtp:
        with pytest.raises(MailError):
            await server(f"smtp://localhost:{smtp.port}?starttls=off").send(Mail(address, "x", "x", "x", "id"))
    assert smtp.taken == []


@pytest.mark.parametrize(
    ("url", "sender"),
    [
        ("http://mail.example", "a@b.example"),
        ("smtp://", "a@b.example"),
        ("smtp://mail.example:99999", "a@b.example"),
        ("smtp://mail.example?starttls=perhaps", "a@b.example"),
        ("smtp://mail.example?verify=off", "a@b.example"),
        ("smtp://mail.example", None),
        ("smtp://mail.example", "nobody"),
        ("smtp://mail.example", "a@b.example\r\nBcc: c@d.example"),
    ],
)
def test_settings_that_can_not_work_are_refused(url: str, sender: str | None) -> None:
    with pytest.raises(ValueError, match=r"DIALTONE_(SMTP_URL|MAIL_FROM)"):
        MailServer.from_settings(Settings(smtp_url=SecretStr(url), mail_from=sender))


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_two_who_report_the_same_call_mail_it_once(office: Office) -> None:
    database, analysis = office.house.database, office.house.app.state.parts.analysis
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    async def until(query: Executable, count: int) -> None:
        async with asyncio.timeout(20):
            while True:
                async with database.read() as session:
                    if await session.scalar(query) == count:
                        return
                await asyncio.sleep(0.01)

    async with database.write() as session:
        await session.execute(text("LOCK TABLE report_emails IN EXCLUSIVE MODE"))
        call_id = await office.call(notification_emails=[DESK])
        await until(blocked, 1)
        async with database.read() as reading:
            owner = await reading.scalar(text("SELECT CAST(id AS text) FROM organizations"))
        payload = {"organization_id": owner, "call_id": call_id}
        again = asyncio.create_task(analysis.after_call(Job("1", AFTER_CALL, payload, 2)))
        await until(blocked, 2)
    await again
    await office.noted(call_id, "mailed")
    await until(text(f"SELECT count(*) FROM jobs WHERE kind = '{mailing.MAIL}'"), 0)
    assert len(office.smtp.taken) == 1
