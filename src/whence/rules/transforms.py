"""How a step of the rows' story is told in one line."""

from __future__ import annotations

from ..records.transform import Transform


def transform_text(step: Transform) -> str:
    """`filter train (cifar@2.1.0): 900 -> 812 rows (88 out), age >= 18`."""
    source = f"{step.source or ''}{f' ({step.dataset}@{step.version})' if step.dataset else ''}".strip()
    head = " ".join(filter(None, (step.operation, source, step.result and f"-> {step.result}")))
    counts = [_counts("rows", step.rows_in, step.rows_out), _counts("columns", step.columns_in, step.columns_out)]
    parameters = [f"{name}={value}" for name, value in step.parameters.items()]
    tail = ", ".join(filter(None, (*counts, step.criteria, *parameters)))
    return f"{head}: {tail}" if tail else head


def _counts(what: str, before: int | None, after: int | None) -> str | None:
    if before is None and after is None:
        return None
    if before is None or after is None:
        return f"{after} {what} out" if before is None else f"{before} {what} in"
    change = after - before
    told = f" ({-change} out)" if change < 0 else f" ({change} more)" if change else ""
    return f"{before} -> {after} {what}{told}"
