"""Which version a name stands for, by what the operator says and what is there."""

import dataclasses
from types import MappingProxyType

import pytest
from cryptable_server.errors import ModelNotFoundError
from cryptable_server.models.settings import ModelLimits, ModelSettings
from cryptable_server.models.store import Catalogue, Model


@pytest.fixture(scope="module")
def versions(artifacts):
    """Three versions of one model: 1 and 3 are encoded alike, 2 is not."""
    spec = artifacts["linear"].client_spec
    other = dataclasses.replace(spec, decoder=dataclasses.replace(spec.decoder, step=2.0))
    return [Model("1.9", spec, "a"), Model("1.10", other, "b"), Model("1.11", spec, "c")]


def catalogue(versions, **aliases):
    settings = ModelSettings(MappingProxyType(aliases), limits=ModelLimits(max_rows=7))
    return Catalogue(versions, {"linear": settings, "absent": settings})


def test_without_settings_the_highest_version_is_the_latest(versions):
    plain = Catalogue(versions)
    assert [model.version for model in plain.models] == ["1.11", "1.10", "1.9"]
    assert (
        plain.get("linear").version
        == plain.get("linear", "").version
        == plain.get("linear", "latest").version
        == "1.11"
    )
    assert plain.aliases_of(plain.get("linear")) == ("latest",)
    assert plain.get("linear").limits == ModelLimits()


def test_an_alias_stands_for_a_version(versions):
    found = catalogue(versions, stable="1.9", **{"1.10": "1.11"})
    assert found.get("linear", "stable").version == "1.9"
    assert found.get("linear", "1.10").version == "1.10"  # a version's own name goes before
    assert found.aliases_of(found.get("linear", "1.9")) == ("stable",)
    assert found.get("linear").limits.max_rows == 7
    with pytest.raises(ModelNotFoundError, match=r"1\.11, 1\.10, 1\.9, stable"):
        found.get("linear", "canary")


def test_the_latest_may_be_any_version_and_goes_before_others_of_its_spec(versions):
    found = catalogue(versions, latest="1.9")
    assert found.get("linear").version == "1.9"
    assert [model.version for model in found.models] == ["1.9", "1.11", "1.10"]
    assert found.of_spec("linear", versions[0].spec.digest).version == "1.9"
    assert Catalogue(versions).of_spec("linear", versions[0].spec.digest).version == "1.11"
    assert found.aliases_of(found.get("linear", "1.11")) == ()


def test_an_alias_of_a_version_that_is_not_served_finds_nothing_rather_than_another(versions):
    found = catalogue(versions[:2], latest="1.11", stable="2")
    for name in ("latest", "", "stable"):
        with pytest.raises(ModelNotFoundError, match="is not served"):
            found.get("linear", name)
    assert [found.aliases_of(model) for model in found.models] == [(), ()]
