# Generated from book/ by `zerobook tangle`: edit the chapter, not this file.
"""Models as ONNX files, for runtimes that know no Python."""

import copy
import numpy as np
from zerobook import functional, nn
from zerobook.autograd import no_grad
from zerobook.safetensors import write_whole


# %% 3.8 book/generative/onnx.md
OPSET, IR_VERSION = 20, 9  # the first with a GELU, and the format it needs


def onnx_library():
    """The library, or an error that says how to get it."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "this needs onnx: pip install 'zerobook[interop]'"
        ) from error
    return onnx


class Writer:
    """Nodes and weights of a graph that grows layer by layer."""

    def __init__(self):
        self.onnx, self.path = onnx_library(), ""
        self.nodes, self.weights, self.known = [], [], {}


# %% 3.8 book/generative/onnx.md
def writer_node(self, operation, *inputs, **options):
    """Add an operation on named inputs; the name of what comes out."""
    out = f"{self.path or 'model'}/{operation}_{len(self.nodes)}"
    self.nodes.append(self.onnx.helper.make_node(
        operation, inputs, [out], name=out, **options))
    return out


def writer_weight(self, name, array, owner=None):
    """Keep an array as single-precision numbers; its name in the file.

    A weight that two layers share, one `owner`, is kept once.
    """
    full = f"{self.path}.{name}".lstrip(".")
    key = full if owner is None else id(owner)
    if key not in self.known:
        self.known[key] = full
        array = np.ascontiguousarray(array, np.float32)
        self.weights.append(self.onnx.numpy_helper.from_array(
            array, self.known[key]))
    return self.known[key]


Writer.node, Writer.weight = writer_node, writer_weight


# %% 3.8 book/generative/onnx.md
def one_node(operation, **options):
    """A rule for a layer that is one operation without weights."""
    return lambda w, layer, x: w.node(operation, x, **options)


def linear_rule(w, layer, x):
    """MatMul, then Add; inputs of any rank."""
    weight = w.weight("weight", layer.weight.data, layer.weight)
    y = w.node("MatMul", x, weight)
    if layer.bias is None:
        return y
    return w.node("Add", y, w.weight("bias", layer.bias.data, layer.bias))


def silu_rule(w, layer, x):
    """x * sigmoid(x)."""
    return w.node("Mul", x, w.node("Sigmoid", x))


def layer_norm_rule(w, layer, x):
    """Over the last axis."""
    names = [w.weight(name, p.data, p) for name, p in
             (("weight", layer.weight), ("bias", layer.bias))]
    return w.node("LayerNormalization", x, *names, axis=-1,
                  epsilon=layer.eps)


def unchanged(w, layer, x):
    """No node at all."""
    return x


# %% 3.8 book/generative/onnx.md
def window(layer, kernel_size):
    """Kernel, stride and padding as ONNX spells them."""
    kernel = functional.pair(kernel_size)
    stride = kernel if layer.stride is None else layer.stride
    pads = functional.pair(layer.padding)
    return {"kernel_shape": kernel, "pads": (*pads, *pads),
            "strides": functional.pair(stride)}


def conv_rule(w, layer, x):
    """A convolution; filters (kh, kw, in, out) -> (out, in, kh, kw)."""
    inputs = [x, w.weight("weight", layer.weight.data.transpose(3, 2, 0, 1),
                          layer.weight)]
    if layer.bias is not None:
        inputs.append(w.weight("bias", layer.bias.data, layer.bias))
    return w.node("Conv", *inputs, **window(layer, layer.weight.shape[:2]))


def conv1d_rule(w, layer, x):
    """Along one axis; filters (k, in, out) -> (out, in, k)."""
    inputs = [x, w.weight("weight", layer.weight.data.transpose(2, 1, 0),
                          layer.weight)]
    if layer.bias is not None:
        inputs.append(w.weight("bias", layer.bias.data, layer.bias))
    return w.node("Conv", *inputs, kernel_shape=layer.weight.shape[:1],
                  pads=2 * layer.padding, strides=layer.stride)


def max_pool_rule(w, layer, x):
    """The largest of each window."""
    return w.node("MaxPool", x, **window(layer, layer.kernel_size))


def avg_pool_rule(w, layer, x):
    """The mean of each window, zeros of the padding counted."""
    return w.node("AveragePool", x, count_include_pad=1,
                  **window(layer, layer.kernel_size))


# %% 3.8 book/generative/onnx.md
def batch_norm_rule(w, layer, x):
    """By the running averages, as after ``eval()``."""
    ones = np.ones(layer.num_features)
    scale = ones if layer.weight is None else layer.weight.data
    shift = 0 * ones if layer.bias is None else layer.bias.data
    names = [w.weight(name, array) for name, array in
             (("weight", scale), ("bias", shift),
              ("running_mean", layer.running_mean),
              ("running_var", layer.running_var))]
    return w.node("BatchNormalization", x, *names, epsilon=layer.eps)


# %% 3.8 book/generative/onnx.md
def group_norm_rule(w, layer, x):
    """(N, C, ...) -> (N, G, -1), normalised -> (N, C, -1) -> as before."""
    def shaped(y, *shape):
        return w.node("Reshape", y, w.node("Constant", value_ints=shape))

    G, C = layer.num_groups, layer.num_channels
    gain, shift = w.weight("ones", np.ones(G)), w.weight("zeros", np.zeros(G))
    y = w.node("InstanceNormalization", shaped(x, 0, G, -1), gain, shift,
               epsilon=layer.eps)
    y = shaped(y, 0, C, -1)
    for operation, name in ("Mul", "weight"), ("Add", "bias"):
        p = getattr(layer, name)
        if p is not None:
            column = w.weight(name, p.data[:, None], p)
            y = w.node(operation, y, column)
    return w.node("Reshape", y, w.node("Shape", x))


RULES = {
    nn.Linear: linear_rule, nn.LayerNorm: layer_norm_rule,
    nn.ReLU: one_node("Relu"), nn.Tanh: one_node("Tanh"),
    nn.Sigmoid: one_node("Sigmoid"), nn.SiLU: silu_rule,
    nn.GELU: one_node("Gelu", approximate="tanh"),
    nn.Flatten: one_node("Flatten", axis=1),
    nn.Identity: unchanged, nn.Dropout: unchanged,
    nn.Conv2d: conv_rule, nn.Conv1d: conv1d_rule,
    nn.MaxPool2d: max_pool_rule, nn.GroupNorm: group_norm_rule,
    nn.AvgPool2d: avg_pool_rule,
    nn.BatchNorm1d: batch_norm_rule, nn.BatchNorm2d: batch_norm_rule,
}


# %% 3.8 book/generative/onnx.md
def write_module(w, module, x, path=""):
    """Write a module that reads `x`; the name of what comes out."""
    if type(module) is nn.Sequential:
        for name, child in module._modules.items():
            x = write_module(w, child, x, f"{path}.{name}".lstrip("."))
        return x
    if type(module) not in RULES:
        raise TypeError(
            f"{path or 'the model'}: no ONNX for {type(module).__name__}; "
            "there is for Sequential, "
            f"{', '.join(kind.__name__ for kind in RULES)}")
    w.path = path
    return RULES[type(module)](w, module, x)


# %% 3.8 book/generative/onnx.md
ENDINGS = {None: (), "sigmoid": ("Sigmoid",), "softmax": ("Softmax",)}


def output_shape(model, input_shape):
    """Shape of the output for one example; refuses what does not fit."""
    still = copy.deepcopy(model).eval()
    with no_grad():
        y = still(np.zeros((1, *input_shape), np.float32))
    return y.shape[1:]


def classifier_layers(classifier):
    """A fitted `MLPClassifier` as a Sequential, its scores the output."""
    names = {"identity": "Identity", "logistic": "Sigmoid", "tanh": "Tanh",
             "relu": "ReLU", "gelu": "GELU", "silu": "SiLU"}
    bend, layers = getattr(nn, names[classifier.activation]), []
    for W, b in zip(classifier.coefs_, classifier.intercepts_):
        layer = nn.Linear(*W.shape, rng=0)
        layer.load_state_dict({"weight": W, "bias": b})
        layers += [layer, bend()]
    return nn.Sequential(*layers[:-1])


# %% 3.8 book/generative/onnx.md
def declare(w, x, y, shapes, metadata):
    """Nodes and weights as a model from `x` to `y`, checked."""
    h, float32 = w.onnx.helper, w.onnx.TensorProto.FLOAT
    ends = [h.make_tensor_value_info(name, float32, ("N", *shape))
            for name, shape in zip((x, y), shapes)]
    graph = h.make_graph(w.nodes, "zerobook", ends[:1], ends[1:], w.weights)
    proto = h.make_model(
        graph, producer_name="zerobook", ir_version=IR_VERSION,
        opset_imports=[h.make_opsetid("", OPSET)])
    h.set_model_props(proto, metadata)
    w.onnx.checker.check_model(proto, full_check=True)
    return proto


# %% 3.8 book/generative/onnx.md
def to_onnx(model, input_shape=None, *, ending=None, metadata=None):
    """A model as an ONNX graph with its weights.

    Parameters
    ----------
    model : Module or MLPClassifier
        A layer of `zerobook.nn`, a Sequential of such layers, or a fitted
        classifier of chapter 1. Written as it is after ``eval()``.
    input_shape : int or tuple of int, optional
        Of one example, without the batch axis, which stays open. May be
        left out for an `MLPClassifier`.
    ending : {None, "softmax", "sigmoid"}
        Applied to the output, over the last axis.
    metadata : dict of str to str, optional
        Kept in the file: units of the input, names of the classes.

    Returns
    -------
    onnx.ModelProto
        With the input ``x`` and the output ``y``, float32, opset 20. It has
        passed ONNX's checker.

    Raises
    ------
    ImportError
        If onnx is not there: it comes with the extra ``interop``.
    TypeError
        Names the first module that has no rule, by its path.
    ValueError
        If `ending` is none of these, or the model refuses `input_shape`.

    Notes
    -----
    Section 3.8. Weights of float64 are rounded to float32.
    """
    if ending not in ENDINGS:
        raise ValueError(f"ending {ending!r}: want one of {[*ENDINGS]}")
    if hasattr(model, "coefs_"):
        input_shape = model.coefs_[0].shape[:1]
        model = classifier_layers(model)
    notes = {key: str(value) for key, value in (metadata or {}).items()}
    return trace(model, input_shape, ending, notes)


# %% 3.8 book/generative/onnx.md
def trace(model, input_shape, ending, metadata):
    """Write all layers, then what comes behind them."""
    w = Writer()
    last = write_module(w, model, "x")
    if input_shape is None:
        raise ValueError("input_shape: the shape of one example is needed")
    if isinstance(input_shape, int):
        input_shape = (input_shape,)
    shapes = tuple(input_shape), output_shape(model, input_shape)
    w.path = "ending"
    for operation in ENDINGS[ending]:
        last = w.node(operation, last)
    w.nodes.append(w.onnx.helper.make_node("Identity", [last], ["y"]))
    return declare(w, "x", "y", shapes, metadata)


def save_onnx(model, path, input_shape=None, **options):
    """Write a model to an ONNX file, whole or not at all; see `to_onnx`."""
    proto = to_onnx(model, input_shape, **options)
    write_whole(path, [proto.SerializeToString()])
