"""Which tests stay together on one worker, which groups start first, and what ends with them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import pytest

TESTS: Final = Path(__file__).parents[2]
# Folders whose tests share what is costly to start, by the path below `tests`.
FOLDERS: Final = {"web": "web", "scenarios/chaos": "chaos"}
# What runs for a group alone ends with it: fixtures of the session, by group.
_ENDED: Final = {"live": "live", "web": "stack"}
# The longest groups start first, so that no worker ends long after the others.
FIRST: Final = (
    "chaos",
    "live",
    "web",
    "devstack/test_stack",
    "tools/test_image",
    "docs/test_readme",
    "gateway/test_connections",
    "gateway/test_streams",
    "contract/wire/test_old_betterproto",
    "scenarios/e2e/test_revocation",
    "devstack/postgres/test_server",
    "scenarios/automation/test_ledger",
    "tools/test_imports",
    "automation_service/runs/test_late_usage",
    "shared/templates/test_sizes",
    "automation_service/scheduling/test_replaced_runs",
    "chat_service/tools/capabilities/test_fetch_url",
    "tools/test_page",
    "tools/test_setup",
    "gateway/test_tls",
    "shared/schedule/test_cron",
    "tools/test_client_wheel",
    "chat_service/flows/test_rate_limit_recovery",
    "chat_service/api/test_turns",
    "chat_service/tools/mcp/test_answers",
    "scenarios/chat/test_mcp_questions",
    "automation_service/webhooks/test_delivery",
    "automation_service/persistence/test_plans",
    "scenarios/automation/test_process",
    "scenarios/chat/test_provider_habits",
    "contract/automations/test_changes",
    "gateway/test_balance",
)


def group(items: list[pytest.Item]) -> None:
    """Marks each test with its group for `--dist loadgroup` and brings groups together in order."""
    names = {id(item): _name(item) for item in items}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(names[id(item)]))
    seen = {name: place for place, name in enumerate(dict.fromkeys(names.values()))}
    items.sort(key=lambda item: _place(names[id(item)], seen))


def require_groups(session: pytest.Session) -> None:
    """Raises UsageError where xdist did not take the groups over: tests would share nothing."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    lost = [item.nodeid for item in session.items if "@" not in item.nodeid.rpartition("]")[2]]
    if lost:
        raise pytest.UsageError(f"pytest-xdist gives no group to {lost[0]}")


def end_group(item: pytest.Item, following: pytest.Item | None) -> None:
    """Ends what the group of `item` shares when `following` is in another group."""
    name = _name(item)
    if following is None or name not in _ENDED or _name(following) == name:
        return
    # The last of a group need not ask for the fixture itself.
    found = item.session._fixturemanager.getfixturedefs(_ENDED[name], item)
    for fixture in found or ():
        fixture.finish(cast(Any, item)._request)


def _name(item: pytest.Item) -> str:
    return "live" if "live" in _fixtures(item) else _module(item.path)


@cache
def _module(file: Path) -> str:
    path = file.relative_to(TESTS)
    folder = next((f for f in FOLDERS if path.is_relative_to(f)), None)
    return FOLDERS[folder] if folder else path.with_suffix("").as_posix()


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def _place(name: str, seen: dict[str, int]) -> tuple[int, int]:
    first = FIRST.index(name) if name in FIRST else len(FIRST)
    return first, seen[name]
