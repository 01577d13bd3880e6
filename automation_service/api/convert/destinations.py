"""Conversion of destinations to and from protobuf."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rota.automation.v1 import destination_pb2 as pb

from automation_service.destinations.service import DestinationChange, DestinationDraft
from automation_service.persistence.enums import DestinationKind
from automation_service.persistence.outbox.destinations import Destination
from shared import errors
from shared.aip import is_whole, resolve_mask
from shared.errors import FieldReason
from shared.resources import name_user
from shared.rpc.messages.timestamps import to_timestamp

_SETTINGS: Final = tuple(kind.value for kind in DestinationKind)
_NAME: Final = "display_name"
# Secrets that a destination may do without: an update takes them away.
_TAKEN_AWAY: Final = {"ntfy.access_token": "access_token"}
_CHANGED: Final = (_NAME, *_SETTINGS, *_TAKEN_AWAY)
# Channels take several secrets of a webhook, since one may take the place of another.
_SIGNING_SECRET: Final = "signing_secret"


def destination(
    found: Destination,
    *,
    etag: str,
    is_managed: bool,
    code_expire_time: datetime | None = None,
    payload_digest: str = "",
) -> pb.Destination:
    """Settings are shown to whoever manages the destination, secrets to nobody."""
    made = pb.Destination(
        name=found.resource,
        display_name=found.display_name,
        kind=found.kind.name,
        host=found.host,
        personal=found.owner is not None,
        owner=name_user(found.owner),
        creator=name_user(found.creator),
        state=found.state.name,
        pause_reason=found.pause_reason,
        last_error=found.last_error,
        consecutive_failures=found.consecutive_failures,
        verified_member=name_user(found.verified_member),
        verify_time=to_timestamp(found.verify_time),
        code_expire_time=to_timestamp(code_expire_time),
        secret_hint=found.secret_hint if is_managed else "",
        create_time=to_timestamp(found.create_time),
        update_time=to_timestamp(found.update_time),
        etag=etag,
        payload_digest=payload_digest,
    )
    if is_managed:
        settings = getattr(made, found.kind.value)
        settings.SetInParent()
        for field in settings.DESCRIPTOR.fields_by_name:
            if found.settings.get(field):
                setattr(settings, field, found.settings[field])
    return made


def destination_draft(message: pb.Destination) -> DestinationDraft:
    """Raises InvalidRequest without settings."""
    kind = message.WhichOneof("settings")
    if kind is None:
        raise errors.invalid(
            "destination.settings",
            f"is required: one of {', '.join(_SETTINGS)}",
            FieldReason.REQUIRED,
        )
    return DestinationDraft(
        display_name=message.display_name,
        kind=DestinationKind(kind),
        values=_values(getattr(message, kind)),
        personal=message.personal,
    )


def destination_change(message: pb.Destination, mask: list[str]) -> DestinationChange:
    """Raises InvalidRequest for a path that no update changes."""
    kind = message.WhichOneof("settings")
    present = [
        name for name in _CHANGED if name == kind or (message.display_name and name == _NAME)
    ]
    changed = resolve_mask(
        mask, allowed=_CHANGED, present=present, prefix="destination", kind=pb.Destination
    )
    given = [] if is_whole(mask) else [name for name in _TAKEN_AWAY if name in changed]
    if not is_whole(mask):
        for name in changed:
            if name not in (_NAME, kind, *given):
                raise errors.invalid(f"destination.{name}", "is required", FieldReason.REQUIRED)
    if given:
        kind = kind or given[0].partition(".")[0]
    taken = kind is not None and kind in changed
    return DestinationChange(
        display_name=message.display_name if _NAME in changed else None,
        kind=DestinationKind(kind) if taken or given else None,
        secrets={
            _TAKEN_AWAY[name]: getattr(getattr(message, kind), _TAKEN_AWAY[name]) for name in given
        },
        values=_values(getattr(message, kind)) if taken else None,
        personal=message.personal if is_whole(mask) and message.HasField("personal") else None,
    )


def _values(settings: Any) -> Mapping[str, Any]:
    """The settings as channels have them, without what is left out."""
    values = {field.name: value for field, value in settings.ListFields()}
    if secret := values.pop(_SIGNING_SECRET, ""):
        values["secrets"] = [secret]
    return values
