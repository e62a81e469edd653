"""Files that are secrets as a whole: by the name that custom gives them, or by how they begin."""

from __future__ import annotations

import functools
import re

from .secret_forms import holds_token

HEAD = 64 << 10
"""Bytes of a file in which a secret is looked for."""

_SECRET_NAMES = frozenset(
    (
        ".env", ".netrc", "_netrc", ".pgpass", ".git-credentials", ".htpasswd", ".dockercfg", ".my.cnf", ".s3cfg",
        ".boto", ".vault-token", "kaggle.json", "application_default_credentials.json", "credentials.json",
        "client_secret.json", "service-account.json", "service_account.json", "id_rsa", "id_dsa", "id_ecdsa",
        "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk", "msal_token_cache.json", "accesstokens.json", ".envrc",
    )
)  # fmt: skip
_SECRET_BEGINNINGS = (".env.", ".env-", ".env_", "id_rsa.", "id_dsa.", "id_ecdsa.", "id_ed25519.")
_SECRET_ENDINGS = (".env", ".tfstate", ".tfstate.backup")
_SECRET_STEMS = frozenset(
    ("credentials", "credential", "creds", "password", "passwords", "passwd", "secret", "secrets", "token", "api_key",
     "api_keys", "apikey", "apikeys", "api-key", "api-keys")
)  # fmt: skip
"""Names of lists and notes of secrets; `tokens.txt` is a vocabulary."""
_LISTS = ("", "txt", "csv", "tsv", "json", "yaml", "yml", "toml", "ini", "cfg", "conf", "bak", "old")
_SECRET_TAILS = (
    (".aws", "credentials"), (".kube", "config"), (".docker", "config.json"), ("huggingface", "token"),
    ("huggingface", "stored_tokens"), (".config", "gh", "hosts.yml"), (".cargo", "credentials.toml"),
    (".databrickscfg",), (".config", "rclone", "rclone.conf"),
)  # fmt: skip
_SECRET_FOLDERS = ("/.config/gcloud/", "/.azure/", "/.gnupg/private-keys-v1.d/", "/.aws/sso/cache/", "/.aws/cli/cache/")
_HOLDS_PASSWORDS: dict[str, tuple[bytes, ...]] = {
    ".npmrc": (b"_authToken", b"_auth", b"_password"),
    ".yarnrc.yml": (b"npmAuthToken", b"npmAuthIdent"),
    ".pypirc": (b"password", b"token"),
    "pip.conf": (b"://",),
    "config.json": (b'"auths"', b'"identitytoken"'),
}
EXAMPLES = (".example", ".sample", ".template", ".dist", ".tpl", ".defaults")

_SECRET_HEADS: tuple[tuple[bytes, str], ...] = (
    (rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY", "it holds a private key"),
    (rb"PuTTY-User-Key-File-\d:", "it holds a private key"),
    (rb'"type"\s*:\s*"service_account"', "it holds a cloud credential"),
    (rb"(?im)^\s*(?:export\s+)?aws_secret_access_key\s*=\s*[\"']?[\w/+]", "it holds a cloud credential"),
    (rb"(?m)^machine\s+\S+\s+(?:login\s+\S+\s+)?password\s", "it holds a login and password"),
)


def file_is_secret(name: str, head: bytes) -> str | None:
    """Why a file is taken as a secret, by its path (with `/`) and its first `HEAD` bytes; nothing when it is none.

    Of source code only the name counts: what merely contains something like a token would else not be restored.
    """
    path = "/" + name
    base = path.rpartition("/")[2].lower()
    if is_example(base):
        return None
    if _named_secret(path, base):
        return f"a file named {base} holds secrets by custom"
    if any(word in head for word in _HOLDS_PASSWORDS.get(base, ())):
        return f"this {base} holds a login"
    return _secret_head(base, head)


def is_example(base: str) -> bool:
    """Whether a name says that it shows how such a file is written."""
    return base.endswith((*EXAMPLES, "-example", "_example", "-sample", "-template")) or base.startswith(
        ("example.", "sample.", "template.")
    )


def _named_secret(path: str, base: str) -> bool:
    if base in _SECRET_NAMES or (base.startswith(_SECRET_BEGINNINGS) and not base.endswith(".pub")):
        return True
    stem, _, kind = base.partition(".")
    if base.endswith(_SECRET_ENDINGS) or (stem in _SECRET_STEMS and kind in _LISTS):
        return True
    parts = tuple(path.lower().split("/"))
    return any(parts[-len(tail) :] == tail for tail in _SECRET_TAILS) or any(f in path for f in _SECRET_FOLDERS)


SETTINGS = (".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".properties", ".xml", ".plist", ".tfvars")

SOURCES = (
    ".py", ".ipynb", ".md", ".rst", ".c", ".h", ".cc", ".cpp", ".rs", ".go", ".js", ".ts", ".r", ".jl", ".java", ".html"
)  # fmt: skip


def _secret_head(base: str, head: bytes) -> str | None:
    if base.endswith((".keytab", ".jks", ".p12", ".pfx", ".kdbx")):
        return "a key store holds secrets"
    if base.endswith(SOURCES):
        return None
    for pattern, reason in _SECRET_HEADS:
        if _compiled_bytes(pattern).search(head):
            return reason
    issued = b"\0" not in head and holds_token(head.decode("utf-8", "replace"))
    return "it holds a token in the form of its issuer" if issued else None


@functools.cache
def _compiled_bytes(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern)
