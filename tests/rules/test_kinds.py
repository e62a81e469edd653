"""Kinds of artifacts by their names."""

from __future__ import annotations

import pytest

from whence.rules.kinds import artifact_kind, guess


@pytest.mark.parametrize(
    ("path", "kind", "media"),
    [
        ("out/model.pt", "model", "application/octet-stream"),
        ("out/MODEL.ONNX", "model", "application/octet-stream"),
        ("weights.bin", "model", "application/octet-stream"),
        ("report.html", "report", "text/html"),
        ("metrics.json", "report", "application/json"),
        ("fig/loss.png", "plot", "image/png"),
        ("scores.csv", "table", "text/csv"),
        ("table.csv.gz", "table", "application/gzip"),
        ("train.jsonl", "dataset", "application/jsonl"),
        ("vectors.faiss", "index", "application/octet-stream"),
        ("run.log", "log", "text/plain"),
        ("events.out.tfevents.1700000000.host", "log", "application/octet-stream"),
        ("analysis.ipynb", "notebook", "application/x-ipynb+json"),
        ("all.tar.gz", "archive", "application/gzip"),
        ("cfg.yaml", "config", "application/yaml"),
        ("x.unheard", "other", "application/octet-stream"),
        ("noextension", "other", "application/octet-stream"),
        (".hidden", "other", "application/octet-stream"),
    ],
)
def test_a_name_tells_kind_and_media_type(path: str, kind: str, media: str) -> None:
    assert guess(path) == (kind, media)


def test_a_folder_has_a_kind_and_no_media_type() -> None:
    assert guess("data.zarr/", folder=True) == ("dataset", None)


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    assert artifact_kind("model") == "model"
    with pytest.raises(ValueError, match="kind 'modle': expected one of model, report"):
        artifact_kind("modle")
