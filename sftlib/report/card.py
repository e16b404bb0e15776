"""The model card: which data, choices and licences made this model, and how good it is."""

import json
from dataclasses import asdict
from typing import Any

from sftlib.core.params import Params

ROWS = (("loss", ".4f"), ("perplexity", ".2f"), ("token_accuracy", ".4f"))
TEXT_ROWS = (("exact_match", ".3f"), ("rouge_l", ".3f"), ("chrf", ".1f"))


def model_card(params: Params, metrics: dict[str, Any]) -> str:
    """Markdown with the front matter that model hubs read.

    metrics: the metrics files by stage; `clean` by source.
    """
    built = {k: v for k, v in asdict(params).items() if k != "run"}
    parts = [
        front_matter(params),
        "# Model card",
        "Fine-tuned by a declarative data build; every figure below is of this very build.",
        f"Base model: {code(params.base.uri)}, licence {code(params.base.licence)}.",
        "## Metrics on the test split",
        metrics_table(metrics["evaluate"]),
        "## Data",
        data_table(params, metrics),
        split_sentence(metrics["split"]),
        "## Use",
        usage(params),
        "## Params",
        "```json\n" + json.dumps(built, indent=2, ensure_ascii=False).replace("```", "") + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(params: Params) -> str:
    licences = sorted({params.base.licence, *(s.licence for s in params.sources.values())})
    note = json.dumps("; ".join(licences))
    return f"---\nlicense: other\nlicense_name: {note}\npipeline_tag: text-generation\n---"


def metrics_table(evaluated: dict[str, Any]) -> str:
    lines = ["| metric | base | tuned |", "|---|---:|---:|"]
    for name, form in ROWS + TEXT_ROWS:
        if name in evaluated["base"]:
            base, tuned = evaluated["base"][name], evaluated["tuned"][name]
            lines.append(f"| {name} | {base:{form}} | {tuned:{form}} |")
    lines.append("")
    lines.append(
        f"{evaluated['rows']} rows, {evaluated['labels']} learned tokens; "
        f"{evaluated['questions']} answers generated; on {evaluated['device']}."
    )
    gain = evaluated["improvement"]
    low, high = gain["loss_interval"]
    lines.append(
        f"The loss is lower by {gain['loss']:.3f} (95% interval {low:.3f} to {high:.3f}): "
        f"{gain['verdict']}. Highest loss: {code(evaluated['worst_slice']['name'])}."
    )
    return "\n".join(lines)


def data_table(params: Params, metrics: dict[str, Any]) -> str:
    lines = [
        "| source | licence | rows | cleaned | distinct | origin |",
        "|---|---|---:|---:|---:|---|",
    ]
    for name, source in sorted(params.sources.items()):
        clean, curated = metrics["clean"][name], metrics["curate"]["by_source"][name]
        origin = params.fetch[name].uri if name in params.fetch else source.path
        counts = f"{clean['rows_in']} | {clean['kept']} | {curated['kept']}"
        lines.append(f"| {name} | {cell(source.licence)} | {counts} | {code(origin)} |")
    return "\n".join(lines)


def split_sentence(split: dict[str, Any]) -> str:
    sizes = ", ".join(f"{split[name]} {name}" for name in ("train", "validation", "test"))
    share = split["random_split"]["share_leaked_by_prompt"]
    return (
        f"Rows: {sizes}. No cluster of duplicates is in two splits; a plain random split would "
        f"have leaked {share:.0%} of its test rows by prompt."
    )


def usage(params: Params) -> str:
    if params.train.lora is not None and not params.train.lora.merge:
        return (
            "These are adapters for the base model, brought by `dvc repro base`:\n\n"
            "```python\nfrom peft import AutoPeftModelForCausalLM\n"
            "from transformers import AutoTokenizer\n\n"
            'model = AutoPeftModelForCausalLM.from_pretrained("models/final")\n'
            'tokenizer = AutoTokenizer.from_pretrained("models/final")\n```'
        )
    return (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'model = AutoModelForCausalLM.from_pretrained("models/final")\n'
        'tokenizer = AutoTokenizer.from_pretrained("models/final")\n```'
    )


def cell(text: str) -> str:
    """Text that cannot end a cell of a table or begin markup."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return " ".join(safe.split())


def code(text: str) -> str:
    return f"`{' '.join(text.replace('`', '').replace('|', '').split())}`"
