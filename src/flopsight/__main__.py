"""`python -m flopsight`: the command line."""

import sys

from flopsight.cli import main

sys.exit(main())
