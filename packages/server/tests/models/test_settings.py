import pytest
from cryptable_server.errors import ModelsError
from cryptable_server.models.settings import ModelLimits, read_model_settings


def read(tmp_path, text):
    (tmp_path / "models.toml").write_text(text, encoding="utf-8")
    return read_model_settings(tmp_path)


def test_without_the_file_there_is_nothing_to_say(tmp_path):
    assert read_model_settings(tmp_path) == {}


def test_everything_that_can_be_said(tmp_path):
    text = '["a.b"]\naliases = { stable = "1.2", latest = "1.1" }\nwithdrawn = ["1.3"]\nmax-rows = 5\nmax-streams = 2\n'
    text += "queue = 9\n"
    found = read(tmp_path, text)["a.b"]
    assert dict(found.aliases) == {"stable": "1.2", "latest": "1.1"}
    assert found.withdrawn == {"1.3"}
    assert found.limits == ModelLimits(max_rows=5, max_streams=2, queue_rows=9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[m", "is not TOML"),
        ("m = 1", "m is no table"),
        ("[m]\nalias = {}", "[m] has no setting alias; did you mean aliases?"),
        ("[m]\nmax-rows = 0", "[m] max-rows = 0 must be at least 1"),
        ("[m]\nmax-streams = true", "[m] max-streams = True is not a whole number"),
        ('[m]\nwithdrawn = "1"', "[m] withdrawn is not a list of names"),
        ("[m]\naliases = { a = 1 }", "[m] aliases are no versions by name"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, text, message):
    with pytest.raises(ModelsError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "models.toml" in str(caught.value)
