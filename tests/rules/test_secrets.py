"""Secrets: what is masked, what is not, and that nothing of a planted secret remains."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.rules.secret_files import file_is_secret
from whence.rules.secrets import MASK, Secrets

SECRETS = Secrets(b"k" * 32)

# Written in two parts, so that no scanner of repositories takes this file for a leak.
FORMS = {
    "AWS access key": "AKIA" + "IOSFODNN7EXAMPLE",
    "AWS temporary key": "ASIA" + "IOSFODNN7EXAMPLE",
    "GitHub token": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "GitHub OAuth token": "gho_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "GitHub fine-grained token": "github_pat_" + "11ABCDEFG0abcdefghijkl_MNOPQRSTUVWXYZ0123456789",
    "GitLab token": "glpat-" + "abcDEF123456ghiJKL78",
    "Slack token": "xoxb-" + "123456789012-abcdefghijkl",
    "Stripe key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "OpenAI key": "sk-" + "proj-abcdefghij1234567890ABCDEFGHIJ",
    "Anthropic key": "sk-ant-" + "api03-abcdefghij1234567890ABCDEFGHIJ",
    "Hugging Face token": "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "Google key": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "JSON web token": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "private key": "-----BEGIN RSA PRIVATE{}MIIEowIBAAKCAQEA\nabc/def+ghi=\n-----END RSA PRIVATE KEY-----".format(
        " KEY-----\n"
    ),
    "OpenSSH key": "-----BEGIN OPENSSH PRIVATE" + " KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n",
    "PyPI token": "pypi-" + "AgEIcHlwaS5vcmcCJDAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMAACKlszLCJhYm",
}

NAMED = (
    "HF_TOKEN", "hf_token", "hfToken", "AWS_SECRET_ACCESS_KEY", "GITHUB_PAT", "db.password", "PGPASSWORD",
    "MYSQL_PWD", "api_key", "apikey", "apiKey", "APIKey", "WANDB_API_KEY", "private-key", "client_secret",
    "SECRET_KEY", "session_key", "cookie", "REGISTRY_AUTH", "access_tokens", "smtp_pass", "credentials", "SSHPASS",
    "AZURE_STORAGE_CONNECTION_STRING", "api_keys", "access_keys", "private_keys", "OPENAI_API_KEYS", "apiKeys",
    "apikeys", "--secret-keys", "hf_tokens", "ssh.private_keys",
)  # fmt: skip

INNOCENT = (
    "tokenizer", "max_tokens", "n_tokens", "num_tokens", "token_count", "token_type", "pad_token", "eos_token",
    "bos_token", "author", "authors", "GIT_AUTHOR_NAME", "keyboard", "num_keys", "monkey", "turkey",
    "forward_pass", "passes", "compass", "TOKENIZERS_PARALLELISM", "SSH_AUTH_SOCK", "XAUTHORITY", "password_file",
    "secret_name", "auth_method", "bypass", "tokens_per_second", "subtoken", "num_image_token", "secretary",
    "OLDPWD", "PYTHONHASHSEED", "patience", "path", "keys", "sort_keys", "client_keys", "num_api_keys", "tokens",
    "special_tokens", "n_access_keys", "api_keys_file",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMED)
def test_a_value_under_a_secret_name_is_masked(name: str) -> None:
    assert MASK.fullmatch(SECRETS.mask_pair(name, "correct horse"))


@pytest.mark.parametrize("name", INNOCENT)
def test_a_value_under_an_innocent_name_stays(name: str) -> None:
    assert SECRETS.mask_pair(name, "correct horse") == "correct horse"
    assert SECRETS.mask_values({name: 512}) == {name: 512}


@pytest.mark.parametrize("name", ["primary_key", "seed_key", "sort_key", "key", "group_key"])
def test_an_unqualified_key_is_secret_only_when_it_looks_random(name: str) -> None:
    assert SECRETS.mask_pair(name, "customer_id") == "customer_id"
    assert MASK.fullmatch(SECRETS.mask_pair(name, "9f86d081884c7d659a2feaa0c55ad015"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("token", 50256), ("token", "50256"), ("auth", True), ("password", None), ("token", ""), ("token", "${HF_TOKEN}")],
)
def test_numbers_truth_values_and_references_are_no_secrets(name: str, value: object) -> None:
    assert SECRETS.mask_values({name: value}) == {name: value}


def test_a_number_under_a_password_is_a_secret() -> None:
    assert MASK.fullmatch(SECRETS.mask_values({"password": 123456})["password"])


def test_the_path_of_a_file_with_credentials_is_no_secret() -> None:
    assert SECRETS.mask_pair("GOOGLE_APPLICATION_CREDENTIALS", "/home/ada/key.json") == "/home/ada/key.json"
    assert MASK.fullmatch(SECRETS.mask_pair("GIT_CREDENTIALS", "ada:pa55"))


def test_the_working_directory_is_no_password() -> None:
    assert SECRETS.mask_pair("PWD", "/home/ada/project") == "/home/ada/project"


POSITIONS = {
    "whole": "{}",
    "sentence": "he said {} to her",
    "assignment": "KEY={}; echo",
    "json": '{{"k": "{}", "lr": 0.1}}',
    "header": "X-Key: {}",
    "query": "https://example.org/a?k={}&b=1",
    "path": "/data/{}/x",
    "brackets": "[{}]",
}


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_of_a_planted_secret_remains_in_a_text(form: str, position: str) -> None:
    secret = FORMS[form]
    masked = SECRETS.mask_text(POSITIONS[position].format(secret))
    assert secret not in masked
    assert all(part not in masked for part in secret.split("\n")[1:-1])
    assert SECRETS.mask_text(masked) == masked


TEXTS = {
    "header": ('curl -H "Authorization: Bearer {}" host', 'curl -H "Authorization: Bearer {}" host'),
    "basic": ("Authorization: Basic {}", "Authorization: Basic {}"),
    "cookie": ("Cookie: {}", "Cookie: {}"),
    "shell": ("export HF_TOKEN={}; python x.py --lr 0.1", "export HF_TOKEN={}; python x.py --lr 0.1"),
    "quoted": ('password = "{}"', 'password = "{}"'),
    "json": ('{{"a": 1, "api_key": "{}"}}', '{{"a": 1, "api_key": "{}"}}'),
    "escaped json": (r"{{\"api_key\": \"{}\"}}", r"{{\"api_key\": \"{}\"}}"),
    "yaml": ("lr: 0.1\npassword: {}\nseed: 3", "lr: 0.1\npassword: {}\nseed: 3"),
    "option": ("tool --password {} --verbose", "tool --password {} --verbose"),
    "query": ("https://h/a?x=1&token={}&y=2", "https://h/a?x=1&token={}&y=2"),
    "nested": ("--param=token={}", "--param=token={}"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_only_the_value_is_masked_and_the_rest_of_the_text_stays(case: str) -> None:
    text, expected = TEXTS[case]
    assert SECRETS.mask_text(text.format("hunter22xyz")) == expected.format(SECRETS.mask("hunter22xyz"))


@pytest.mark.scenario("A8")
@pytest.mark.parametrize(
    ("url", "userinfo"),
    [
        ("https://ada:pa55@example.org/r.git", "ada:pa55"),
        ("https://0123456789abcdef@example.org/r.git", "0123456789abcdef"),
        ("postgresql://u:p%40ss@db:5432/x", "u:p%40ss"),
        ("redis://:pw@h:1/0", ":pw"),
    ],
)
def test_credentials_in_a_url_are_masked(url: str, userinfo: str) -> None:
    assert SECRETS.mask_url(url) == url.replace(userinfo, SECRETS.mask(userinfo))


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/r.git", "git@example.org:o/r.git", "ssh://git@example.org/r.git",
        "git+https://example.org/o/r@v1.0", "http://host:8080/a@b", "s3://bucket/a@b", "file:///a@b",
    ],
)  # fmt: skip
def test_a_url_without_credentials_stays(url: str) -> None:
    assert SECRETS.mask_url(url) == url


@pytest.mark.scenario("F6", "S23")
def test_arguments_keep_their_shape() -> None:
    argv = [
        "train.py",
        "--token",
        "abc",
        "--lr",
        "0.1",
        "--password=foo",
        "API_KEY=x y",
        "--max-tokens",
        "100",
        "--token",
        "--v",
    ]
    mask = SECRETS.mask
    assert SECRETS.mask_argv(argv) == [
        "train.py", "--token", mask("abc"), "--lr", "0.1", f"--password={mask('foo')}", f"API_KEY={mask('x y')}",
        "--max-tokens", "100", "--token", "--v",
    ]  # fmt: skip


@pytest.mark.scenario("F6")
def test_the_login_of_curl_is_masked_and_that_of_docker_is_a_group() -> None:
    login = SECRETS.mask("ada:hunter22")
    assert SECRETS.mask_argv(["/usr/bin/curl", "-u", "ada:hunter22", "x"]) == ["/usr/bin/curl", "-u", login, "x"]
    assert SECRETS.mask_argv(["curl", "--user=ada:hunter22"]) == ["curl", f"--user={login}"]
    assert SECRETS.mask_argv(["sh", "-c", "curl -u ada:hunter22 x"]) == ["sh", "-c", f"curl -u {login} x"]
    kept = SECRETS.mask("hunter22")
    assert SECRETS.mask_argv(["sync.py", "--user", "ada:hunter22"]) == ["sync.py", "--user", f"ada:{kept}"]
    assert SECRETS.mask_argv(["sync.py", "-u", "ada:hunter22"]) == ["sync.py", "-u", f"ada:{kept}"]
    assert SECRETS.mask_argv(["sync.py", "--user=ada:hunter22"]) == ["sync.py", f"--user=ada:{kept}"]
    for innocent in ("https://host/x", "host:8080", "1000:1000"):
        assert SECRETS.mask_argv(["sync.py", "-u", innocent]) == ["sync.py", "-u", innocent]
    assert SECRETS.mask_argv(["docker", "run", "-u", "app:staff"]) == ["docker", "run", "-u", "app:staff"]


def test_a_key_id_in_a_url_does_not_hide_the_secret_after_it() -> None:
    userinfo = "AKIAABCDEFGHIJKLMNOP:wJalrXUtnFEMI"
    assert SECRETS.mask_url(f"s3://{userinfo}@bucket/x") == f"s3://{SECRETS.mask(userinfo)}@bucket/x"


def test_every_one_of_several_keys_is_masked() -> None:
    masked = SECRETS.mask_values({"api_keys": ["Qz", "Py"], "keys": ["a", "b"], "tokens": 512})
    assert all(MASK.fullmatch(one) for one in masked["api_keys"])
    assert (masked["keys"], masked["tokens"]) == (["a", "b"], 512)
    said = SECRETS.mask_argv(["x", "--api-keys", "Qz81", "Qz82", "Qz83", "--keys", "a", "--api-key", "Qz84", "a.csv"])
    assert "Qz8" not in " ".join(said) and said[-1] == "a.csv"
    assert SECRETS.mask_argv(["x", "--keys", "a", "--num-keys=4"]) == ["x", "--keys", "a", "--num-keys=4"]


def test_values_are_masked_by_key_and_content_at_every_depth() -> None:
    token = FORMS["GitHub token"]
    values = {
        "model": {"auth_token": "abc", "layers": [1, 2], "urls": [f"https://x/{token}"]},
        "env": [{"name": "API_TOKEN", "value": "abc"}, {"name": "LR", "value": "0.1"}],
        "secrets": {"a": "b", "deep": {"c": "d"}},
        "password": ["one", "two"],
        token: 1,
    }
    masked = SECRETS.mask_values(values)
    mask = SECRETS.mask
    assert masked == {
        "model": {"auth_token": mask("abc"), "layers": [1, 2], "urls": [f"https://x/{mask(token)}"]},
        "env": [{"name": "API_TOKEN", "value": mask("abc")}, {"name": "LR", "value": "0.1"}],
        "secrets": {"a": mask("b"), "deep": {"c": mask("d")}},
        "password": [mask("one"), mask("two")],
        mask(token): 1,
    }
    assert SECRETS.mask_values(masked) == masked


def test_a_project_names_its_own_secrets() -> None:
    secrets = Secrets(b"k" * 32, ("licence-*", "LAB_ID"))
    assert MASK.fullmatch(secrets.mask_pair("LICENCE_SERVER", "abc"))
    assert secrets.mask_argv(["--lab-id", "77x"]) == ["--lab-id", secrets.mask("77x")]
    assert secrets.mask_pair("LAB_IDS", "abc") == "abc"


@pytest.mark.scenario("G4", "S23")
def test_a_secret_of_the_environment_is_masked_wherever_it_stands() -> None:
    secrets = SECRETS.knowing({"HF_TOKEN": "innocent-looking-1", "LANG": "en_US.UTF-8", "API_KEY": "short"})
    assert secrets.mask_argv(["x", "innocent-looking-1"]) == ["x", secrets.mask("innocent-looking-1")]
    assert secrets.mask_text("short en_US.UTF-8") == "short en_US.UTF-8"


def test_only_the_owner_of_the_key_can_compare() -> None:
    assert SECRETS.mask("a") == SECRETS.mask("a") != SECRETS.mask("b")
    assert SECRETS.mask("a") != Secrets(b"other").mask("a")


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_masking_is_idempotent(text: str) -> None:
    once = SECRETS.mask_text(text)
    assert SECRETS.mask_text(once) == once
    assert SECRETS.mask_pair("token", SECRETS.mask_pair("token", text)) == SECRETS.mask_pair("token", text)


VALUE = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+", min_size=9, max_size=40)


@settings(max_examples=200)
@given(VALUE.filter(lambda text: text[0].isalpha()), st.sampled_from(NAMED))
def test_no_named_secret_survives_in_any_position(value: str, name: str) -> None:
    option = "--" + name.replace("_", "-").replace(".", "-").lower()
    outputs = (
        SECRETS.mask_pair(name, value),
        json.dumps(SECRETS.mask_values({"a": [{name: value}]})),
        *SECRETS.mask_argv(["run", f"{name}={value}", f"--x={name}={value}"]),
    )
    assert all(value not in output for output in outputs)
    if SECRETS.names(option, value) and value not in option:
        assert value not in " ".join(SECRETS.mask_argv([option, value]))


def test_masking_takes_time_in_proportion_to_the_text() -> None:
    # Each would not end within the patience of anybody if a pattern were quadratic.
    for unit in ("a", "key", "key=", "token:", "eyJ", "sk-", "://", '"', "https://a:", "--token ", "a.b-", "="):
        SECRETS.mask_text(unit * (200_000 // len(unit)))


SECRET_FILES = {
    ".env": b"A=1",
    "sub/.env.production": b"",
    ".netrc": b"machine h login u password p",
    ".pgpass": b"",
    "id_rsa": b"",
    ".ssh/id_ed25519": b"",
    "server.pem": b"-----BEGIN PRIVATE" + b" KEY-----\n",
    "notes.txt": b"-----BEGIN OPENSSH PRIVATE" + b" KEY-----\n",
    ".aws/credentials": b"",
    ".config/gcloud/access_tokens.db": b"",
    "x/application_default_credentials.json": b"{}",
    "robot.json": b'{"type": "service_account", "private_key": ""}',
    ".kube/config": b"",
    ".npmrc": b"//registry/:_authToken=x",
    ".pypirc": b"password = x",
    ".docker/config.json": b"{}",
    "kaggle.json": b"{}",
    ".git-credentials": b"",
    ".htpasswd": b"",
    "store.p12": b"",
    "below.yaml": b"lr: 1\ncredentials:\n  x: Qz\n",
    "list.json": b'{"password": ["Qz"]}',
    "section.toml": b"[credentials]\nx = 'Qz'\n",
    "prod.env": b"A=1",
    ".envrc": b"export A=1",
    ".env-local": b"A=1",
    "credentials": b"x",
    "id_rsa.bak": b"",
    "passwords.csv": b"ada,x",
    "token.txt": b"x",
    "terraform.tfstate": b"{}",
    "aws.sh": b"export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENG",
    "local.sh": b"#!/bin/sh\nexport DB_PASSWORD='correct-horse-9'\nmake\n",
    "notes": b"the secret: Qz81-haus-boot",
    "plain.py": b'API_KEY = "Qz81-haus-boot"\n',
    "dict.py": b'CFG = {"api_key":\n    "Qz81-haus-boot"}\n',
    "annotated.py": b'password: str = "Qz81-haus-boot"\n',
    "parentheses.py": b'tok: str = ("Qz81hausboot9wieder"\n    "y")\n',
    "url.py": b'URL = "https://ada:Qz81-haus-boot@host/x"\n',
    "header.py": b'H = {"Authorization": "Bearer Qz81-haus-boot"}\n',
    "download.sh": b'curl -H "Authorization: Bearer q8Zx71PwLs02mNvT5eRy" x\n',
    "quotes.sh": b"curl -H 'Authorization: Bearer q8Zx71-PwLs' x\n",
    "download.py": b"os.system('curl -H \"Authorization: Bearer q8Zx71PwLs02mNvT5eRy\" x')\n",
    "header.sh": b"curl -H 'PRIVATE-TOKEN: q8Zx71PwLs02mNvT5eRy' x\n",
    "option.sh": b"python train.py --api-key q8Zx71PwLs02mNvT5eRy\n",
    "fit.R": b'password <- "Qz81-haus-boot"\n',
    "global.R": b"db_password<<-'Qz81-haus-boot'\n",
    "list.py": b'API_KEYS = ["Qz81-haus-boot", "x"]\n',
    "lists.yaml": b"lr: 1\napi_keys:\n  - Qz81-haus-boot\n",
    "flow.yaml": b"api_keys: [Qz, x]\n",
    "environ.py": b'os.environ["OPENAI_API_KEY"] = "Qz81-haus-boot"\n',
    "book.ipynb": b'"source": ["os.environ[\\"OPENAI_API_KEY\\"] = \\"Qz81-haus-boot\\"\\n"]',
    "settings.yaml": b"hub: " + FORMS["Hugging Face token"].encode(),
}

PLAIN_FILES = {
    ".env.example": b"A=",
    ".env.sample": b"",
    "env.py": b"",
    "ca.pem": b"-----BEGIN CERTIFICATE-----\n",
    "id_rsa.pub": b"ssh-rsa AAAA",
    ".npmrc": b"save-exact=true",
    "config.json": b'{"lr": 0.1}',
    "test_keys.py": b'KEY = "-----BEGIN PRIVATE' + b' KEY-----"',
    "keys.csv": b"a,b\n1,2\n",
    "login.py": b"hub = '" + FORMS["Hugging Face token"].encode() + b"'",
    "weights.bin": b"\0" + FORMS["Hugging Face token"].encode(),
    "keys.yaml": b"keys: [a, b]\nnum_keys: 4\nmax_tokens: 4096\ntokens: 512\nsort_keys: [user, day]\n",
    "empty.yaml": b"secrets: []\npassword:\nlr: 1\n",
    "tokens.txt": b"a 1\nb 2\n",
    "example.env": b"A=",
    ".env-example": b"A=",
    "submit.sh": b"export AWS_SECRET_ACCESS_KEY=$KEY\nexport PASSWORD=$(pass show db)\nexport API_KEY=<your-api-key>\n",
    "job.sh": b"export API_KEY=changeme-please-1\nSECRET_FILE=/run/secrets/x\npassword=${PASSWORD}\n",
    "header.sh": b'curl -H "Authorization: Bearer $TOKEN" -H "Authorization: Bearer YOUR_TOKEN_1" x\n',
    "options.sh": b'python t.py --token-file path/12345678901234 --password "$PASS" --api-key $(cat key) --token 7\n',
    "header.md": b"Send `Authorization: Bearer <your token>` or `Authorization: Basic base64-encoded-credentials`.\n",
    "fit.R": b'token <- tokenize(x)\npassword <- Sys.getenv("DB_PASSWORD_1")\nif (n<-3) stop("password 12345678")\n',
    "secrets.py": b"import os\npassword = os.environ['PASSWORD_OF_DB_1']\n",
    "train.py": b"token = tokenizer.next()",
    "innocent.py": b"""
