"""The kind and media type of an artifact, guessed from its name. A declared kind always wins over a guess."""

from __future__ import annotations

import re
from typing import cast, get_args

from ..records.data import Artifact, ArtifactKind

KINDS: tuple[str, ...] = get_args(ArtifactKind)

_SUFFIXES: tuple[tuple[ArtifactKind, str], ...] = (
    ("model", "pt pth ckpt safetensors onnx keras tflite gguf ggml joblib mlmodel pkl pickle pb bst ubj cbm model mar"),
    ("model", "torchscript engine pte mlpackage caffemodel params"),
    ("report", "md rst html htm pdf tex docx pptx odt txt"),
    ("plot", "png svg jpg jpeg gif eps webp tif tiff bmp mp4 webm"),
    ("table", "csv tsv parquet pq feather arrow xlsx xls ods orc rds dta sav"),
    (
        "dataset",
        "npy npz h5 hdf5 hdf nc nc4 zarr jsonl ndjson tfrecord fits mat lmdb root nii dcm vtk vtu xdmf xyz pdb",
    ),
    ("dataset", "fasta fastq fa fq bam sam vcf bed sqlite db duckdb wav flac dat geojson shp gpkg las laz"),
    ("index", "faiss index idx hnsw ann annoy"),
    ("log", "log out err prof trace"),
    ("notebook", "ipynb"),
    ("archive", "zip tar tgz gz bz2 xz zst 7z whl"),
    ("config", "yaml yml toml ini cfg conf"),
    ("code", "py r jl sh c h cpp hpp rs go js ts sql patch diff f90"),
)
_KINDS: dict[str, ArtifactKind] = {suffix: kind for kind, suffixes in _SUFFIXES for suffix in suffixes.split()}

_DOCUMENTS = "application/vnd.openxmlformats-officedocument"
_MEDIA = {
    "md": "text/markdown", "rst": "text/x-rst", "html": "text/html", "htm": "text/html", "pdf": "application/pdf",
    "tex": "text/x-tex", "txt": "text/plain", "log": "text/plain", "out": "text/plain", "err": "text/plain",
    "docx": f"{_DOCUMENTS}.wordprocessingml.document", "pptx": f"{_DOCUMENTS}.presentationml.presentation",
    "xlsx": f"{_DOCUMENTS}.spreadsheetml.sheet", "xls": "application/vnd.ms-excel",
    "png": "image/png", "svg": "image/svg+xml", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
    "eps": "application/postscript", "webp": "image/webp", "tif": "image/tiff", "tiff": "image/tiff",
    "bmp": "image/bmp", "mp4": "video/mp4", "webm": "video/webm", "wav": "audio/wav", "flac": "audio/flac",
    "csv": "text/csv", "tsv": "text/tab-separated-values", "parquet": "application/vnd.apache.parquet",
    "pq": "application/vnd.apache.parquet", "feather": "application/vnd.apache.arrow.file",
    "arrow": "application/vnd.apache.arrow.file", "npz": "application/zip", "h5": "application/x-hdf5",
    "hdf5": "application/x-hdf5", "nc": "application/netcdf", "jsonl": "application/jsonl",
    "ndjson": "application/jsonl", "json": "application/json", "geojson": "application/geo+json",
    "fits": "application/fits", "dcm": "application/dicom", "sqlite": "application/vnd.sqlite3",
    "ipynb": "application/x-ipynb+json", "zip": "application/zip", "whl": "application/zip",
    "tar": "application/x-tar", "tgz": "application/gzip", "gz": "application/gzip", "bz2": "application/x-bzip2",
    "xz": "application/x-xz", "zst": "application/zstd", "7z": "application/x-7z-compressed",
    "yaml": "application/yaml", "yml": "application/yaml", "toml": "application/toml", "xml": "application/xml",
    "ini": "text/plain", "cfg": "text/plain", "py": "text/x-python", "r": "text/x-r", "sh": "application/x-sh",
    "c": "text/x-c", "cpp": "text/x-c", "js": "text/javascript", "sql": "application/sql", "patch": "text/x-diff",
    "diff": "text/x-diff",
}  # fmt: skip
"""By the last suffix; those registered with IANA where there is one. Any other file is `application/octet-stream`."""

