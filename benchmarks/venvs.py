"""A virtual environment for each peer, made once, below the folder of the benchmark."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def pins_of_project(*names: str) -> list[str]:
    """The versions that this project itself trains with, as constraints/ has them."""
    files = sorted((ROOT / "constraints").glob("*.txt"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line.split("==")[0] in names]


# Pinned, with what a peer fetches by itself at its first use, or needs and does not ask for.
REQUIREMENTS = {
    "data-juicer": (
        "py-data-juicer==1.6.1",
        "aiohttp==3.14.5",
        "ftfy==6.3.1",
        "scipy==1.17.1",
        "torch==2.13.0",
    ),
    "datatrove": ("datatrove[processing,io]==0.10.1", "spacy==3.8.18"),
    "datasketch": ("datasketch==1.6.5",),
    "trl": (
        "trl==1.16.0",
        *pins_of_project("torch", "transformers", "peft", "datasets", "accelerate"),
    ),
}


def peer_bin(name: str, folder: Path) -> Path:
    """Where the commands of a peer lie; its environment is made anew when its pins change."""
    venv = folder / "venvs" / name
    done, wanted = venv / "installed", "\n".join(REQUIREMENTS[name])
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        install = [venv / "bin/python", "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]]
        subprocess.run(install, check=True)
        done.write_text(wanted)
    return venv / "bin"