password = ""
token = os.environ["SOME_TOKEN_1"]
api_key = args.api_key_2
client = Client(api_key="YOUR_KEY", key="name", secret=settings.secret_1)
other = Client(api_key="OPENAI_API_KEY")
tokenizer = "bert-base-uncased"
token = "bert-base-uncased"
max_tokens="100000000000"
sort_key = "resnet50_imagenet_v2_2024"
URL = f"https://{user}:{password}@host/x"
DB = "postgresql://postgres:postgres@localhost:5432/db"
H = {"Authorization": f"Bearer {token}"}
def f(password: str = "", secret: str | None = None): ...
if password == "": raise ValueError("password: none given")
""",
}


@pytest.mark.parametrize("name", SECRET_FILES)
def test_a_file_that_holds_secrets_is_told_with_the_reason(name: str) -> None:
    assert SECRETS.file_is_secret(name, SECRET_FILES[name])


@pytest.mark.parametrize("name", PLAIN_FILES)
def test_a_file_without_secrets_is_none(name: str) -> None:
    assert file_is_secret(name, PLAIN_FILES[name]) is None
    if name not in ("login.py", "test_keys.py"):  # a token of a known form counts there too, untracked
        assert SECRETS.file_is_secret(name, PLAIN_FILES[name]) is None