_WORDS: tuple[tuple[str, ArtifactKind], ...] = (
    (r"tfevents", "log"),
    (r"(^|[_.-])(metrics?|results?|scores?|summary|report|evaluation|eval|predictions?)([_.-]|$)", "report"),
    (r"(^|[_.-])(model|weights|checkpoint|ckpt)([_.-]|$)", "model"),
)
"""What a name says where its suffix (`json`, `txt`, `bin`, `xml`, none) says little."""

_VAGUE = frozenset(("json", "txt", "bin", "xml", "dat", "db", "gz", "zip", "zst", "xz", "bz2", ""))
_PACKED = frozenset(("gz", "bz2", "xz", "zst"))


def guess(path: str, *, folder: bool = False) -> tuple[ArtifactKind, str | None]:
    """(kind, media type) of an artifact by its path; a folder has no media type."""
    name = path.rstrip("/").rpartition("/")[2].lower()
    suffix = _suffix(name)
    kind: ArtifactKind | None = _KINDS.get(suffix)
    if suffix in _PACKED:
        kind = _KINDS.get(_suffix(name.rpartition(".")[0])) or kind
    if kind is None or suffix in _VAGUE:
        kind = _by_words(name) or kind
    return kind or "other", None if folder else _MEDIA.get(suffix, "application/octet-stream")


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return suffix if dot and stem else ""


def _by_words(name: str) -> ArtifactKind | None:
    return next((kind for pattern, kind in _WORDS if re.search(pattern, name)), None)


def artifact_kind(stated: str) -> ArtifactKind:
    """A declared kind. Raises ValueError that names those there are."""
    if stated not in KINDS:
        raise ValueError(f"kind {stated!r}: expected one of {', '.join(KINDS)}")
    return cast("ArtifactKind", stated)


def split_kind(spec: str) -> tuple[ArtifactKind | None, str]:
    """`KIND:PATH` as its parts, where the word before the colon is a kind; any other text is a path."""
    word, colon, path = spec.partition(":")
    return (cast("ArtifactKind", word), path) if colon and path and word in KINDS else (None, spec)


def mistaken_kind(spec: str) -> str | None:
    """What to say of a word before a colon that looks like a kind and is none; nothing of any other text."""
    word, colon, path = spec.partition(":")
    if not colon or not path or word in KINDS or not word.isalpha() or path.startswith("//"):
        return None
    from difflib import get_close_matches  # Only a mistake needs it.

    near = get_close_matches(word, KINDS, n=1)
    meant = f"did you mean {near[0]}:{path}?" if near else f"kinds are {', '.join(KINDS)}"
    return f"{word!r} is no kind, and is taken as part of the path; {meant}"


def is_source(path: str) -> bool:
    """Whether a file of a snapshot may be of the program, by its name: no data, model, plot, table, report or log."""
    return guess(path)[0] in ("code", "other", *_OF_BOTH)


def is_result(artifact: Artifact) -> bool:
    """Whether what lies at its path is a result, and no part of the program: what was merely seen to be written is not
    when it is source code or settings, nor a folder that holds other files too."""
    if artifact.missing:
        return False
    return artifact.how == "declared" or (artifact.kind not in ("code", *_OF_BOTH) and artifact.whole is not False)


_OF_BOTH = ("config", "notebook")


def is_result_untracked(artifact: Artifact) -> bool:
    """Whether what lies at its path is a result as long as nobody has put it under version control: settings and
    notebooks that a run was seen to make, where nothing was before (Hydra's `.hydra/`, an executed notebook)."""
    return (
        artifact.how == "observed"
        and not artifact.missing
        and artifact.kind in _OF_BOTH
        and artifact.role != "changed"
        and artifact.digest_before is None
        and artifact.before_because is None
        and artifact.whole is not False
    )
