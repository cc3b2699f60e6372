"""``simcore verify``: whether a torch module computes the same after a training schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simcore.cli.options import StudyCommand, deliver
from simcore.errors import RunError
from simcore.studies.verify.request import VerifyRequest

if TYPE_CHECKING:
    from simcore.studies.verify.result import VerifyResult

HELP = """Run a torch module before and after a training schedule, and compare what it computes.

Outputs, input gradients and every parameter's gradient have to be equal but for rounding, in fp64 and fp32. A model of
the zoo runs in small sizes, which 1, 3 and 4 ranks divide. It needs torch.

\b
$ simcore verify bert --steps shard,sync,sdpa,checkpoint=0.5 --ranks 4
...
"""

REMEDY = (
    "Leave the step out, name other modules, or mend its method module(); a shard needs a sync of the same modules."
)


class VerifyCommand(StudyCommand):
    """The command, which fails where results differ."""

    def carry_out(self, request: VerifyRequest, options: dict[str, Any]) -> None:  # type: ignore[override]  # its own
        """Verify, and print what comes of it."""
        result: VerifyResult = self.result(request, options)  # type: ignore[assignment]  # the study's own
        deliver(result, options)
        if not result.equal:
            after = f" after {result.breaking}" if result.breaking else ""
            raise RunError(f"{result.difference}{after}. {REMEDY}")


command = VerifyCommand(
    "verify", VerifyRequest, "simcore.studies.verify:verify", help=HELP, example="bert --steps sdpa,checkpoint"
)
