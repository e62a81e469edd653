"""Names that say that their value is a secret (`HF_TOKEN`, `--password`), and which values of theirs are.

Names are read word by word, so that `tokenizer`, `max_tokens` and `author` are none.
"""

from __future__ import annotations

import functools
from typing import Literal

from .secret_forms import compiled

Weight = Literal["strong", "weak", "random", "no"]
"""What a name says of its value. `strong`: a secret, numbers too; `weak`: a secret unless it is a number;
`random`: a secret when it looks like random characters."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STRONG = _set(
    "password passwords passwd passphrase passcode secret secrets credential credentials cred creds pgpassword sshpass "
    "apikey secretkey accesskey privatekey accountkey"
)
_WEAK = _set("token bearer authorization auth cookie cookies authtoken accesstoken pat")
_RUN_TOGETHER = ("password", "passwd", "passphrase", "secret", "apikey", "secretkey", "accesskey", "privatekey")
_KEY_OF = _set(
    "api access private secret session encryption decryption signing sign ssh master account auth license licence "
    "service storage deploy gpg pgp aws hmac shared client admin subscription jwt cookie crypto aes rsa tls ssl "
    "openai anthropic azure gcp google wandb comet neptune huggingface hf stripe security consumer webhook"
)
_KEYS_OF = _set(
    "api access private secret encryption decryption signing ssh license licence deploy gpg pgp aws hmac jwt crypto "
    "aes rsa tls ssl openai anthropic azure gcp google wandb comet neptune huggingface hf stripe"
)
"""Fewer than of one: `client_keys` and `storage_keys` are names of columns as often."""
_COUNTED = _set("num n number count max min total")
_PASS_OF = _set(
    "db database smtp imap mail email user username admin root ssh ftp sftp ldap proxy http login my redis mongo "
    "postgres pg mysql rabbitmq broker registry docker keystore key git svn basic auth"
)
_TOKENS_OF = _set(
    "access api auth refresh bearer session csrf oauth security hf huggingface github gitlab gh slack discord telegram "
    "openai anthropic wandb replicate"
)
_MODEL_TOKEN = _set(
    "pad padding bos eos unk unknown mask sep cls image img video audio special next start end stop class prompt per "
    "first last additional boi eoi num number max min cost price loss time latency ms separator vocab blank empty "
    "register null dist distillation text word byte char sub pre de multi single input output target source current "
    "prev previous new bot eot eom user assistant system tool think reasoning control reserved each every n"
)
_ABOUT = _set(
    "name names file files path paths dir folder url uri host hosts type kind mode method manager arn version enabled "
    "disabled provider count counts limit length size len id ids expiry expires ttl timeout policy policies format "
    "algorithm required sock endpoint scheme backend store helper class env var variable index dim dropout rate "
    "idx ratio budget weight weights embedding embeddings embed emb type_ids window per level server domain "
    "prefix suffix pattern patterns header field column prompt hint lifetime"
)
"""A last word that makes a name one *about* a secret: `password_file`, `token_count`."""


@functools.lru_cache(8192)
def weigh(name: str) -> Weight:
    """What a name of a variable, option or key says of its value; of a dotted name the last part counts."""
    *before, last = _words(name) or ("",)
    if (before and last in _ABOUT) or name.startswith("<secret "):
        return "no"
    return _weigh_last(last, tuple(before))


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: `HF_TOKEN`, `hfToken` and `hf-token` are all (hf, token)."""
    last = name.rpartition(".")[2] if "." in name else name
    parts = compiled(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+").findall(last)
    return tuple(part.lower() for part in parts)


def _weigh_last(last: str, before: tuple[str, ...]) -> Weight:
    of = before[-1] if before else ""
    if (
        last in _STRONG
        or last.removesuffix("s").endswith(_RUN_TOGETHER)
        or (last == "pass" and (not before or of in _PASS_OF))
    ):
        return "strong"
    if last in ("pwd", "pw"):
        return "weak"
    if last == "key":
        return "strong" if of in _KEY_OF else "random"
    if last == "keys":
        return "strong" if of in _KEYS_OF and not _COUNTED & set(before) else "no"
    if last == "tokens":
        return "weak" if of in _TOKENS_OF else "no"
    if last.endswith("token"):
        return "no" if {last.removesuffix("token"), *before} & _MODEL_TOKEN else "weak"
    if last == "string" and of == "connection":
        return "strong"
    if last in _WEAK:
        return "weak"
    return "strong" if {"secret", "password", "passwd"} & set(before) else "no"


_NOTHING = frozenset(("", "none", "null", "nil", "true", "false", "yes", "no", "on", "off", "~", "auto", "default"))


def is_secret_text(value: str, weight: Weight) -> bool:
    """Whether a text under a name of that weight is a secret; a reference such as `${TOKEN}` is none."""
    text = value.strip()
    if text.lower() in _NOTHING or (text.startswith("${") and compiled(r"\$\{[\w.:\[\]]+\}").fullmatch(text)):
        return False
    if weight == "random":
        return looks_random(text)
    if weight == "weak":
        # `PWD` is the working directory; a short number is an index into a vocabulary.
        return not text.startswith("/") and not (len(text) < 8 and _is_number(text))
    return True


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def looks_random(text: str) -> bool:
    """Sixteen characters or more, letters and digits mixed, no separators of paths or sentences."""
    if len(text) < 16 or not compiled(r"[\w+/=.~-]+").fullmatch(text) or "/" in text[:2]:
        return False
    letters = sum(c.isalpha() for c in text)
    digits = sum(c.isdigit() for c in text)
    return letters >= 4 and digits >= 3 and len(set(text)) >= 8
