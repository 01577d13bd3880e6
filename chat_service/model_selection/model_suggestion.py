"""What a person's own model is set to after a test of it."""

from dataclasses import replace
from typing import Any

from chat_service.llm.probe.model_probe import ProbeReport
from chat_service.persistence.model_configs import OwnModel


def suggest(row: OwnModel, report: ProbeReport) -> OwnModel:
    """Returns the model with the settings that fit; the same model if it was not reached."""
    if not report.reached:
        return row
    settings: dict[str, Any] = {
        name: value
        for name, value in (row.settings or {}).items()
        if name not in report.unset | {"leave_out", "response_format"}
    }
    if report.leave_out:
        settings["leave_out"] = sorted(report.leave_out)
    if report.response_format is not None:
        settings["response_format"] = report.response_format
    images = report.supports_images
    return replace(
        row,
        settings=settings or None,
        supports_images=row.supports_images if images is None else images,
        context_tokens=report.context_tokens or row.context_tokens,
    )
