"""Which model an endpoint serves, where nobody has named one."""

from typing import Final

import httpx

from shared import telemetry

FALLBACK: Final = "gpt-5-mini"
TIMEOUT_SECONDS: Final = 5.0

log = telemetry.logger(__name__)


async def default_model(base_url: str, api_key: str) -> str:
    """The fallback where the endpoint is OpenAI's own or lists it; else the first one it lists.

    An endpoint that can't say is taken to have the fallback.
    """
    if not base_url:
        return FALLBACK
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            answer = await client.get(
                f"{base_url.rstrip('/')}/models", headers={"authorization": f"Bearer {api_key}"}
            )
            answer.raise_for_status()
            served = [str(model["id"]) for model in answer.json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        log.warning("models_not_listed", error=type(error).__name__)
        return FALLBACK
    return served[0] if served and FALLBACK not in served else FALLBACK
