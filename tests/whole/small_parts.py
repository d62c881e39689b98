"""`dialtone`, but recordings go to their store in small parts, so that a call of seconds has many of them."""

import sys

from dialtone.calls import recordings
from dialtone.cli import main
from dialtone.storage import uploads

PART_BYTES = 64_000

if __name__ == "__main__":
    recordings.PART_BYTES = PART_BYTES
    recordings.LINGER_SECONDS = 0.0
    uploads.LOOK_SECONDS = 0.1
    sys.exit(main())
