import subprocess
import sys

import cryptable_client
import pytest

FOREIGN = {"concrete", "torch", "sklearn", "onnx", "scipy", "cryptable_engine", "cryptable_server", "cryptable"}


def loaded_by(code):
    script = f"import sys\n{code}\nprint(*sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    return set(done.stdout.split())


def test_importing_the_package_loads_neither_numpy_nor_grpc():
    loaded = loaded_by("import cryptable_client")
    assert "cryptable_client" in loaded
    assert not {"grpc", "numpy", "google", "cryptography", "tqdm"} & loaded


def test_grpc_is_loaded_by_a_connection_only():
    names = ", ".join(name for name in cryptable_client.__all__ if name != "RemoteModel")
    assert "grpc" not in loaded_by(f"from cryptable_client import {names}")
    assert "grpc" in loaded_by(
        "import cryptable_client\n"
        "try: cryptable_client.connect('127.0.0.1:1', model='m', insecure=True)\n"
        "except cryptable_client.UnavailableError: pass"
    )


def test_nothing_of_the_other_side_is_loaded():
    loaded = loaded_by("import cryptable_client, cryptable_client.server.remote_model, cryptable_client.__main__")
    assert "grpc" in loaded
    assert not FOREIGN & loaded


def test_the_tree_of_errors_is_drawn_right():
    from cryptable_client import errors

    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    drawn = {word for word in errors.__doc__.replace("─", " ").split() if word.endswith("Error")}
    assert drawn == classes


@pytest.mark.parametrize("name", cryptable_client.__all__)
def test_every_exported_name_is_there(name):
    assert getattr(cryptable_client, name) is not None
    assert name in dir(cryptable_client)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        cryptable_client.nonsense  # noqa: B018


def test_no_exported_name_is_a_modules_too():
    """Importing the module would put it in the place of what is exported."""
    import pkgutil

    modules = {module.name for module in pkgutil.iter_modules(cryptable_client.__path__)}
    assert {"keys", "server"} <= modules
    assert not modules & set(cryptable_client.__all__)
