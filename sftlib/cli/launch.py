"""The console script `sft`.

It starts `python -m sftlib.cli`, so that in another clone of the repository the code of that clone
runs and not that of the clone which was installed.
"""

import os
import sys


def main() -> None:
    os.execv(sys.executable, [sys.executable, "-m", "sftlib.cli", *sys.argv[1:]])
