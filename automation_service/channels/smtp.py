"""One mail to one mailbox by the operator's SMTP server, whose certificate is verified."""

import contextlib
import ssl
from functools import cache
from typing import Final

import aiosmtplib

from automation_service.channels.answer import ChannelAnswer
from automation_service.channels.channel import ChannelPorts
from automation_service.channels.settings import SmtpServer

# Enhanced codes (RFC 3463) that say that a mailbox is not there, or not any more.
_NO_MAILBOX: Final = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")


async def send_mail(
    server: SmtpServer, recipient: str, mail: bytes, ports: ChannelPorts
) -> ChannelAnswer:
    """Raises TimeoutError.

    The server may be anywhere, and what is wrong with it is not the destination's fault, so that
    it is tried again.
    """
    client = _open_client(server, ports)
    try:
        if answer := await _log_in(client, server):
            return answer
        await client.sendmail(server.sender, [recipient], mail)
        with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            # It has the mail; whether it says good-bye changes nothing.
            await client.quit(timeout=1)
        return ChannelAnswer(status_code=250)
    except aiosmtplib.SMTPRecipientsRefused as exc:
        return _judge_recipient(exc.recipients[0])
    except aiosmtplib.SMTPSenderRefused as exc:
        return _judge(exc.code, "it does not take mail of this sender")
    except (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError) as exc:
        return _judge(exc.code, "it refuses the connection")
    except aiosmtplib.SMTPResponseException as exc:
        return _judge(exc.code, "it does not take the mail", permanent=exc.code >= 500)
    except ssl.SSLCertVerificationError:
        return ChannelAnswer(error="the mail server's certificate can't be verified")
    except (aiosmtplib.SMTPException, ssl.SSLError) as exc:
        return _describe(exc)
    except TimeoutError:
        raise
    except OSError:
        return ChannelAnswer(error="the mail server can't be reached")
    finally:
        client.close()


def _open_client(server: SmtpServer, ports: ChannelPorts) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        # The name of this machine is nobody's business.
        local_hostname=server.sender.rpartition("@")[2],
        use_tls=server.security == "tls",
        start_tls=False,
        tls_context=ports.smtp_tls or _system_tls(),
        timeout=ports.seconds,
    )


async def _log_in(client: aiosmtplib.SMTP, server: SmtpServer) -> ChannelAnswer | None:
    """Returns an answer if the server gives no session that is as safe as it must be."""
    await client.connect()
    await client.ehlo()
    if server.security == "starttls":
        if not client.supports_extension("starttls"):
            return _judge(0, "it does not offer STARTTLS")
        await client.starttls()
        await client.ehlo()
    if not server.username:
        return None
    if not client.supported_auth_methods:
        return _judge(0, "it does not offer a login")
    try:
        await client.login(server.username, server.password.get_secret_value())
    except aiosmtplib.SMTPAuthenticationError as exc:
        return _judge(exc.code, "it does not take the login")
    return None


def _judge_recipient(refused: aiosmtplib.SMTPRecipientRefused) -> ChannelAnswer:
    if refused.code >= 500 and refused.message.strip().startswith(_NO_MAILBOX):
        return ChannelAnswer.gone(
            f"the mail server answered {refused.code}: there is no such mailbox", refused.code
        )
    words = "it does not take mail for this mailbox"
    return _judge(refused.code, words, permanent=refused.code >= 500)


def _judge(code: int, words: str, *, permanent: bool = False) -> ChannelAnswer:
    said = f"the mail server answered {code}: {words}" if code else f"the mail server: {words}"
    return ChannelAnswer(status_code=code, error=said, is_permanent=permanent)


def _describe(error: Exception) -> ChannelAnswer:
    """Says what a lost or unsafe connection means; the cause of a wrapped error counts too."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ChannelAnswer(error="the mail server's certificate can't be verified")
    if isinstance(error, ssl.SSLError) or isinstance(cause, ssl.SSLError):
        return ChannelAnswer(error="the mail server does not speak TLS as it should")
    if isinstance(error, aiosmtplib.SMTPConnectError):
        return ChannelAnswer(error="the mail server can't be reached")
    if isinstance(error, aiosmtplib.SMTPTimeoutError):
        return ChannelAnswer(error="the mail server gave no answer in time")
    return ChannelAnswer(error="the connection to the mail server was lost")


@cache
def _system_tls() -> ssl.SSLContext:
    # Not the one of HTTP, which offers no other protocol than that.
    return ssl.create_default_context()
