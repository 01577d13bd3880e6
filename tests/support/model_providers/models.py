"""Files of models, as an operator writes them."""

from pathlib import Path
from typing import Any

import yaml


def model(id: int, name: str = "demo", **more: Any) -> dict[str, Any]:
    return {"id": id, "display_name": f"{name} {id}", "model": name, **more}


def models_file(folder: Path, *models: dict[str, Any], credit: int | None = None) -> Path:
    found: dict[str, Any] = {"models": list(models)}
    if credit is not None:
        found["monthly_credit_micros"] = credit
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump(found))
    return path
