"""Every error meant for a person, and the one function that ends a process for one.

Exit codes: 0 done, 1 a bug (traceback), 2 params or usage, 3 data, 130 interrupted.
"""

import sys
from collections.abc import Callable
from typing import ClassVar


class SftError(Exception):
    """An error explained to its reader: the message names the place, the fault and the remedy."""

    exit_code: ClassVar[int] = 1


class UsageError(SftError):
    """Wrong params, arguments or environment."""

    exit_code = 2


class DataError(SftError):
    """Input that cannot be built from."""

    exit_code = 3


def exit_on_error(main: Callable[[], None]) -> None:
    """Run `main`; an error meant for a person ends the process with that error's code."""
    try:
        main()
    except SftError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
