# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Two builds side by side
#
# A build that a commit holds, and the one that lies in the working directory, read by `dvc.api`:
# nothing is checked out, and what is not on the disk comes from DVC's cache. Run it anywhere in the
# repository: `python docs/notebook.py`, or open it in Jupyter with jupytext
# (`jupytext --to notebook docs/notebook.py`).

# %%
import json

import dvc.api
import pandas as pd

REVISIONS = {"HEAD": "HEAD", "here": None}  # None: the working directory


# %% [markdown]
# ## Params that differ


# %%
def flatten(tree, prefix=""):
    """{"train": {"lr": 1}} -> {"train.lr": 1}"""
    flat = {}
    for key, value in tree.items():
        nested = isinstance(value, dict) and value
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


params = pd.DataFrame(
    {name: flatten(dvc.api.params_show(rev=rev)) for name, rev in REVISIONS.items()}, dtype=object
)
differ = params[params["HEAD"].map(repr) != params["here"].map(repr)]
print(differ.to_string())

# %% [markdown]
# ## Base against tuned, on the test split of each build

# %%
scores = {}
for name, rev in REVISIONS.items():
    found = dvc.api.metrics_show("metrics/evaluate.json", rev=rev)
    for model in ("base", "tuned"):
        scores[name, model] = found[model]
print(pd.DataFrame(scores).to_string(float_format="%.4f"))

# %% [markdown]
# ## Rows that were dropped, by stage, source and reason
#
# Every stage writes what it drops to its ledger; `docs/drop-reasons.md` explains the reasons.


# %%
def source_of(place, sources):
    """The key of params.yaml whose file or folder holds `data/raw/x.jsonl:17`."""
    for name, source in sources.items():
        rest = place.removeprefix(source["path"])
        if rest != place and rest[0] in ":/#":
            return name
    return None


def drops(rev):
    """(stage, source, reason) of each dropped row."""
    fs = dvc.api.DVCFileSystem(rev=rev)
    sources = dvc.api.params_show(rev=rev)["sources"]
    for path in fs.find("data/ledger"):
        if "/dropped/" in path:
            for line in fs.read_text(path).splitlines():
                entry = json.loads(line)
                yield path.split("/")[2], source_of(entry["at"], sources), entry["reason"]


heads = ["stage", "source", "reason"]
counts = {
    name: pd.DataFrame(drops(rev), columns=heads).value_counts() for name, rev in REVISIONS.items()
}
print(pd.DataFrame(counts).fillna(0).astype(int).sort_index().to_string())

# %% [markdown]
# ## Validation loss while training

# %%
losses = {}
for name, rev in REVISIONS.items():
    with dvc.api.open("plots/validation_loss.csv", rev=rev) as stream:
        losses[name] = pd.read_csv(stream, index_col="step")["loss"]
print(pd.DataFrame(losses).to_string(float_format="%.4f"))

# %% [markdown]
# ## Rows that the tuned model finds hardest
#
# Loss of a row is the sum over its learned tokens, divided by their number.

# %%
rows = [json.loads(line) for line in dvc.api.read("data/evaluated/rows.jsonl").splitlines()]
table = pd.DataFrame(
    {
        "id": row["id"],
        "base": row["base"]["loss_sum"] / row["labels"],
        "tuned": row["tuned"]["loss_sum"] / row["labels"],
    }
    for row in rows
)
print(table.nlargest(3, "tuned").to_string(index=False, float_format="%.4f"))
