"""models/tuned, models/base, data/report -> models/final: weights, tokenizer and model card."""

import json
import shutil

from sftlib.core.fingerprint import sha256_of
from sftlib.core.stage import Stage, run_stage
from sftlib.report.card import model_card
from sftlib.report.facts import FIGURES_FILE

MODEL_CONFIGS = ("config.json", "generation_config.json")


def main(stage: Stage) -> None:
    final, base = stage.output("models/final"), stage.root / "models/base"
    shutil.copytree(stage.root / "models/tuned", final)
    # Adapters alone are no model of their own: its configs would say that they are.
    left_out = MODEL_CONFIGS if (final / "adapter_config.json").exists() else ()
    for file in sorted(base.iterdir()):
        # The tokenizer and its template are the base's; weights and configs are not.
        is_wanted = ".safetensors" not in file.name and file.name not in left_out
        if file.is_file() and is_wanted and not (final / file.name).exists():
            shutil.copy(file, final / file.name)
    figures = json.loads((stage.root / FIGURES_FILE).read_text(encoding="utf-8"))
    weights = {file.name: sha256_of(file) for file in sorted(base.glob("*.safetensors"))}
    card = model_card(stage.params, figures["metrics"], weights)
    (final / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    run_stage(main)
