"""``simcore messages``: a collective as messages on links that they share."""

from __future__ import annotations

from simcore.cli.options import StudyCommand
from simcore.studies.messages.request import MessagesRequest

HELP = """Simulate a collective message by message on the links of a network: congestion that dimensions do not show.

COLLECTIVE is all-reduce, reduce-scatter, all-gather or all-to-all, or a file with sends of your own, which is checked
for deadlock and completeness. A network is a file of links, a shape, or dimensions as of simcore collective:

\b
$ simcore messages all-to-all 64MB --network "Switch(4)@9GB/s x Ring(4)@9GB/s"
...
"""

command = StudyCommand(
    "messages",
    MessagesRequest,
    "simcore.studies.messages:messages",
    help=HELP,
    example='all-to-all 64MB --network "Ring(4)@50GB/s x Ring(4)@50GB/s"',
    timeline=True,
)
