"""What is captured before the start, in its order, and what policy says of it; only then may the command start.

A capture that fails is a fact of the record (`capture.failed`), never the end of the launch. What ends it is a
refusal (an input that is not there, policy) or a store that cannot be written; a refused run is kept with that story.
"""

from __future__ import annotations

from collections.abc import Callable

from ..capture.outputs import Expected
from ..errors import RefusedError, StoreError, UsageError
from ..records import events
from ..records.base import Missing
from ..records.data import ExpectedOutput
from ..records.result import Output
from ..records.run import Error
from ..rules.kinds import mistaken_kind, split_kind
from ..rules.permission import policy_cases, raise_together
from ..system.held_signals import held
from .cells import state_cells
from .launch import Launch
from .launched_code import state_code
from .launched_config import state_config
from .launched_environment import state_environment
from .launched_inputs import state_inputs, state_pins

NO_OUTPUT = "not captured: recorded from inside Python; `whence run` captures output"
"""Why a block has no output log: what its process prints goes where it went before the block began."""


def capture(launch: Launch) -> None:
    """Capture everything before the start. Raises RefusedError, which the caller states, and StoreError."""
    _expect_outputs(launch)
    _attempt(launch, "code", lambda: state_code(launch))
    if launch.request.mode == "block":
        _attempt(launch, "code.cells", lambda: state_cells(launch.recording, launch.around.secrets, "launch"))
    _attempt(launch, "environment", lambda: state_environment(launch))
    refusals = state_pins(launch)
    _attempt(launch, "config", lambda: state_config(launch))
    state_inputs(launch, refusals)
    _ask_policy(launch)
    if launch.request.mode == "block":
        launch.recording.state(events.OutputCaptured(output=Output(when="launch", because=NO_OUTPUT)))


def capture_beside(launch: Launch) -> None:
    """What a rank adds to what rank 0 captured: its own inputs and outputs. Raises RefusedError."""
    _expect_outputs(launch)
    state_inputs(launch, state_pins(launch))


def _expect_outputs(launch: Launch) -> None:
    for spec in launch.request.outputs:
        kind, path = split_kind(spec)
        if (mistake := mistaken_kind(spec)) and not (launch.cwd / spec).exists():
            launch.around.say(f"warning: output {spec}: {mistake}")
        expected = Expected(path, cwd=str(launch.cwd), kind=kind)
        launch.outputs.append(expected)
        launch.recording.state(events.OutputDeclared(output=expected.declared("launch")))
    for name, path in launch.request.output_data:
        output = ExpectedOutput(name=name, path=path, kind="dataset")
        expected = Expected(path, cwd=str(launch.cwd), name=name, kind="dataset")
        launch.products.append((name, path, expected))
        launch.recording.state(events.OutputDeclared(output=output))


def _attempt(launch: Launch, what: str, capture: Callable[[], None]) -> None:
    """Capture; whatever goes wrong is a fact, and the launch goes on."""
    held.check()
    try:
        capture()
    except (RefusedError, StoreError, UsageError):
        raise
    except Exception as fault:  # noqa: BLE001  any fault of a capture costs detail, never the run; it is recorded
        launch.lacks(Missing(what=what, because=f"{type(fault).__name__}: {fault}"))


def _ask_policy(launch: Launch) -> None:
    """Warn or refuse, for each key whose case is there. Raises RefusedError."""
    policy = launch.around.policy
    refusals: list[RefusedError] = []
    unpinned = [one for one in launch.pins if one.found.floating]
    for case in policy_cases(launch.code, launch.request.fields, policy, unpinned):
        answer = policy.values[case.key]
        if answer == "refuse":
            refusals.append(RefusedError(f"policy {case.key} = refuse: {case.message}", hint=case.cure))
        if answer == "warn":
            launch.around.say(f"warning: {case.message} ({case.cure})")
    raise_together(refusals)


def refuse(launch: Launch, refusal: RefusedError) -> None:
    """State the refusal as the run's story; it never started."""
    held.defer()
    message = launch.around.secrets.mask_text(refusal.message)
    error = Error(type="refused", message=message)
    launch.recording.end(events.RunEnded(status="failed", exit_code=RefusedError.code, error=error))
