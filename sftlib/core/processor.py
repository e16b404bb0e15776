"""What the processor of this machine computes by itself."""

from pathlib import Path
from typing import Literal

CPUINFO = Path("/proc/cpuinfo")
# Flags of Linux by which a processor says that it multiplies bf16: of x86, then of ARM.
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def settled_precision(
    precision: Literal["auto", "bf16", "fp32"], computes_bf16: bool
) -> Literal["bf16", "fp32"]:
    """The precision that a device computes in: auto is bf16 where it computes that, else fp32."""
    if precision == "auto":
        return "bf16" if computes_bf16 else "fp32"
    return precision


def has_bf16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether the CPU has instructions for bf16; False where the system does not tell.

    Without them torch emulates bf16, which takes some fifty times as long as fp32.
    """
    if not cpuinfo.is_file():
        return False
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    flags = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))]
    return any(BF16_FLAGS & set(line.split()) for line in flags)
