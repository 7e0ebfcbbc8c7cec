"""`python -m vigibip` is the `vigibip` command."""

import sys

from vigibip.cli.main import main

sys.exit(main())
