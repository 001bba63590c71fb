"""An application to be killed: puts intervals into an outbox, sends them all, says where it is.

Arguments: folder, broker URL, number of intervals, end of the last one, seconds that a message takes at least (so that
there is time to kill it among them), a file with the end of the last interval that may be sent by now.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.community import message
from app.community.broker import parse_broker
from app.community.outbox import Outbox
from app.community.sender import Sender, SenderPhase
from tests.fakes.community import INTERVAL_S, interval


def main() -> int:
    folder, url, count, last_s = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    gate = Path(sys.argv[6])
    print("putting", flush=True)
    with Outbox(folder) as outbox:
        for number in range(count):
            outbox.put(interval(last_s - (count - 1 - number) * INTERVAL_S, number), "u82f")
    seal = message.seal

    def slow_seal(payload: bytes, topic: str, end_s: int) -> bytes:
        time.sleep(float(sys.argv[5]))
        while end_s > int(gate.read_text()):
            time.sleep(0.002)
        return seal(payload, topic, end_s)

    message.seal = slow_seal
    print("sending", flush=True)
    sender = Sender(folder, parse_broker(url, accepts_backdated=True), None, None, until_empty=True, patience_s=120.0)
    sender.start()
    while not sender.wait(0.1):
        pass
    print(sender.state.phase, sender.state.error or "", flush=True)
    return 0 if sender.state.phase is SenderPhase.DONE else 1


if __name__ == "__main__":
    sys.exit(main())
