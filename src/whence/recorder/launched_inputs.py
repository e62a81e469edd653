"""The inputs of a launch: data that it pins, and files that are declared. What is not there is a refusal."""

from __future__ import annotations

import os
import time

from msgspec.structs import replace

from ..capture.inputs import InputDigest, declare, digest_all
from ..errors import RefusedError, WhenceError
from ..records import events
from ..rules.permission import raise_together
from ..rules.pins import with_places
from ..system.held_signals import held
from .launch import Launch


def state_pins(launch: Launch) -> list[RefusedError]:
    """Lay out the data that are pinned, and say in the command where they lie; why that cannot be, for each."""
    request, around = launch.request, launch.around
    if not request.data:
        return []
    from .pins import double, find_pins, refusal, retention_ends  # with all that reads datasets, where some are pinned

    launch.pins, refusals = find_pins(around.store, request.data)
    for number, one in enumerate(launch.pins):
        if (said := double(one, launch.pins[:number])) is not None:
            around.say(f"warning: data {one}: {said}")
        if (said := retention_ends(one, around.policy, around.clock() / 1e9)) is not None:
            around.say(f"warning: data {one}: {said}")
    for one in () if refusals else launch.pins:
        try:
            one.lay_out(around.store, around.say, between=held.check)
        except WhenceError as error:
            refusals.append(refusal(one.pin, error))
    for one in launch.pins:
        launch.recording.state(events.InputPinned(input=one.input("launch")))
    folders = {one.pin.name: os.fspath(one.folder) for one in launch.pins}
    launch.request = replace(request, argv=with_places(request.argv, folders))
    return refusals


def state_inputs(launch: Launch, refusals: list[RefusedError]) -> None:
    """Every declared input is found, or refused; as many as there is time for are digested, of a refused run none.

    `refusals` are those that are there already: all reasons are said together.
    """
    for spec in launch.request.inputs:
        held.check()
        try:
            launch.inputs += _declared(launch, spec)
        except RefusedError as refusal:
            refusals.append(refusal)
    until = time.monotonic() + (0 if refusals else launch.around.policy.digest_before_start)

    def enough() -> bool:
        held.check()
        return time.monotonic() >= until

    digest_all(launch.inputs, enough)
    for one in launch.inputs:
        held.check()
        launch.keep_input(one)
        launch.recording.state(events.InputDeclared(input=one.input))
    raise_together(refusals)


def _declared(launch: Launch, spec: str) -> list[InputDigest]:
    """What is said to be an input. Raises RefusedError when there is nothing."""
    found = declare(spec, cwd=str(launch.cwd), mounts=launch.mounts, mask_url=launch.around.secrets.mask_url)
    return [InputDigest(one, cache=launch.digests) for one in found]
