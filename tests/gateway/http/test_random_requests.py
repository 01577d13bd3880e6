"""Random requests by the descriptors: each is read as a message that parsers take, or refused."""

import json
from collections import Counter
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.envoy_config import DESCRIPTORS
from gateway.http import failure
from gateway.http.bindings import contract
from gateway.http.bindings.contract import WHOLE_BODY, Binding
from gateway.http.bindings.router import Router
from gateway.http.messages import message_writer
from gateway.http.refusal import Refusal
from gateway.http.request_reader import HttpRequest, RequestReader
from tests.gateway.http.places import OPEN, Place

CONTRACT = contract.read(DESCRIPTORS.read_bytes())
ROUTER = Router(CONTRACT.bindings)
READER = RequestReader(contract=CONTRACT)
REQUESTS: Final = 1000
VALUES: Final[tuple[Any, ...]] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, 10**30, 1e308, "", "x", "\ud800", "\0", "é",
    "true", "1", "1e5", "NaN", "2026-01-01T00:00:00Z", "3s", "AQI=", "A", "ACTIVE",
    "displayName,definition", "*", [], {}, [[]], {"a": None}, {"\ud800": 1},
)  # fmt: skip
NAMES: Final = ("zz", "__class__", "name ", "\ud800", "")
ENDS: Final = ("", "=", "=1", "=true", "=x", "=%ff", "=%zz", "=2026-01-01T00:00:00Z", "=a,b")
TAGS: Final = ("", "", "", '"a"', 'W/"b"', "x", "\xff")


def value(random: Random, kind: Descriptor | None, depth: int) -> Any:
    if kind is None or kind.full_name in OPEN or depth > 6 or random.random() < 0.05:
        return random.choice(VALUES)
    found = {}
    for field in kind.fields:
        if random.random() < 0.25:
            name = random.choice([field.name, field.json_name])
            found[name] = member(random, field, depth)
    if random.random() < 0.05:
        found[random.choice(NAMES)] = random.choice(VALUES)
    return found


def member(random: Random, field: FieldDescriptor, depth: int) -> Any:
    if field.is_repeated and random.random() < 0.9:
        return [value(random, field.message_type, depth + 1)] * random.randrange(3)
    return value(random, field.message_type, depth + 1)


def body(random: Random, binding: Binding) -> bytes:
    if not binding.body:
        return b""
    field = binding.body_field
    kind = binding.call.descriptor if binding.body == WHOLE_BODY else None
    kind = field.message_type if field is not None else kind
    text = bytearray(json.dumps(value(random, kind, 0)).encode())
    if random.random() < 0.1:
        text[random.randrange(len(text))] = random.randrange(256)
    return bytes(text)


def test_a_request_is_read_or_refused() -> None:
    random = Random(16)
    counts: Counter[int] = Counter()
    said: list[bytes] = []
    for _ in range(REQUESTS):
        binding = random.choice(CONTRACT.bindings)
        names = [f.name for f in binding.call.descriptor.fields if random.random() < 0.05]
        given = HttpRequest(
            query="&".join(name + random.choice(ENDS) for name in names).encode(),
            body=body(random, binding),
            content_type="application/json" if binding.body else "",
            if_match=random.choice(TAGS),
        )
        route = ROUTER.find(binding.method, Place(binding, binding.call.descriptor).url().encode())
        try:
            message = READER.read(route, given)
        except Refusal as refusal:
            counts[refusal.status.code] += 1
            said.append(message_writer.dump(failure.to_json(refusal)))
        else:
            counts[0] += 1
            again = type(message).FromString(message.SerializeToString())
            assert again == message or "nan" in str(message)
    assert all(json.loads(one)["message"] for one in said)
    assert set(counts) == {0, 3}
    assert min(counts.values()) > REQUESTS / 10
