"""Makes the small models of this folder, and what they give: `MODEL.onnx`, `MODEL.NAME.npy` of inputs and outputs.

It needs onnx, onnxruntime, scikit-learn and skl2onnx; the files are checked in, so that the tests need none of them. The
networks are spelt as PyTorch and Hugging Face export them. Outputs are onnxruntime's.
"""

import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(7)


def save(name, model, inputs):
    """Writes a model, its inputs, and its outputs."""
    for field in ("producer_name", "producer_version", "doc_string"):
        model.ClearField(field)
    path = HERE / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    for key, value in inputs.items():
        np.save(HERE / f"{name}.{key}.npy", value)
    for key, value in zip(names, session.run(names, inputs)):
        np.save(HERE / f"{name}.{key}.npy", value.astype(np.float64))


# scikit-learn

X = RNG.normal(size=(200, 5)).astype(np.float32)
TARGET = X[:, 0] * 2 - X[:, 1] + 0.5
TWO = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
THREE = np.digitize(X[:, 0] + 0.5 * X[:, 3], [-0.5, 0.5])
MODELS = {
    "linear": (LinearRegression(), TARGET),
    "logistic": (make_pipeline(StandardScaler(), LogisticRegression()), TWO),
    "logistic_names": (LogisticRegression(), np.array([10, 20, 50])[THREE]),
    "mlp": (MLPClassifier((8,), max_iter=300, random_state=1), THREE),
    "mlp_two": (MLPClassifier((6,), max_iter=300, random_state=1), TWO),
    "tree": (DecisionTreeRegressor(max_depth=4, random_state=1), TARGET),
    "forest": (RandomForestClassifier(6, max_depth=5, random_state=1), THREE),
    "forest_two": (RandomForestClassifier(3, max_depth=3, random_state=1), TWO),
    "forest_large": (RandomForestRegressor(22, max_leaf_nodes=24, random_state=1), TARGET),
    "boosting": (GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=1), TWO),
}


def sklearn_models():
    for name, (model, target) in MODELS.items():
        model.fit(X, target)
        options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
        save(name, to_onnx(model, X[:1], options=options), {"X": X[:4]})


# Networks


