"""Schema chat: up, down, up, and the same as the models."""

from chat_service.persistence import tables
from shared.db import database
from tests.support.database import migrations

PACKAGE = "chat_service.persistence"


def test_migrations_make_what_the_models_say(chat_database_url: str) -> None:
    database.upgrade(chat_database_url, package=PACKAGE, schema="chat")
    assert migrations.differences(chat_database_url, "chat", tables.metadata) == []


def test_a_downgrade_leaves_nothing_behind(chat_database_url: str) -> None:
    database.upgrade(chat_database_url, package=PACKAGE, schema="chat")
    database.downgrade(chat_database_url, package=PACKAGE, schema="chat")
    assert migrations.leftovers(chat_database_url, "chat") == []
    database.upgrade(chat_database_url, package=PACKAGE, schema="chat")
    assert migrations.differences(chat_database_url, "chat", tables.metadata) == []


def test_an_upgrade_twice_changes_nothing(chat_database_url: str) -> None:
    for _ in range(2):
        database.upgrade(chat_database_url, package=PACKAGE, schema="chat")
    assert migrations.differences(chat_database_url, "chat", tables.metadata) == []


def test_there_is_one_head() -> None:
    assert len(migrations.heads(PACKAGE)) == 1


def test_every_constraint_has_a_name() -> None:
    assert migrations.unnamed(tables.metadata) == []
