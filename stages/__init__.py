"""The stages of dvc.yaml, one thin script each; the environment is checked before any of them."""

from pathlib import Path

from sftlib.core.environment import check_environment
from sftlib.core.errors import exit_on_error

exit_on_error(lambda: check_environment(Path.cwd()))