class Graph:
    """Nodes and parameters, as an exporter writes them."""

    def __init__(self):
        self.nodes, self.parameters = [], []

    def parameter(self, name, *shape, scale=0.5):
        value = (RNG.normal(size=shape) * scale).astype(np.float32)
        return self.tensor(name, value)

    def tensor(self, name, value):
        self.parameters.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def constant(self, value):
        name = f"/Constant_{len(self.nodes)}_output_0"
        value = numpy_helper.from_array(np.asarray(value))
        self.nodes.append(helper.make_node("Constant", [], [name], name[:-9], value=value))
        return name

    def add(self, module, op, *inputs, output=None, **attributes):
        name = f"{module}/{op}"
        if any(node.name == name for node in self.nodes):
            name += f"_{len(self.nodes)}"
        output = output or f"{name}_output_0"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def model(self, inputs, outputs, opset=17):
        graph = helper.make_graph(
            self.nodes,
            "main_graph",
            [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            self.parameters,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def batchnorm(g, module, x, channels):
    names = [g.parameter(f"{module[1:]}.{part}", channels) for part in ("weight", "bias", "running_mean")]
    variance = g.tensor(f"{module[1:]}.running_var", RNG.uniform(0.5, 2, channels).astype(np.float32))
    return g.add(module, "BatchNormalization", x, *names, variance, epsilon=1e-5, momentum=0.9)


def cnn():
    """Two convolutions with batch norms and a residual, pools, and a classifier, as torchvision's ResNets."""
    g = Graph()
    x = g.add("/stem", "Conv", "x", g.parameter("stem.weight", 4, 2, 3, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    x = g.add("/relu", "Relu", batchnorm(g, "/bn1", x, 4))
    x = g.add("/maxpool", "MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    y = g.add("/layer1/conv1", "Conv", x, g.parameter("layer1.conv1.weight", 4, 4, 3, 3, scale=0.2), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    y = batchnorm(g, "/layer1/bn1", y, 4)
    x = g.add("/layer1/relu", "Relu", g.add("/layer1", "Add", y, x))
    y = g.add("/layer2/conv1", "Conv", x, g.parameter("layer2.conv1.weight", 6, 2, 3, 1, scale=0.4), g.parameter("layer2.conv1.bias", 6),
              group=2, kernel_shape=[3, 1], pads=[2, 0, 1, 0], dilations=[1, 1], strides=[2, 1])
    y = g.add("/layer2/avgpool", "AveragePool", g.add("/layer2/act", "LeakyRelu", y, alpha=0.1), kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])
    y = g.add("/global", "Flatten", g.add("/global", "GlobalAveragePool", y), axis=1)
    g.add("/fc", "Gemm", y, g.parameter("fc.weight", 3, 6), g.parameter("fc.bias", 3), output="logits", transB=1)
    image = RNG.normal(size=(2, 2, 8, 8)).astype(np.float32)
    save("cnn", g.model([("x", TensorProto.FLOAT, ["batch", 2, 8, 8])], ["logits"]), {"x": image})


def windows():
    """Convolutions and pools of all kinds: groups, holes, uneven strides and padding, transposed ones, of images and of
    sequences."""
    g = Graph()
    x = g.add("/grouped", "Conv", "x", g.parameter("grouped.weight", 4, 2, 3, 2), g.parameter("grouped.bias", 4),
              group=2, dilations=[2, 1], strides=[1, 2], pads=[2, 0, 1, 1])
    x = g.add("/pool", "MaxPool", x, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1], ceil_mode=1)
    x = g.add("/up", "ConvTranspose", x, g.parameter("up.weight", 4, 3, 3, 2), g.parameter("up.bias", 6),
              group=2, strides=[2, 3], dilations=[1, 2], pads=[1, 0, 0, 2], output_padding=[1, 0])
    x = g.add("/same", "Conv", x, g.parameter("same.weight", 3, 6, 2, 4), auto_pad="SAME_UPPER", strides=[2, 2])
    y = g.add("/mean", "AveragePool", x, kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1])
    y = g.add("/counted", "AveragePool", y, kernel_shape=[2, 2], strides=[1, 1], pads=[0, 1, 0, 0], count_include_pad=1)
    g.add("/shaped", "ConvTranspose", y, g.parameter("shaped.weight", 3, 2, 2, 2), output="images",
          strides=[2, 2], output_shape=[7, 5])
    y = g.add("/holes", "MaxPool", x, kernel_shape=[2, 2], dilations=[2, 1], strides=[1, 1])
    y = g.add("/line", "Reshape", y, g.constant(np.array([2, 3, -1])))
    y = g.add("/conv1d", "Conv", y, g.parameter("conv1d.weight", 3, 1, 3), group=3, dilations=[2], pads=[3, 0])
    y = g.add("/pool1d", "MaxPool", y, kernel_shape=[3], strides=[2], pads=[1, 1])
    g.add("/up1d", "ConvTranspose", y, g.parameter("up1d.weight", 3, 1, 4), output="sequences", strides=[3], pads=[1, 2], output_padding=[1])
    model = g.model([("x", TensorProto.FLOAT, ["batch", 4, 7, 9])], ["images", "sequences"])
    save("windows", model, {"x": RNG.normal(size=(2, 4, 7, 9)).astype(np.float32)})


def layernorm(g, module, x, width, spelt):
    scale, offset = (g.parameter(f"{module[1:]}.{part}", width) for part in ("weight", "bias"))
    if not spelt:
        return g.add(module, "LayerNormalization", x, scale, offset, axis=-1, epsilon=1e-12)
    mean = g.add(module, "ReduceMean", x, axes=[-1])
    distance = g.add(module, "Sub", x, mean)
    square = g.add(module, "Pow", distance, g.constant(np.float32(2)))
    variance = g.add(module, "Add", g.add(module, "ReduceMean", square, axes=[-1]), g.constant(np.float32(1e-5)))
    quotient = g.add(module, "Div", distance, g.add(module, "Sqrt", variance))
    return g.add(module, "Add", g.add(module, "Mul", quotient, scale), offset)


def encoder():
    """A transformer encoder layer, with shapes computed as PyTorch's older exporter does."""
    width, heads, inner = 8, 2, 16
    g = Graph()

    def linear(module, x, rows, cols):
        weight, bias = g.parameter(f"onnx::MatMul_{len(g.nodes)}", rows, cols, scale=0.3), g.parameter(f"{module[1:]}.bias", cols)
        return g.add(module, "Add", bias, g.add(module, "MatMul", x, weight))

    def split(module, x, order):
        size = [g.add(module, "Gather", g.add(module, "Shape", x), g.constant(np.int64(at)), axis=0) for at in (0, 1)]
        size = [g.add(module, "Unsqueeze", part, g.constant(np.array([0]))) for part in size]
        shape = g.add(module, "Concat", *size, g.constant(np.array([heads])), g.constant(np.array([width // heads])), axis=0)
        return g.add(module, "Transpose", g.add(module, "Reshape", x, shape), perm=order)

    at = "/encoder/layer.0/attention/self"
    query = split(at, linear(f"{at}/query", "x", width, width), [0, 2, 1, 3])
    key = split(at, linear(f"{at}/key", "x", width, width), [0, 2, 3, 1])
    value = split(at, linear(f"{at}/value", "x", width, width), [0, 2, 1, 3])
    scores = g.add(at, "Div", g.add(at, "MatMul", query, key), g.constant(np.float32(2)))
    mask = g.add(at, "Unsqueeze", g.add(at, "Unsqueeze", "mask", g.constant(np.array([1]))), g.constant(np.array([2])))
    mask = g.add(at, "Sub", g.constant(np.float32(1)), g.add(at, "Cast", mask, to=TensorProto.FLOAT))
    mask = g.add(at, "Mul", mask, g.constant(np.float32(np.finfo(np.float32).min)))
    weights = g.add(at, "Softmax", g.add(at, "Add", scores, mask), axis=-1)
    context = g.add(at, "Transpose", g.add(at, "MatMul", weights, value), perm=[0, 2, 1, 3])
    context = g.add(at, "Reshape", context, g.constant(np.array([0, 0, width])))
    x = g.add("/encoder/layer.0", "Add", linear("/encoder/layer.0/attention/output", context, width, width), "x")
    x = layernorm(g, "/encoder/layer.0/norm1", x, width, spelt=True)
    y = linear("/encoder/layer.0/intermediate", x, width, inner)
    gelu = "/encoder/layer.0/intermediate/act"
    erf = g.add(gelu, "Erf", g.add(gelu, "Div", y, g.constant(np.float32(2**0.5))))
    y = g.add(gelu, "Mul", g.add(gelu, "Mul", y, g.add(gelu, "Add", erf, g.constant(np.float32(1)))), g.constant(np.float32(0.5)))
    x = g.add("/encoder/layer.0/out", "Add", linear("/encoder/layer.0/output", y, inner, width), x)
    x = layernorm(g, "/encoder/layer.0/norm2", x, width, spelt=False)
    g.add("/pooler", "Tanh", g.add("/pooler", "Gather", x, g.constant(np.int64(0)), axis=1), output="pooled")
    inputs = [("x", TensorProto.FLOAT, ["batch", "sequence", width]), ("mask", TensorProto.INT64, ["batch", "sequence"])]
    data = {"x": RNG.normal(size=(2, 4, width)).astype(np.float32), "mask": np.ones((2, 4), np.int64)}
    save("encoder", g.model(inputs, ["pooled"], opset=17), data)


def folding():
    """Ops on constants, and NumPy's results, which are taken away again: what is left to add to the data are zeros."""
    g = Graph()
    outputs = []

    def case(op, due, *inputs, **attributes):
        names = [g.constant(value) for value in inputs]
        result = g.add(f"/{len(outputs)}", op, *names, **attributes)
        if due.dtype != np.float32:
            result = g.add(f"/{len(outputs)}", "Cast", result, to=TensorProto.FLOAT)
        rest = g.add(f"/{len(outputs)}", "Sub", result, g.constant(due.astype(np.float32)))
        outputs.append(g.add(f"/{len(outputs)}", "Add", "x", rest, output=f"y{len(outputs)}"))

    for _ in range(3):
        rows, cols, deep = RNG.integers(1, 5, size=3)
        a, b = (RNG.normal(size=(deep, rows, cols)).astype(np.float32) for _ in range(2))
        row = RNG.normal(size=(cols,)).astype(np.float32)
        case("Add", a + row, a, row)
        case("Sub", a - b, a, b)
        case("Mul", row * b, row, b)
        case("Div", a / (np.abs(b) + 1), a, np.abs(b) + 1)
        case("Max", np.maximum(a, row), a, row)
        case("Pow", np.abs(a) ** np.float32(1.5), np.abs(a), np.float32(1.5))
        case("Exp", np.exp(a), a)
        case("Sqrt", np.sqrt(np.abs(a)), np.abs(a))
        case("Tanh", np.tanh(a), a)
        case("Less", a < row, a, row)
        case("Where", np.where(a < b, a, b), a < b, a, b)
        case("Transpose", a.transpose(2, 0, 1), a, perm=[2, 0, 1])
        case("Reshape", a.reshape(-1, rows), a, np.array([-1, rows]))
        case("Concat", np.concatenate([a, b], 1), a, b, axis=1)
        case("Slice", a[:, ::-1, 0::2], a, np.array([-1, 0]), np.array([-99, 99]), np.array([1, 2]), np.array([-1, 2]))
        at = RNG.integers(-rows, rows, size=(2, 2))
        case("Gather", np.take(a, at, axis=1), a, at, axis=1)
        case("Expand", np.broadcast_to(row, (rows, cols)), row, np.array([rows, 1]))
        case("Tile", np.tile(a, (1, 2, 3)), a, np.array([1, 2, 3]))
        case("ReduceMean", a.mean((0, 2), keepdims=True), a, axes=[0, 2])
        case("ReduceMax", a.max(1), a, axes=[1], keepdims=0)
        case("MatMul", a[0] @ b[0].T, a[0], b[0].T.copy())
        case("Range", np.arange(1, 9, 3), np.int64(1), np.int64(9), np.int64(3))
        case("Trilu", np.triu(a, 1), a, np.int64(1))
        case("Unsqueeze", a[:, None], a, np.array([1]))
        case("Flatten", a.reshape(deep, -1), a, axis=1)
        case("Div", np.array([7, -7]) // np.array([2, -2]), np.array([7, -7]), np.array([2, -2]))
        case("Mod", np.mod([7, -7], 3), np.array([7, -7]), np.array(3))
    model = g.model([("x", TensorProto.FLOAT, [1])], outputs)
    (HERE / "folding.onnx").write_bytes(model.SerializeToString())
    for name, value in zip(outputs, onnxruntime.InferenceSession(HERE / "folding.onnx").run(outputs, {"x": np.zeros(1, np.float32)})):
        assert np.abs(value).max() < 1e-5, name


def unsupported():
    """Nodes that no job has: all of them are named at once."""
    g = Graph()
    x = g.add("/up", "Resize", "x", "", g.constant(np.float32([1, 1, 2, 2])))
    x = g.add("/pool", "LpPool", x, kernel_shape=[2, 2])
    x = g.add("/resize", "NonZero", x)
    g.add("/out", "Cast", x, output="y", to=TensorProto.FLOAT)
    model = g.model([("x", TensorProto.FLOAT, [1, 1, 4, 4])], ["y"])
    (HERE / "unsupported.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    sklearn_models()
    cnn()
    encoder()
    folding()
    unsupported()
    windows()
