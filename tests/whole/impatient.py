"""`dialtone`, but a process that was killed counts as lost after five seconds instead of twenty: what takes over is the
same, and the tests that kill wait less for it.
"""

import sys

from dialtone.calls import presence
from dialtone.cli import main
from dialtone.jobs import heartbeat

if __name__ == "__main__":
    presence.BEAT_SECONDS = heartbeat.BEAT_SECONDS = 1.0
    presence.LOST_SECONDS = heartbeat.LOST_SECONDS = 5.0
    sys.exit(main())
