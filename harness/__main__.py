"""``python -m harness`` is ``aubench``: what a cluster runs without a build step."""

import sys

from harness.cli import main

if __name__ == "__main__":
    sys.exit(main())
