"""Elicitation: questions to a person that an MCP server asks within a call of its tool."""

import asyncio
import re
from typing import Any, Final

from mcp import ClientSession
from mcp.shared.context import RequestContext
from mcp.types import (
    INVALID_PARAMS,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
)

from chat_service.tools.mcp.form import FormRefused, read_form
from chat_service.tools.mcp.session import Session
from chat_service.tools.question import MAX_QUESTIONS, Answers, Question
from shared.db.storable_text import clean
from shared.text.invisible_characters import mark_invisible

MAX_MESSAGE: Final = 2_000
END_SECONDS: Final = 1.0  # that a server has to end a call that is cancelled
_UNATTENDED: Final = "nobody can be asked here: a task runs unattended"
_TOO_MANY: Final = f"a call may ask a person {MAX_QUESTIONS} questions"
_SECRET: Final = re.compile(
    r"pass\s?(?:word|wd|phrase|code)|secret|token|api[\s_-]*key|private[\s_-]*key|credential"
    r"|\b(?:pin|cvv|cvc|otp|ssn|iban)\b|credit[\s_-]*card|card[\s_-]*number",
    re.IGNORECASE,
)
WARNING: Final = (
    "This seems to ask for a secret. A server may not ask for one in this way: "
    "give no password, key or card number."
)


class Elicitor:
    """Answers the questions of one attempt of a call.

    A question that a person has answered gets that answer. The first other one ends the attempt
    and is then in `question`: the person is asked, and the call is made again. Without `answers`
    nobody can be asked. What is refused is an error that the server reads; `refusals` are its
    words for the model.
    """

    def __init__(self, server: str, tool: str, answers: Answers | None) -> None:
        self.question: Question | None = None
        self.refusals: list[str] = []
        self.declined: list[str] = []
        self._server = server
        self._tool = tool
        self._answers = answers
        self._limit: asyncio.Timeout | None = None

    @property
    def asks(self) -> bool:
        """Whether a person can be asked."""
        return self._answers is not None

    @property
    def said(self) -> str:
        """What the model is told of the questions; empty if there is nothing to tell."""
        why = [
            *(f"it was not put to anybody: {one}" for one in dict.fromkeys(self.refusals)),
            *(f"the person declined: {one}" for one in self.declined),
        ]
        return f"{self._server} asked a person something; {'; '.join(why)}" if why else ""

    def end_with(self, limit: asyncio.Timeout) -> None:
        """Has `limit` end the attempt soon after a question."""
        self._limit = limit

    async def elicit(
        self, context: RequestContext[ClientSession, Any], params: ElicitRequestParams
    ) -> ElicitResult | ErrorData:
        """Answers one request; the SDK passes the `context` of its session."""
        try:
            answers, question = self._read(params)
        except FormRefused as exc:
            self.refusals.append(str(exc))
            return ErrorData(code=INVALID_PARAMS, message=str(exc))
        if (answer := answers.take(question)) is not None:
            if answer.reason:
                self.declined.append(answer.reason)
            values = dict(answer.values) if answer.action == "accept" else None
            return ElicitResult(action=answer.action, content=values)
        if not answers.may_ask:
            self.refusals.append(_TOO_MANY)
            return ErrorData(code=INVALID_PARAMS, message=_TOO_MANY)
        if self.question is None:
            self.question = question
            await self._end(context.session)
        return ElicitResult(action="cancel")

    def _read(self, params: ElicitRequestParams) -> tuple[Answers, Question]:
        if self._answers is None:
            raise FormRefused(_UNATTENDED)
        if not isinstance(params, ElicitRequestFormParams):
            raise FormRefused("a question is a form here; no address is opened")
        form = read_form(params.requestedSchema)
        message = mark_invisible(clean(params.message[:MAX_MESSAGE])).strip()
        if len(params.message) > MAX_MESSAGE:
            message = f"{message} […]"
        said = " ".join([message, *_words(form)])
        question = Question(
            server=self._server,
            tool=self._tool,
            message=message,
            schema=form,
            warnings=(WARNING,) if _SECRET.search(said) else (),
        )
        return self._answers, question

    async def _end(self, session: ClientSession) -> None:
        """Ends the attempt. The server is told first, so that it does nothing more."""
        if isinstance(session, Session):
            await session.cancel_call("a person is asked; the call is made again")
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + END_SECONDS)


def _words(form: dict[str, Any]) -> list[str]:
    fields = form["properties"].items()
    return [f"{name.replace('_', ' ')} {field.get('description', '')}" for name, field in fields]
