"""The model card: which data, choices and licences made this model, and how good it is."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sftlib.core.params import Base, Params
from sftlib.core.splits import SPLITS

FORMS = {"perplexity": ".2f", "exact_match": ".3f", "rouge_l": ".3f", "chrf": ".1f"}


@dataclass(frozen=True)
class Use:
    """What hubs call a task, and the class of transformers that loads its models."""

    pipeline_tag: str
    auto: str


USES = {
    "chat": Use("text-generation", "AutoModelForCausalLM"),
    "classify": Use("text-classification", "AutoModelForSequenceClassification"),
    "tag": Use("token-classification", "AutoModelForTokenClassification"),
    "seq2seq": Use("text2text-generation", "AutoModelForSeq2SeqLM"),
}


def model_card(params: Params, metrics: dict[str, Any], weights: dict[str, str]) -> str:
    """Markdown with the front matter that model hubs read.

    metrics: of the facts; the metrics files by stage, `clean` by source.
    weights: sha256 of the base model's files of weights, by name.
    """
    built = {k: v for k, v in asdict(params).items() if k != "run"}
    parts = [
        front_matter(params),
        "# Model card",
        "Fine-tuned by a declarative data build; every figure below is of this very build.",
        base_sentences(params.base, weights),
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
    tag = USES[params.task].pipeline_tag
    return f"---\nlicense: other\nlicense_name: {note}\npipeline_tag: {tag}\n---"


def base_sentences(base: Base, weights: dict[str, str]) -> str:
    sentences = [f"Base model: {code(base.uri)}, licence {code(base.licence)}."]
    if base.uri.startswith("dvc:"):
        sentences.append(
            "It is an earlier build: params.yaml and dvc.lock at the commit of its uri tell what "
            "made it."
        )
    named = ", ".join(f"{code(name)} {code(sha256)}" for name, sha256 in weights.items())
    return " ".join([*sentences, f"Its weights by sha256: {named}."])


def metrics_table(evaluated: dict[str, Any]) -> str:
    """Every figure that both models have; the baseline knows the shares of the labels alone."""
    before = "base" if "base" in evaluated else "baseline"
    lines = [f"| metric | {before} | tuned |", "|---|---:|---:|"]
    for name, value in evaluated[before].items():
        if isinstance(value, float):
            form = FORMS.get(name, ".4f")
            lines.append(f"| {name} | {value:{form}} | {evaluated['tuned'][name]:{form}} |")
    return "\n".join([*lines, "", counts_sentence(evaluated), *verdict_sentences(evaluated)])


def counts_sentence(evaluated: dict[str, Any]) -> str:
    counts = f"{evaluated['rows']} rows, {evaluated['labels']} "
    if "questions" in evaluated:
        counts += f"learned tokens; {evaluated['questions']} answers generated"
    else:
        counts += "labels; the baseline says of each row what the train split says of all"
    return f"{counts}; on {evaluated['device']}."


def verdict_sentences(evaluated: dict[str, Any]) -> Iterator[str]:
    gain = evaluated["improvement"]
    main = next(iter(gain))
    low, high = gain[f"{main}_interval"]
    direction = "lower" if main in ("loss", "mse") else "higher"
    sentence = (
        f"The {main} is {direction} by {gain[main]:.3f} "
        f"(95% interval {low:.3f} to {high:.3f}): {gain['verdict']}."
    )
    if "worst_slice" in evaluated:
        sentence += f" Highest loss: {code(evaluated['worst_slice']['name'])}."
    if "worst_class" in evaluated:
        sentence += f" Lowest F1: {code(evaluated['worst_class']['name'])}."
    yield sentence


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
    sizes = ", ".join(f"{split[name]} {name}" for name in SPLITS)
    share = split["random_split"]["share_leaked_by_prompt"]
    return (
        f"Rows: {sizes}. No cluster of duplicates is in two splits; a plain random split would "
        f"have leaked {share:.0%} of its test rows by prompt."
    )


def usage(params: Params) -> str:
    use = USES[params.task]
    if params.train.lora is not None and not params.train.lora.merge:
        auto = use.auto.replace("AutoModel", "AutoPeftModel")
        return (
            "These are adapters for the base model, brought by `dvc repro base`:\n\n"
            f"```python\nfrom peft import {auto}\n"
            "from transformers import AutoTokenizer\n\n"
            f'model = {auto}.from_pretrained("models/final")\n'
            'tokenizer = AutoTokenizer.from_pretrained("models/final")\n```'
        )
    return (
        f"```python\nfrom transformers import {use.auto}, AutoTokenizer\n\n"
        f'model = {use.auto}.from_pretrained("models/final")\n'
        'tokenizer = AutoTokenizer.from_pretrained("models/final")\n```'
    )


def cell(text: str) -> str:
    """Text that cannot end a cell of a table or begin markup."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return " ".join(safe.split())


def code(text: str) -> str:
    return f"`{' '.join(text.replace('`', '').replace('|', '').split())}`"
