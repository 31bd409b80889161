"""`python -m benchmarks`."""

from __future__ import annotations

import sys

from .cli import main
from .stopping import end_orderly

end_orderly()
sys.exit(main())
