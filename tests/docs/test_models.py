"""The models file of docs/models.md is one that the service reads."""

import re
from pathlib import Path

from chat_service.runtime.models_file import load_models

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_example_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    path = tmp_path / "models.yaml"
    path.write_text(example)
    models = load_models(path, openai_api_key="k", openai_base_url="", default_model="", environ={})
    assert list(models) == [-1, -2]
    assert models.monthly_credit_micros == 5_000_000
