"""Compile a model, serve it from a process, and have a client in another process get answers from it.

With an argument, the program of that name calls instead of the client.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from cryptable_engine import compile_circuit
from cryptable_engine.circuit.circuit import Circuit, GroupKind, Input, InputGroup, Linear, Term
from cryptable_protocol import ClientSpec, CompileOptions, Decoder, Link, ModelArtifact, Provenance, ThermometerEncoder
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters

EDGES = (18.0, 40.0, 65.0)
OPTIONS = CompileOptions()


def write_artifact(path: Path, folder: Path) -> None:
    """A model that counts the edges that a number has passed."""
    bits = Input((InputGroup(GroupKind.THERMOMETER, len(EDGES)),))
    count = Linear((Term.from_dense(0, [[1], [1], [1]]),), np.zeros(1, np.int64))
    circuit = Circuit((bits, count), output=1)
    program = compile_circuit(circuit, OPTIONS, folder)
    spec = ClientSpec(
        model_name="count",
        features=(ThermometerEncoder("age", EDGES),),
        parameters=BootstrappedParameters(program.keyset, program.input, program.output, OPTIONS.p_error),
        decoder=Decoder(link=Link.IDENTITY, offset=(0,), step=1.0, base=(0.0,)),
    )
    ModelArtifact(
        model_version="1",
        provenance=Provenance("", (), ""),
        client_spec=spec,
        circuit=circuit.to_bytes(),
        compile_options=OPTIONS,
    ).save(path)


caller = sys.argv[1] if len(sys.argv) > 1 else "client_connects.py"
with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    models = folder / "models"
    models.mkdir()
    write_artifact(models / "count.cryptable", folder / "compiled")
    command = [sys.executable, "-m", "cryptable_server", "serve", "--models", models, "--keys", folder / "keys"]
    command += ["--insecure", "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = next(line for line in server.stdout if " ready on " in line).split()[-1]
            subprocess.run([sys.executable, Path(__file__).with_name(caller), address], check=True)
        finally:
            server.terminate()
