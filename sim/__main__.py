"""``python -m sim`` is the command ``aipower``."""

from __future__ import annotations

from sim.app.cli import main

if __name__ == "__main__":
    main()
