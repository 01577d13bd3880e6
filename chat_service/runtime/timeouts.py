"""Time limits and retry intervals of chat_service."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits and intervals in seconds. Production uses the defaults; a test passes its own."""

    title_limit: float = 2.0  # a segment's end waits for a title that is on its way
    action_limit: float = 2.0  # a cancelled turn waits for an approved action in progress
    mcp_connect_limit: float = 10.0  # an MCP server may take to speak and to list its tools
    mcp_refresh_interval: float = 60.0  # MCP servers list their tools again
    mcp_reread_gap: float = 3.0  # a server that says that its list changed is read again
    mcp_startup_limit: float = 5.0  # the start of the service waits for the first lists
    cancel_poll_interval: float = 0.4  # a replica looks for turns that others cancelled
    finish_retry_interval: float = 0.5  # the end of a segment is written again after a failure
    finish_limit: float = 5.0  # a stop waits for the end of a segment to be written
    recovery_limit: float = 10.0  # one try to count what an abandoned segment used
    recovery_retry_interval: float = 0.5  # the next try
    frame_gap: float = 0.025  # deltas of a turn that come within it are written together
    frame_retry_interval: float = 0.25  # frames are written again after a failure
