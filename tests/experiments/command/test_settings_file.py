"""Settings that are written to a file, and read from one."""

from pathlib import Path

import pytest

from experiments.command.errors import UserError
from experiments.command.options import parse
from experiments.command.settings_file import SETTINGS, settings_text
from experiments.oscillators.options import Oscillators
from experiments.sample import Sample
from experiments.train_ensemble import TrainEnsemble
from experiments.verdict.command import Verdict

GIVEN = {
    TrainEnsemble: "--models 3 --latent binary --eps 1e-12 --seed 7 --batch-last 30",
    Oscillators: "--task digits --steps 5 --learning-rate 0.125",
    Verdict: "--quick --no-sensitivity",
}


@pytest.mark.parametrize("options", GIVEN)
def test_what_is_written_is_read(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A name that only TOML's quotes keep whole, and only from this directory.
    data = ["--data-dir", 'a "b" \\ #é']
    given = parse(options, "command", ["--out", "x", *GIVEN[options].split(), *data])
    Path(SETTINGS).write_text(settings_text(given, "command"), encoding="utf-8")
    read = parse(options, "command", ["--config", SETTINGS, "--out", "x"])
    assert read.run.data_dir == tmp_path / data[1]
    assert settings_text(read, "command") == settings_text(given, "command")
    found = {**vars(read), "run": None}
    assert found == {**vars(given), "run": None}
    assert (read.run.seed, read.run.dataset) == (given.run.seed, given.run.dataset)
    # The control, which differs in everything but `--out`.
    assert parse(options, "command", ["--out", "x"]) != read


def written(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return ["--config", str(path), "--out", "x"]


def test_the_command_line_comes_first(tmp_path):
    given = written(tmp_path, 'models = 3\nchain-length = 7\ndataset = "a.npz"\n')
    read = parse(TrainEnsemble, "train", ["--models", "4", *given])
    assert (read.models, read.chain_length, read.run.dataset) == (4, 7, "a.npz")
    given = written(tmp_path, "quick = true\nno_sensitivity = true\n")
    read = parse(Verdict, "verdict", [*given, "--no-quick"])
    assert (read.quick, read.no_sensitivity) == (False, True)


WRONG = {
    "model = 3": r"model.*run.toml.*--models\?",
    "xyz = 3": "xyz.*run.toml.*--help has all options",
    "config = 'other.toml'": "config.*run.toml",
    "[model]\nunits = 3": "model.*units.*run.toml",
    "units = [3]": r"units.*run.toml.*\[3\]",
    "units = true": "units.*run.toml.*True",
    "no_cache = 'x'": "no_cache.*run.toml.*x.*bool",
    "units = 2.5": "units.*run.toml.*2.5.*int",
    "units 3": "run.toml is not TOML: .*line 1",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_setting_is_refused(text, tmp_path):
    with pytest.raises(UserError, match=WRONG[text]) as caught:
        parse(TrainEnsemble, "train", written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    for given in (["--config", "absent.toml"], [f"--config={tmp_path}"]):
        with pytest.raises(UserError, match=r"cannot be read .*settings\.toml"):
            parse(Verdict, "verdict", given)
    with pytest.raises(UserError, match="Unknown option: --config"):
        parse(Sample, "sample", ["run", "--config", "absent.toml"])
