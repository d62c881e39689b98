"""Mail by SMTP (RFC 5321), through the one server that the settings name."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

from dialtone.settings import Settings

STEP_SECONDS = 15.0
"""For the connection, and for each answer of the server."""
PORTS = {"smtp": 587, "smtps": 465}
ANSWER_CHARACTERS = 200


class MailError(Exception):
    """A mail was not taken. `str()` is a sentence fit for a call's record; it holds no secret and no content."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str
    html: str
    id: str
    """The same on every try, so that a mailbox that was reached twice shows one mail."""


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    tls: bool
    """From the first byte on."""
    starttls: bool
    """TLS is asked for, and nothing is sent without."""
    user: str
    password: str = field(repr=False)
    sender: Address

    @classmethod
    def from_settings(cls, settings: Settings) -> "MailServer | None":
        """None where the settings name none. Raises `ValueError` for settings that can't work."""
        if settings.smtp_url is None:
            return None
        try:
            url = urlsplit(settings.smtp_url.get_secret_value())
            port = url.port
        except ValueError:
            raise ValueError("DIALTONE_SMTP_URL is not a URL") from None
        options = parse_qs(url.query, keep_blank_values=True)
        starttls = options.pop("starttls", ["on"])
        if url.scheme not in PORTS or not url.hostname or url.path not in ("", "/") or options:
            raise ValueError("DIALTONE_SMTP_URL: must be like smtp://user:password@host:587 or smtps://host")
        if starttls not in (["on"], ["off"]):
            raise ValueError("DIALTONE_SMTP_URL: starttls must be on or off")
        return cls(
            url.hostname,
            port or PORTS[url.scheme],
            url.scheme == "smtps",
            url.scheme == "smtp" and starttls == ["on"],
            unquote(url.username or ""),
            unquote(url.password or ""),
            _sender(settings.mail_from),
        )

    async def send(self, mail: Mail) -> None:
        """Hand a mail over. Raises `MailError`."""
        try:
            message = self._message(mail)
        except ValueError:
            raise MailError("the address can't be written to", retryable=False) from None
        await asyncio.to_thread(self._send, message)

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self.sender
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = mail.subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            raise MailError(f"{self.host} refused the user name or password ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            [(code, answer)] = error.recipients.values()
            raise self._refused(code, answer) from None
        except smtplib.SMTPResponseException as error:
            raise self._refused(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise MailError(f"{self.host} can't do what is needed: {error}", retryable=False) from None
        except ssl.SSLError as error:
            raise MailError(f"no secure connection to {self.host}: {error.reason or error}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailError(f"no answer from {self.host} ({type(error).__name__})") from None

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=STEP_SECONDS, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=STEP_SECONDS)
        try:
            if self.starttls:
                server.starttls(context=context)
        except BaseException:
            server.close()
            raise
        return server

    def _refused(self, code: int, answer: bytes | str) -> MailError:
        """4yz may be mended by another try, 5yz not (RFC 5321 section 4.2.1)."""
        words = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        words = " ".join(words.split())[:ANSWER_CHARACTERS]
        return MailError(f"{self.host} answered {code}: {words}", retryable=not 500 <= code < 600)


def _sender(given: str | None) -> Address:
    name, address = parseaddr(given or "")
    try:
        if "\n" in (given or "") or "\r" in (given or ""):
            raise ValueError
        sender = Address(name, addr_spec=address)
    except (ValueError, IndexError):
        sender = Address()
    if not sender.domain or not sender.username:
        raise ValueError("DIALTONE_MAIL_FROM: must be an address like Dialtone <calls@example.com>")
    return sender
