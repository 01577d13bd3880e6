"""What `python -m gateway` makes of the environment."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway import envoy_config, routes
from gateway.addresses import address, addresses
from gateway.envoy_config import DEFAULTS, render

SETTINGS = {**DEFAULTS, "ROTA_JWKS_FILE": "/keys/users.jwks.json"}


def parsed(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def test_everything_in_the_template_is_filled_in() -> None:
    text = render(SETTINGS)
    config = parsed(text)
    assert set(config["static_resources"]) == {"listeners", "clusters"}
    assert "/keys/users.jwks.json" in text
    assert '"port_value": 8081' in text


def test_a_missing_key_set_is_named() -> None:
    with pytest.raises(KeyError, match="ROTA_JWKS_FILE"):
        render(DEFAULTS)


@pytest.mark.parametrize("value", ["7001", "host:", "host:http", ""])
def test_an_address_is_a_host_and_a_port(value: str) -> None:
    with pytest.raises(ValueError, match="ROTA_CHAT_ADDRESS"):
        address("ROTA_CHAT_ADDRESS", {"ROTA_CHAT_ADDRESS": value})


def test_the_admin_interface_is_for_this_machine_only() -> None:
    admin = parsed(render(SETTINGS))["admin"]["address"]["socket_address"]
    assert admin == {"address": "127.0.0.1", "port_value": 0}


def test_several_addresses_are_separated_by_commas() -> None:
    config = parsed(render({**SETTINGS, "ROTA_CHAT_ADDRESS": "a:1, b:2"}))
    (endpoints,) = config["static_resources"]["clusters"][0]["load_assignment"]["endpoints"]
    found = [e["endpoint"]["address"]["socket_address"] for e in endpoints["lb_endpoints"]]
    assert found == [{"address": "a", "port_value": 1}, {"address": "b", "port_value": 2}]
    with pytest.raises(ValueError, match="ROTA_CHAT_ADDRESS"):
        addresses("ROTA_CHAT_ADDRESS", {"ROTA_CHAT_ADDRESS": "a:1,b"})


@pytest.mark.parametrize("name", ["ROTA_RATE_BURST", "ROTA_CALL_SECONDS", "ROTA_IDLE_SECONDS"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many"])
def test_a_number_that_is_none_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        render({**SETTINGS, name: value})


HALF_OF_TLS = [
    ({"ROTA_GATEWAY_TLS_CERT_FILE": "c"}, "ROTA_GATEWAY_TLS_KEY_FILE"),
    ({"ROTA_TLS_CA_FILE": "a", "ROTA_TLS_KEY_FILE": "k"}, "ROTA_TLS_CERT_FILE"),
    ({"ROTA_TLS_CERT_FILE": "c", "ROTA_TLS_KEY_FILE": "k"}, "ROTA_TLS_CA_FILE"),
]


@pytest.mark.parametrize(("given", "missing"), HALF_OF_TLS)
def test_half_of_tls_is_none_and_what_is_missing_is_named(
    given: dict[str, str], missing: str
) -> None:
    with pytest.raises(ValueError, match=f"{missing} is missing"):
        render({**SETTINGS, **given})


def test_only_a_browser_with_a_ticket_is_told_to_come_back_where_the_door_is_away() -> None:
    config = parsed(render(SETTINGS))
    filters = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    mapper = filters[0]["typed_config"]["local_reply_config"]["mappers"][0]
    status, path = mapper["filter"]["and_filter"]["filters"]
    assert status["status_code_filter"]["comparison"]["value"]["default_value"] == 503
    regex = path["header_filter"]["header"]["string_match"]["safe_regex"]["regex"]
    stream = "/v1/workspaces/w/threads/t/turns/u:watch"
    for shown in (f"{stream}?ticket=x", f"{stream}?after_sequence=3&ticket=x"):
        assert re.fullmatch(regex, shown)
    for other in (stream, f"{stream}?x=ticket=", "/v1/workspaces/w/threads?ticket=x"):
        assert not re.fullmatch(regex, other)


def all_of(name: str, value: Any) -> Iterator[Any]:
    """Whatever has this name, at any depth."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        for child in value.values():
            yield from all_of(name, child)
    elif isinstance(value, list):
        for child in value:
            yield from all_of(name, child)


def test_whatever_is_repeated_goes_to_another_replica() -> None:
    # Of two replicas, the one that fails at once is picked three times in four.
    config = parsed(render(SETTINGS))
    policies = list(all_of("retry_policy", config))
    assert len(policies) > 8
    for policy in policies:
        (predicate,) = policy["retry_host_predicate"]
        assert predicate["name"] == "envoy.retry_host_predicates.previous_hosts"
        assert 0.75 ** (1 + policy["host_selection_retry_max_attempts"]) < 1e-9


def test_what_is_not_well_gets_calls_only_where_nothing_is() -> None:
    clusters = parsed(render(SETTINGS))["static_resources"]["clusters"]
    assert [each["common_lb_config"] for each in clusters] == [
        {"healthy_panic_threshold": {"value": 1}}
    ] * len(clusters)


def test_what_hangs_is_given_up_while_its_calls_have_time_for_another_replica() -> None:
    pings = list(all_of("connection_keepalive", parsed(render(SETTINGS))["static_resources"]))
    # The first is that of callers.
    assert len(pings) == 3
    for ping in pings[1:]:
        longest = 1.15 * seconds(ping["interval"]) + seconds(ping["timeout"])
        assert longest < 0.75 * int(DEFAULTS["ROTA_CALL_SECONDS"])


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_no_limit_keeps_a_call_of_a_crowd_from_its_repetition() -> None:
    clusters = parsed(render(SETTINGS))["static_resources"]["clusters"]
    limits = [limit for (limit,) in all_of("thresholds", clusters)]
    assert len(limits) == 3
    for limit in limits:
        assert limit["max_retries"] == limit["max_requests"]


def test_the_descriptors_hold_what_is_public_and_nothing_else() -> None:
    files = FileDescriptorSet.FromString(envoy_config.DESCRIPTORS.read_bytes())
    served = {f"{file.package}.{each.name}" for file in files.file for each in file.service}
    assert served == set(chain.from_iterable(routes.PUBLIC.values()))


@pytest.mark.parametrize(
    ("door", "secured"),
    [("127.0.0.1:8081", False), ("localhost:1,[::1]:2", False), ("http:8081", True)],
)
def test_a_door_elsewhere_is_reached_by_tls(door: str, secured: bool) -> None:
    told = {"ROTA_TLS_CA_FILE": "/keys/ca.pem", "ROTA_HTTP_ADDRESS": door}
    socket = transport_sockets(told)["http"]
    assert bool(socket) is secured
    assert ("http/1.1" in str(socket)) is secured
    assert set(transport_sockets({"ROTA_HTTP_ADDRESS": door}).values()) == {None}


def transport_sockets(told: dict[str, str]) -> dict[str, Any]:
    config = parsed(render({**SETTINGS, **told}))
    clusters = config["static_resources"]["clusters"]
    return {one["name"]: one["transport_socket"] for one in clusters}
