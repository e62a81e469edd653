"""State what the run wrote, kept as far as policy allows.

A file that changes after it was stated is stated anew at the end, and both statements stay in the journal.
"""

from __future__ import annotations

from ..capture.outputs import OutputDigest, found_output
from ..records import events
from ..records.data import Artifact
from ..records.seal import Pending
from ..store.objects import take_mended
from .keeping import Keeping
from .launch import Launch
from .recording import Recording


def kept(output: OutputDigest, keeping: Keeping, *, succeeded: bool = True) -> Artifact:
    """The artifact, its bytes kept if policy and room allow; if not, it says why."""
    path, measured = output.absolute, output.measured
    if path is None or measured is None:
        return output.artifact(succeeded=succeeded)
    because = keeping.keep(path, measured)
    return output.artifact(kept=because is None, succeeded=succeeded, because=because)


def state_outputs(launch: Launch, outputs: list[OutputDigest], pending: list[Pending]) -> list[Artifact]:
    """Keep each output and state it; those whose digest was not done are added to `pending`."""
    succeeded = launch.recording.status in (None, "succeeded")
    keeping = launch.kept_outputs
    artifacts = [kept(output, keeping, succeeded=succeeded) for output in outputs]
    for artifact, output in zip(artifacts, outputs, strict=True):
        launch.recording.state(events.ArtifactProduced(artifact=artifact))
        if output.pending:
            mask = launch.around.secrets.mask_text  # As the journal has it.
            pending.append(Pending(name=mask(artifact.name), path=mask(artifact.path), stat=artifact.stat))
    state_failed(launch.recording, keeping)
    for sentence in take_mended():
        launch.around.say(sentence)
    return artifacts


def state_failed(recording: Recording, keeping: Keeping) -> None:
    """At the end: what could not be stored is detail that was lost."""
    for path, because in keeping.failed.items():
        recording.lost(f"the copy of {path}", because)


def restated(launch: Launch) -> list[OutputDigest]:
    """Outputs that changed after they were stated, as they are now; one that is gone is an anomaly."""
    changed: list[OutputDigest] = []
    for output in launch.stated:
        if output.still_same() is not False:
            continue
        found = found_output(output.found.path, cwd=str(launch.cwd), name=output.found.name)
        if found is None:
            what = "an output was removed after it was recorded"
            launch.recording.state(events.AnomalyRaised(what=what, detail=output.found.path))
        else:
            changed.append(OutputDigest(found, kind=output.kind, cache=launch.digests))
    return changed
