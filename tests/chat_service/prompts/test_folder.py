"""The operator's prompts: what may replace what, and what a start says of the rest."""

import re
from pathlib import Path

import pytest

from chat_service.prompts.folder import MAX_BYTES, BadPrompts, package_prompts, read_prompts
from chat_service.prompts.load import load_prompt
from chat_service.settings import ChatSettings
from devstack.demo_model import DemoServer
from shared.settings import variable_of
from tests.chat_service.conftest import Serving
from tests.support.service_parts.agent_ports import MemoryAutomations

SYSTEM = "You are Bob.\n\n{{header}}\n"
EXAMPLE = "# Person\nhi\n# Answer\nHi!\n"
CALL = "# Person\nhi\n# Call {tool}\n{{}}\n# Result\n{{}}\n# Answer\nHi!\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompts"


def write(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


async def test_a_service_uses_the_prompts_of_its_folder_until_it_ends(
    serve: Serving, demo: DemoServer, automations: MemoryAutomations, folder: Path
) -> None:
    before = load_prompt("system", header="")
    write(folder, "system.md", SYSTEM)
    write(folder, "example.md", EXAMPLE)
    write(folder, "create_automation/example.md", "")
    write(folder, "create_automation/description.md", "Sets things up.")
    write(folder, "..data/old.md", "of a mounted volume")

    chat = await serve(prompts_dir=folder, automations=automations)
    await chat.send("hello")

    (seen,) = demo.controls.log("chat")
    assert seen.system.startswith("You are Bob.\n\nNow (UTC): ")
    assert seen.examples[:2] == ["[Example] hi", "Hi!"]
    assert "supplier" not in str(seen.examples)
    assert load_prompt("create_automation/description") == "Sets things up."
    await serve.stack.aclose()
    assert load_prompt("system", header="") == before


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("sistem.md", SYSTEM, "sistem.md is the name of no prompt"),
        ("system.txt", SYSTEM, "system.txt is the name of no prompt"),
        ("system.md", "You are Bob.", "system.md lacks the placeholder {{header}}"),
        ("system.md", SYSTEM + "{{tools}}", "a placeholder that nothing fills: {{tools}}"),
        ("system.md", " \n", "system.md is empty"),
        ("system.md", b"{{header}} \xff", "system.md is no UTF-8"),
        ("system.md", SYSTEM + "x" * MAX_BYTES, "system.md is larger than 32,768 bytes"),
        ("example.md", "hi", "example.md is no list of examples: it begins with"),
        ("example.md", CALL.format(tool="now"), "example.md has a call of now"),
        ("delegate/example.md", CALL.format(tool="now"), "has a call of now, which is another's"),
        ("create_automation/drafts.md", "# Person\nhi", "it ends with `# Answer`"),
    ],
)
def test_a_start_says_what_is_wrong(folder: Path, name: str, text: str | bytes, fault: str) -> None:
    write(folder, name, text)

    with pytest.raises(BadPrompts, match=re.escape(fault)):
        read_prompts(folder)


def test_all_faults_come_at_once(folder: Path) -> None:
    write(folder, "a.md", "x")
    write(folder, "system.md", "x")

    with pytest.raises(BadPrompts, match=r"a\.md is .*; system\.md lacks"):
        read_prompts(folder)


def test_a_folder_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(BadPrompts, match="is no folder of prompts"):
        read_prompts(folder)


@pytest.mark.parametrize("name", sorted(package_prompts()))
def test_each_prompt_of_the_package_may_stand_in_a_folder(folder: Path, name: str) -> None:
    write(folder, name, package_prompts()[name])

    assert read_prompts(folder) == {name: package_prompts()[name]}


def test_the_setting_has_a_name() -> None:
    assert variable_of(ChatSettings, "prompts_dir") == "ROTA_PROMPTS_DIR"
