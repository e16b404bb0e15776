"""The loss: in parts as at once, in packs as alone, and in which precision weights learn."""

from pathlib import Path

import pytest
import torch
from test_train import PROMPTED, row
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from sftlib.train.batches import Pack, pack_rows
from sftlib.train.cross_entropy import head_loss
from sftlib.train.loss import check_packing, label_count, loss_sum
from sftlib.train.model import load_model

CPU = torch.device("cpu")


def head_and_states(bias: bool) -> tuple[torch.nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    head = torch.nn.Linear(16, 90, bias=bias)
    return head, torch.randn(50, 16), torch.randint(0, 90, (50,))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("labels_per_part", [1, 7, 49])
def test_parts_give_the_same_loss_and_gradients(
    bias: bool, smoothing: float, labels_per_part: int
) -> None:
    found = []
    for limit in (90 * labels_per_part, 1 << 30):
        head, hidden, labels = head_and_states(bias)
        hidden.requires_grad_()
        loss = head_loss(hidden, head, labels, smoothing, limit)
        (loss / 3).backward()
        gradients = [hidden.grad, *(weight.grad for weight in head.parameters())]
        found.append((float(loss.detach()), gradients))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for parts, whole in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(parts, whole, atol=1e-5)


def test_parts_in_mixed_precision() -> None:
    found = []
    for limit in (900, 1 << 30):
        head, hidden, labels = head_and_states(False)
        hidden.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            loss = head_loss(hidden, head, labels, 0.0, limit)
        loss.backward()
        assert head.weight.grad.dtype == hidden.grad.dtype == torch.float32
        found.append((float(loss.detach()), hidden.grad, head.weight.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    for number in (1, 2):
        assert torch.allclose(found[0][number], found[1][number], atol=0.05, rtol=0.05)


def test_no_tensor_of_labels_by_vocabulary_is_kept() -> None:
    head, hidden, labels = head_and_states(False)
    sizes: dict[int, int] = {}
    for limit in (900, 1 << 30):
        saved: list[int] = []

        def note(tensor: torch.Tensor, saved: list[int] = saved) -> torch.Tensor:
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            head_loss(hidden.clone().requires_grad_(), head, labels, 0.0, limit)
        sizes[limit] = max(saved)
    assert sizes == {900: 90 * 16, 1 << 30: 50 * 90}


def test_nothing_is_kept_without_gradients() -> None:
    head, hidden, labels = head_and_states(False)
    with torch.no_grad():
        loss = head_loss(hidden, head, labels, 0.0, 900)
    assert not loss.requires_grad
    assert float(loss) == pytest.approx(float(head_loss(hidden, head, labels).detach()), rel=1e-6)


SIZES = {"vocab_size": 256, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SIZES, "intermediate_size": 48, "num_key_value_heads": 2}
KINDS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**GROUPED),
    "gpt2": GPT2Config(vocab_size=256, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "qwen2": Qwen2Config(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
}


def write_model(kind: str, folder: Path) -> Path:
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(KINDS[kind]).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_packed_loss_is_that_of_rows_alone(kind: str, tmp_path: Path) -> None:
    folder = write_model(kind, tmp_path)
    rows = [*PROMPTED, row(1, 9), row(2, 17)]
    packed = load_model(folder, torch.float32, CPU).eval()
    check_packing(packed, rows, tolerance=1e-5)
    reference = load_model(folder, torch.float32, CPU, "sdpa").eval()
    total = torch.zeros(())
    for r in rows:
        logits = reference(input_ids=torch.tensor([r["input_ids"]])).logits[0]
        labels = torch.tensor(r["labels"])
        total = total + torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    pack = pack_rows(rows)
    loss = loss_sum(packed, pack)
    assert float(loss.detach()) / label_count(pack) == pytest.approx(
        float(total.detach()) / label_count(pack), abs=1e-5
    )
    loss.backward()
    total.backward()
    for name, weight in reference.named_parameters():
        found = packed.get_parameter(name).grad
        assert torch.allclose(found, weight.grad, atol=1e-4), name


def test_bf16_weights_do_not_learn_at_small_rates() -> None:
    """A bf16 number near 1 has steps of 2^-8: an update of 2e-5 is rounded away, however often."""
    ends = {}
    for dtype in (torch.bfloat16, torch.float32):
        weight = torch.nn.Parameter(torch.ones(8, 8, dtype=dtype))
        optimizer = torch.optim.AdamW([weight], lr=2e-5, weight_decay=0.0)
        for _ in range(100):
            with torch.autocast("cpu", torch.bfloat16):
                loss = (torch.ones(1, 8) @ weight).float().sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        ends[dtype] = weight.detach().float()
    assert torch.equal(ends[torch.bfloat16], torch.ones(8, 8))
    assert torch.allclose(ends[torch.float32], torch.full((8, 8), 1 - 100 * 2e-5), atol=1e-6)


def kept_tensors(model: torch.nn.Module, pack: Pack, width: int) -> int:
    """How many tensors [1, T, width] the forward pass keeps; computes gradients of the loss."""
    kept: set[int] = set()

    def note(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.dim() == 3 and tensor.shape[-1] == width:
            kept.add(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = loss_sum(model, pack)
    loss.backward()
    return len(kept)


def assert_equal_gradients(model: torch.nn.Module, expected: torch.nn.Module) -> None:
    for name, weight in expected.named_parameters():
        assert torch.allclose(model.get_parameter(name).grad, weight.grad, atol=1e-5), name
