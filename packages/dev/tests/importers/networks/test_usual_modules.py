"""The contract of torch modules: forms in which people write them; each compiles, or is refused with the reason."""

import io
import warnings

import cryptable as ct
import onnx
import pytest
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from usual_modules import CASES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of docstrings, when Python first compiles them
    from brevitas.export import export_onnx_qcdq


def exported(module, given):
    """By Brevitas, once its quantizers have seen the data."""
    given = tuple(map(torch.tensor, given if isinstance(given, tuple) else (given,)))
    module.train()
    for _ in range(3):
        module(*given)
    module.eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        export_onnx_qcdq(
            module,
            args=tuple(each[:1] for each in given),
            export_path=buffer,
            opset_version=17,
            dynamo=False,
            input_names=[f"x{index}" for index in range(len(given))],
            dynamic_axes={f"x{index}": {0: "rows"} for index in range(len(given))},
        )
    return onnx.load_from_string(buffer.getvalue())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore::UserWarning:brevitas", "ignore::UserWarning:torch")
def test_a_module_compiles_or_is_refused_with_the_reason(case):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = case.make()
        if case.trained:
            model = exported(model, case.X)
    settings = CompileSettings(bits=case.bits)
    if case.refused:
        with pytest.raises((ct.UnsupportedModelError, ct.ConstantModelError), match=case.refused):
            plan(model, case.X, settings)
        return
    planned = plan(model, case.X, settings)
    # Each target by its own deviation: one of "a loop over layers" varies by a twentieth of what another does.
    assert planned.agreement.rms < (1e-3 if case.trained and case.bits is None else 0.6)


def test_most_of_them_compile():
    assert len(CASES) >= 47
    assert sum(not case.refused for case in CASES) >= 38
