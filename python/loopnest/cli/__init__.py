"""The command `loopnest`. typer and rich (extra `cli`) are imported only when it runs."""

from __future__ import annotations

import sys

from loopnest.extras import require


def main() -> None:
    """Entry point of the command. Leaves with status 0, 1 (an error, told in one line), 2 (wrong usage) or
    130 (Ctrl-C)."""
    try:
        require("typer", "cli")
        require("rich", "cli")
        from loopnest.cli import claims, run  # noqa: F401 (they add their commands)
        from loopnest.cli.app import Interrupted, app

        try:
            app(prog_name="loopnest")
        except Interrupted as left:
            print(f"loopnest: broken off; {left}", file=sys.stderr)
            raise SystemExit(130) from None  # as the shell says of Ctrl-C
    except (ModuleNotFoundError, ValueError, OSError, MemoryError) as error:
        from loopnest import distributed

        if isinstance(error, MemoryError):
            error = MemoryError(f"there is not enough memory for this: {error or 'take a smaller input'}")

        if distributed.get_world_size() > 1:  # the other ranks would wait for this one
            distributed.group.current().abort(f"rank {distributed.get_rank()}: {error}")
        print(f"loopnest: {error}", file=sys.stderr)
        raise SystemExit(1) from None
