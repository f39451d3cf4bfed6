"""Models of ONNX files: what they give is what onnxruntime gave when the files were made (tools/onnx/make.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import symbolon as sb

FOLDER = Path(__file__).parents[2] / "onnx"

CASES: list[tuple[str, tuple[str, ...], dict[str, Any], float]] = [
    ("linear", ("variable",), {"batch": 4}, 2e-4),
    ("logistic", ("label", "probabilities"), {"batch": 4}, 1e-3),
    ("mlp", ("label", "probabilities"), {"batch": 4}, 1e-3),
    ("forest", ("label", "probabilities"), {"batch": 4}, 2e-4),
    ("boosting", ("label", "probabilities"), {"batch": 4}, 1e-3),
    ("cnn", ("logits",), {"batch": 2}, 2e-3),
    ("encoder", ("pooled",), {"batch": 2, "axes": {"sequence": 4}, "fixed": {"mask": 1}}, 2e-3),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_models_give_what_they_give_in_the_clear(world: sb.Session, case: Any) -> None:
    name, outputs, options, most = case
    model = sb.onnx.load(FOLDER / f"{name}.onnx", **options)
    (data,) = model.inputs
    x = world.secret(np.load(FOLDER / f"{name}.{data}.npy").astype(np.float64), owner=0)
    given = model(x, owner=1)
    given = given if isinstance(given, dict) else {model.outputs[0]: given}
    shown = world.reveal(given, to=0)
    assert set(shown) == set(outputs)
    for output in outputs:
        due = np.load(FOLDER / f"{name}.{output}.npy")
        np.testing.assert_allclose(shown[output].reshape(due.shape), due, atol=most)


def test_parameters_are_brought_once_and_stay(world: sb.Session) -> None:
    model = sb.onnx.load(FOLDER / "linear.onnx", batch=4)
    kept = sb.program(lambda x: model(x, owner=1))
    rows = np.load(FOLDER / "linear.X.npy").astype(np.float64)
    due = np.load(FOLDER / "linear.variable.npy")
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        shown = kept(world.secret(rows[order], owner=0)).reveal(to=0)
        np.testing.assert_allclose(shown, due[order], atol=2e-4)
    assert len(world._brought[model]) == len(model._shapes)


def test_a_structure_has_no_parameters_and_gives_the_same_program(world: sb.Session) -> None:
    model = sb.onnx.load(FOLDER / "mlp.onnx", batch=4)
    weights = [float(number) for array in model._arrays.values() for number in array.flat]
    assert not any(f"{number:.6g}" in model.structure for number in weights if number)
    peer = sb.onnx.read(model.structure)
    assert (peer.inputs, peer.outputs, peer._steps) == (model.inputs, model.outputs, model._steps)
    x = world.secret(np.zeros((4, 5)), owner=0)
    with pytest.raises(sb.InputError, match="party 1 is here, and the model's parameters are not"):
        peer(x, owner=1)
    assert "secret" not in repr(model)
    assert repr(weights[0]) not in repr(model)


@pytest.mark.parametrize(
    ("path", "options", "error", "line"),
    [
        ("nowhere.onnx", {}, sb.InputError, "nowhere.onnx"),
        ("make.py", {}, sb.InputError, "make.py"),
        ("unsupported.onnx", {}, sb.ProgramError, "not supported"),
        ("encoder.onnx", {"fixed": {"mask": 1}}, sb.UsageError, "sequence"),
        ("mlp.onnx", {"outputs": ["other"]}, sb.UsageError, "there is no output 'other'"),
        ("mlp.onnx", {"shapes": {"y": [1]}}, sb.UsageError, "there is no input 'y'"),
    ],
)
def test_what_is_no_model_is_refused(path: str, options: Any, error: type[Exception], line: str) -> None:
    with pytest.raises(error, match=line):
        sb.onnx.load(FOLDER / path, **options)


def test_a_model_says_what_it_takes(world: sb.Session) -> None:
    model = sb.onnx.load(FOLDER / "mlp.onnx", batch=4)
    x = world.secret(np.zeros((3, 5)), owner=0)
    with pytest.raises(sb.ProgramError, match=r"X has shape \(3, 5\), and the model was loaded for \(4, 5\)"):
        model(x, owner=1)
    with pytest.raises(sb.UsageError, match="the model's inputs are X"):
        model(owner=1)
    with pytest.raises(sb.UsageError, match="the model's inputs are X"):
        model(x, owner=1, X=x)
    with pytest.raises(sb.UsageError, match="X is a secret"):
        model(np.zeros((4, 5)), owner=1)  # type: ignore[arg-type]
    other = sb.onnx.load(FOLDER / "mlp.onnx", batch=3, fraction_bits=12)
    with pytest.raises(sb.UsageError, match="fraction_bits"):
        other(x, owner=1)


def test_a_structure_from_elsewhere_reaches_no_other_value(world: sb.Session) -> None:
    described = json.loads(sb.onnx.load(FOLDER / "linear.onnx", batch=4).structure)
    x = world.secret(np.zeros((4, 5)), owner=0)
    for step in ("variable = v0 + X", "variable = in0 + X", "variable = {0} + X", "variable + X"):
        described["parameters"], described["steps"] = [], [step]
        text = json.dumps(described)
        with pytest.raises(sb.SymbolonError):
            sb.onnx.read(text)(x, owner=1)
    for text in ("", "[]", "{}", '{"format": "symbolon model 1"}', "[" * 100_000):
        with pytest.raises(sb.InputError, match="no structure"):
            sb.onnx.read(text)
