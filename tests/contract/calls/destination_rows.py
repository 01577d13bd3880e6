"""Destinations: each call's success and documented refusals."""

from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask
from rota.automation.v1 import destination_pb2 as dp

from tests.contract.rows import Row, again, ok, refused
from tests.contract.stage import Stage, new_id

D: Final = "DestinationService/"
STATE: Final = dp.Destination.State


def _changing(
    stage: Stage, *paths: str, request_id: str = "", **fields: Any
) -> dp.UpdateDestinationRequest:
    fields = {"display_name": "Renamed", **fields}
    return dp.UpdateDestinationRequest(
        destination=dp.Destination(name=stage.destination.name, **fields),
        update_mask=FieldMask(paths=paths),
        request_id=request_id,
    )


def _another_name(request: Any) -> None:
    request.destination.display_name = "Another"


def _taken(stage: Stage) -> dp.CreateDestinationRequest:
    request = stage.adding_destination()
    request.destination_id = stage.destination.name.rpartition("/")[2]
    return request


def _with_a_code(request: Any) -> None:
    request.verify = True


def _verifying(stage: Stage, code: str = "") -> dp.VerifyDestinationRequest:
    made, sent = stage.sent_code()
    return dp.VerifyDestinationRequest(name=made.name, code=code or sent)


DESTINATION_ROWS: Final[list[Row]] = [
    ok(
        f"{D}CreateDestination",
        lambda s: s.adding_destination(),
        lambda d: (
            (d.kind, d.host, d.state, d.secret_hint, d.personal)
            == (dp.Destination.NTFY, "127.0.0.1", STATE.ACTIVE, "1234", False)
        ),
    ),
    ok(
        f"{D}CreateDestination",
        lambda s: s.adding_destination(
            ntfy=None, email=dp.EmailSettings(address="ada@example.org"), personal=True
        ),
        lambda d: (d.host, d.state, d.owner) == ("ada@example.org", STATE.UNVERIFIED, "users/ada"),
    ),
    again(f"{D}CreateDestination", lambda s: s.adding_destination(), _another_name),
    refused(f"{D}CreateDestination", "RESOURCE_EXISTS", _taken),
    refused(
        f"{D}CreateDestination",
        "INVALID_REQUEST",
        lambda s: s.adding_destination(ntfy=None),
        "destination.settings",
    ),
    refused(
        f"{D}CreateDestination",
        "INVALID_REQUEST",
        lambda s: s.adding_destination(ntfy=dp.NtfySettings(server="ftp://a.example")),
        "destination.ntfy.topic",
    ),
    ok(
        f"{D}GetDestination",
        lambda s: dp.GetDestinationRequest(name=s.destination.name),
        lambda d: d.etag and d.ntfy.server == "http://127.0.0.1:1" and not d.ntfy.topic,
    ),
    ok(
        f"{D}ListDestinations",
        lambda s: dp.ListDestinationsRequest(parent=s.destination.name.rsplit("/", 2)[0]),
        lambda page: page.destinations,
    ),
    ok(
        f"{D}UpdateDestination",
        lambda s: _changing(s),
        lambda d: d.display_name == "Renamed" and d.secret_hint == "1234",
    ),
    again(f"{D}UpdateDestination", lambda s: _changing(s, request_id=new_id()), _another_name),
    refused(f"{D}UpdateDestination", "ETAG_MISMATCH", lambda s: _changing(s, etag="stale")),
    refused(
        f"{D}UpdateDestination", "INVALID_REQUEST", lambda s: _changing(s, "host"), "update_mask"
    ),
    refused(
        f"{D}UpdateDestination",
        "INVALID_REQUEST",
        lambda s: _changing(s, email=dp.EmailSettings(address="ada@example.org")),
        "destination.email",
    ),
    refused(
        f"{D}UpdateDestination",
        "INVALID_REQUEST",
        lambda s: _changing(s, ntfy=dp.NtfySettings(server="http://127.0.0.1:2")),
        "destination.ntfy.topic",
    ),
    ok(
        f"{D}TestDestination",
        lambda s: dp.TestDestinationRequest(name=s.new_destination().name),
        lambda found: found.error and found.destination.last_error == found.error,
    ),
    again(
        f"{D}TestDestination",
        lambda s: dp.TestDestinationRequest(name=s.new_destination().name, request_id=new_id()),
        _with_a_code,
    ),
    ok(
        f"{D}VerifyDestination",
        lambda s: _verifying(s),
        lambda d: d.verified_member == "users/ada" and d.HasField("verify_time"),
    ),
    refused(
        f"{D}VerifyDestination", "INVALID_REQUEST", lambda s: _verifying(s, code="22222222"), "code"
    ),
    refused(
        f"{D}VerifyDestination",
        "STATE_CONFLICT",
        lambda s: dp.VerifyDestinationRequest(name=s.destination.name, code="22222222"),
    ),
    ok(
        f"{D}EnableDestination",
        lambda s: dp.EnableDestinationRequest(name=s.destination.name),
        lambda d: d.state == STATE.ACTIVE,
    ),
    refused(
        f"{D}EnableDestination",
        "ETAG_MISMATCH",
        lambda s: dp.EnableDestinationRequest(name=s.destination.name, etag="stale"),
    ),
    ok(
        f"{D}DeleteDestination",
        lambda s: dp.DeleteDestinationRequest(name=s.new_destination().name),
        lambda empty: not empty.ListFields(),
    ),
    refused(
        f"{D}DeleteDestination",
        "ETAG_MISMATCH",
        lambda s: dp.DeleteDestinationRequest(name=s.destination.name, etag="stale"),
    ),
]
