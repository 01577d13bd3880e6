"""Messages of a call as a Connect body holds them, in proto or in JSON."""

from dataclasses import dataclass
from typing import Any

from gateway.http.bindings.contract import Call
from gateway.http.messages import json_text, message_writer
from gateway.http.messages.json_text import JsonError
from gateway.http.messages.message_reader import MessageReader, TooMany
from gateway.http.messages.names import ROOT
from gateway.http.refusal import refuse_fields, refuse_malformed


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """Between bodies and proto. What is proto already passes as it is: the service reads it."""

    call: Call
    is_json: bool
    pool: Any

    def read(self, body: bytes) -> bytes:
        """Returns the request of a body. Raises Refusal that names every invalid field."""
        if not self.is_json:
            return body
        message = self.call.request()
        reader = MessageReader()
        try:
            reader.read(message, json_text.parse(body), ROOT)
        except TooMany:
            pass
        except JsonError as exc:
            raise refuse_malformed(str(exc)) from None
        if reader.violations:
            raise refuse_fields(reader.violations)
        read: bytes = message.SerializeToString()
        return read

    def write(self, answer: bytes) -> bytes:
        """Returns the body of an answer."""
        if not self.is_json:
            return answer
        return message_writer.write(self.call.response.FromString(answer), self.pool)
