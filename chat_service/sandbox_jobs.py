"""The jobs of this service's sandbox."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from chat_service.agent.structured_output import read_output
from chat_service.llm.tool_calls.text_call import read_call
from chat_service.tools.automations.drafts.answer import list_drafts
from chat_service.tools.automations.drafts.check import check_draft
from chat_service.tools.capabilities.html_text import extract_text
from chat_service.tools.mcp.form import check_answer
from shared.validation import jobs

JOBS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **jobs.JOBS,
    **{
        job.__name__: job
        for job in (
            check_answer,
            check_draft,
            extract_text,
            list_drafts,
            read_call,
            read_output,
        )
    },
}
