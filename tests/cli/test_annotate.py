"""`whence note` and `whence tag`: acts, seen from outside."""

from __future__ import annotations

import signal

import pytest
from workplace import Workplace, wait_until


def test_a_note_is_an_act_and_the_sealed_run_is_untouched(workplace: Workplace) -> None:
    run = workplace.record("true")["id"]
    folder = workplace.run_folders()[0]
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    act = workplace.whence("note", run, "the", "axis is wrong", "--json").ok().json()
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert (act["kind"], act["subject"]["run"], act["by"]["user"]) == ("note", run, workplace.show(run)["user"]["name"])
    (note,) = workplace.show(run)["notes"]
    assert (note["text"], note["act"]) == ("the axis is wrong", act["id"])


def test_an_act_quotes_the_seal_and_the_acts_before(workplace: Workplace) -> None:
    record = workplace.record("true")
    workplace.whence("note", "@", "one").ok()
    act = workplace.whence("note", "@", "two", "--json").ok().json()
    assert act["subject"]["seal"] == record["seal"]
    assert len(act["prior"]) == 1


def test_the_last_word_on_a_tag_wins(workplace: Workplace) -> None:
    run = workplace.record("true", options=("--tag", "kind=draft", "--tag", "keep=1"))["id"]
    workplace.whence("tag", run, "kind=final", "paper").ok()
    workplace.whence("tag", run, "--remove", "keep").ok()
    assert workplace.show(run)["tags"] == {"kind": "final", "paper": ""}
    assert workplace.whence("log", "--json", "tags.kind = final").ok().json()["id"] == run
    assert workplace.whence("log", "--json", "tags.keep exists").ok().out == ""


def test_a_living_run_can_be_noted(workplace: Workplace) -> None:
    process = workplace.start_whence("run", "--", "sleep", "60")
    wait_until(lambda: workplace.run_folders() and workplace.show()["started"], what="the run to start")
    workplace.whence("note", "@", "still going").ok()
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    assert [note["text"] for note in workplace.show()["notes"]] == ["still going"]
    workplace.whence("verify").ok()


def test_nothing_said_is_a_mistake(workplace: Workplace) -> None:
    workplace.whence("run", "--", "true").ok()
    for words in (("note", "@"), ("note", "@", " "), ("tag", "@"), ("tag", "@", "=x")):
        assert workplace.whence(*words).code == 2
    assert list((workplace.store / "acts").iterdir()) == []


BAD_POLICY = "dirtyy = 'warn'\nseal_within = 'soon'\nsecret_patterns = ['hush']\n"


def test_a_run_that_ended_can_be_annotated_whatever_is_wrong_in_the_policy(workplace: Workplace) -> None:
    run = workplace.record("true", options=("--input", workplace.write("in.csv")))["id"]
    workplace.write("whence.toml", BAD_POLICY)
    for words in (("note", run, "hush=it is a secret"), ("tag", run, "paper"), ("audit", run)):
        done = workplace.whence(*words).ok()
        assert "whence.toml: unknown policy key 'dirtyy'; it does not count here" in done.err
        assert "hint: did you mean 'dirty'?" in done.err
        assert "seal_within = 'soon': expected a time such as 90, 10 s, 2 min or 1 h" in done.err
    workplace.python("-c", f"import whence; whence.open().run('{run}').note('and so on')").ok()
    record = workplace.show(run)
    assert [note["text"][:18] for note in record["notes"]] == ["hush=<secret keyed", "and so on"]
    assert workplace.whence("run", "--", "true").code == 2
    assert workplace.whence("status").code == 2


def test_the_doctor_names_what_is_wrong_in_the_policy_and_goes_on(workplace: Workplace) -> None:
    workplace.record("true")
    workplace.write("whence.toml", BAD_POLICY)
    done = workplace.whence("doctor", "--json")
    checks = done.json()["checks"]
    assert done.code == 1
    wrong = [one for one in checks if one["name"] == "policy"]
    assert [(one["level"], one["fix"]) for one in wrong[:1]] == [("bad", "did you mean 'dirty'?")]
    assert "code.git" in {one["name"] for one in checks}


@pytest.mark.parametrize("how", ["edited", "garbage", "edited with its copy"])
def test_an_act_that_was_changed_is_not_believed_and_every_reader_names_it(how: str, workplace: Workplace) -> None:
    run = workplace.record("true", options=("--input", workplace.write("in.csv")))["id"]
    act = workplace.whence("note", run, "one", "--json").ok().json()
    path = next(workplace.store.glob(f"acts/*/{act['id']}.json"))
    data = path.read_bytes().replace(b"one", b"two") if how != "garbage" else b"garbage"
    if how != "edited with its copy":
        path.unlink()  # The copy in the run's folder is another name of the same file.
    else:
        path.chmod(0o644)
    path.write_bytes(data)
    assert [note["text"] for note in workplace.show(run)["notes"]] == ([] if how.endswith("copy") else ["one"])
    assert "does not hold its own check" in workplace.whence("show", run).ok().out
    for words in ((run,), ()):
        done = workplace.whence("audit", *words, "--json")
        [finding] = [one for one in done.json_lines()[0]["findings"] if one["what"] == "acts"]
        assert (done.code, finding["level"]) == (1, "weak")
        assert f"{act['id']}.json: found sha256:" in finding["because"]
    assert workplace.whence("verify").code == 1
