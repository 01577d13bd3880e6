"""What a person may set for the requests to a model of their own."""

from typing import Any

import pytest
from pydantic import ValidationError

from chat_service.llm.features.request_options import OwnRequestOptions, is_secret_name
from shared.text.rule_words import pattern_words


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "APIKey", "apikey", "x_api_key", "proxyAuthorization", "auth_token"),
        *("token", "accessToken", "access_token", "secret", "client_secret", "password"),
        *(
            "db_password",
            "AWS_SECRET_ACCESS_KEY",
            "aws_access_key_id",
            "credentials",
            "private_key",
        ),
        *("cookie", "refresh_token", "user_token", "bearer"),
    ],
)
def test_a_member_that_is_called_as_a_secret_is_refused_at_any_depth(name: str) -> None:
    assert is_secret_name(name)
    for body in ({name: "s3"}, {"a": {name: "s3"}}, {"a": [[{"b": {name: {"c": "s3"}}}]]}):
        with pytest.raises(ValidationError, match="use api_key or extra_headers") as refused:
            OwnRequestOptions.model_validate({"extra_body": body})
        assert "s3" not in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "name",
    [
        *("max_tokens", "min_tokens", "stop_token_ids", "eos_token", "token_budget", "tokenizer"),
        *("add_special_tokens", "prompt_cache_key", "key", "top_k", "seed", "safety_identifier"),
        *("tokens_per_second", "logit_bias", "keyboard", "author", "passage", "secretary"),
    ],
)
def test_another_member_is_taken(name: str) -> None:
    assert not is_secret_name(name)
    assert OwnRequestOptions.model_validate({"extra_body": {name: 1}}).extra_body == {name: 1}


def test_a_schema_may_describe_a_secret() -> None:
    body = {"guided_json": {"properties": {"password": {"type": "string"}}}}
    assert OwnRequestOptions.model_validate({"extra_body": body}).extra_body == body


def test_every_pattern_of_a_setting_has_words() -> None:
    found = list(patterns(OwnRequestOptions.model_json_schema()))
    assert len(found) > 4
    assert [one for one in found if "another form" in pattern_words(one)] == []


def patterns(schema: Any) -> list[str]:
    """Of values and of the keys of objects."""
    if isinstance(schema, list):
        return [found for each in schema for found in patterns(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    keys = list(schema.get("patternProperties", {}))
    return own + keys + [found for each in schema.values() for found in patterns(each)]
