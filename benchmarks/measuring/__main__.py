"""One run of the whole engine, as ``python -m measuring WORLD FIRMS REPLICATES WORKERS``; its cost as JSON.

Apart from the benchmark itself, whose imports workers would repeat when they start.
"""

from __future__ import annotations

import json
import sys

from measuring.whole import measured

if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], *map(int, sys.argv[2:]))._asdict()))
