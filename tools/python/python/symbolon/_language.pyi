"""The functions of the job language. Made by `python -m symbolon._language`."""

from typing import Any

from ._tensor import Tensor

TABLE: dict[str, tuple[list[str], str]]

def _stub() -> str: ...
def abs(*arguments: Any, **named: Any) -> Tensor:
    """The magnitude of each element.

    abs(x)
    """

def adam(*arguments: Any, **named: Any) -> Tensor:
    """`w` less `rate` times the first moment divided by the root of the second one + `eps`, and `rate` times `decay` times `w`.

    adam(w, first, second, rate, eps=1e-6, decay=0)
    """

def argmax(*arguments: Any, **named: Any) -> Tensor:
    """The index of the largest element along an axis, and of equal ones the first.

    argmax(x, axis=1, keepdims=0)
    """

def argmin(*arguments: Any, **named: Any) -> Tensor:
    """The index of the smallest element along an axis, and of equal ones the first.

    argmin(x, axis=1, keepdims=0)
    """

def assume(*arguments: Any, **named: Any) -> Tensor:
    """`x`, of which the author states that all elements lie between the two constants.

    assume(x, low, high) with constants low and high
    """

def average(*arguments: Any, **named: Any) -> Tensor:
    """`beta` times the moment plus 1 − `beta` times `x`: the next moment of `x`.

    average(moment, x, beta=0.9)
    """

def avgpool2d(*arguments: Any, **named: Any) -> Tensor:
    """The mean of each window of each channel.

    avgpool2d(x, size=2, stride=2) with x of shape (n, c, h, w)
    avgpool2d(x, channels=1, height=8, width=8, size=2, stride=2) with a row for each image
    """

def batchnorm(*arguments: Any, **named: Any) -> Tensor:
    """The distances from the given mean of each channel, divided by the root of its given variance + `eps`, times `scale` plus `offset`; channels are the columns of a matrix, and the second axis of a tensor.

    batchnorm(x, mean, var, scale, offset, eps=1e-5)
    """

def clip(*arguments: Any, **named: Any) -> Tensor:
    """Each element, or `low` where it is below, or `high` where it is above.

    clip(x, low, high) with constants low and high
    """

def clip_norm(*arguments: Any, **named: Any) -> Tensor:
    """The gradient, scaled down to the norm `most` where its norm is larger.

    clip_norm(gradient, most) with a constant most
    """

def concat(*arguments: Any, **named: Any) -> Tensor:
    """The values one after the other along an axis.

    concat(x, y, …, axis=0)
    """

def constant(*arguments: Any, **named: Any) -> Tensor:
    """`x` as a constant: `grad` passes nothing on to what it is computed from.

    constant(x)
    """

def conv2d(*arguments: Any, **named: Any) -> Tensor:
    """The products of the kernels `w` with each window of each image, plus `b`, as PyTorch's `conv2d`.

    conv2d(x, w, b, stride=1, padding=0) with x of shape (n, c, h, w), w of shape (o, c, height, width) and o numbers b, which may be left out
    conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0) with a row for each image
    """

def cross_entropy(*arguments: Any, **named: Any) -> Tensor:
    """The mean of −Σ t·ln softmax(z) along the last axis over all rows, a single number; each row of labels t adds up to 1.

    cross_entropy(logits, labels)
    """

def exp(*arguments: Any, **named: Any) -> Tensor:
    """E to the power of each element.

    exp(x)
    """

def gather(*arguments: Any, **named: Any) -> Tensor:
    """The elements at public indices along an axis, of which negative ones count from the end.

    gather(x, [2, 0, 1], axis=0)
    """

def gelu(*arguments: Any, **named: Any) -> Tensor:
    """Each element times the normal distribution function of it.

    gelu(x)
    """

def grad(*arguments: Any, **named: Any) -> Tensor:
    """The derivatives of `loss`, a single number, by the elements of `x`, from which it is computed.

    grad(loss, x)
    """

def layernorm(*arguments: Any, **named: Any) -> Tensor:
    """The distances from the mean along an axis, divided by the root of variance + `eps`, and then times `scale` plus `offset`.

    layernorm(x, axis=-1, eps=1e-5)
    layernorm(x, scale, offset, axis=-1, eps=1e-5)
    """

def leaky_relu(*arguments: Any, **named: Any) -> Tensor:
    """Each element where it is positive, `slope` times it elsewhere.

    leaky_relu(x, slope) with a constant slope
    """

def log(*arguments: Any, **named: Any) -> Tensor:
    """The natural logarithm of each element.

    log(x)
    """

def logistic_loss(*arguments: Any, **named: Any) -> Tensor:
    """The mean of ln(1 + e^z) − t·z over all logits z with labels t from 0 to 1, a single number.

    logistic_loss(logits, labels)
    """

def lookup(*arguments: Any, **named: Any) -> Tensor:
    """For each shared index the row of `table` that it names.

    lookup(table, index)
    """

def max(*arguments: Any, **named: Any) -> Tensor:
    """The larger of each two elements, of which one may be a constant, or the largest along an axis.

    max(x, y)
    max(x, axis=1, keepdims=0)
    """

def maxpool2d(*arguments: Any, **named: Any) -> Tensor:
    """The largest element of each window of each channel.

    maxpool2d(x, size=2, stride=2) with x of shape (n, c, h, w)
    maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2) with a row for each image
    """

def mean(*arguments: Any, **named: Any) -> Tensor:
    """The mean of all elements, or the means along an axis.

    mean(x)
    mean(x, axis=1, keepdims=0)
    """

def min(*arguments: Any, **named: Any) -> Tensor:
    """The smaller of each two elements, of which one may be a constant, or the smallest along an axis.

    min(x, y)
    min(x, axis=1, keepdims=0)
    """

def momentum(*arguments: Any, **named: Any) -> Tensor:
    """`beta` times the velocity plus the gradient: the next velocity, and the direction of a step.

    momentum(velocity, gradient, beta=0.9)
    """

def mse(*arguments: Any, **named: Any) -> Tensor:
    """The mean of the squared differences of all elements, a single number.

    mse(x, target)
    """

def nesterov(*arguments: Any, **named: Any) -> Tensor:
    """`beta` times the next velocity, that of `momentum`, plus the gradient: the direction of a step.

    nesterov(velocity, gradient, beta=0.9)
    """

def one_hot(*arguments: Any, **named: Any) -> Tensor:
    """For each shared index so many integers along a new last axis: 1 at the index, 0 elsewhere.

    one_hot(index, 10)
    """

def reciprocal(*arguments: Any, **named: Any) -> Tensor:
    """1 divided by each element, and 0 for 0.

    reciprocal(x)
    """

def relu(*arguments: Any, **named: Any) -> Tensor:
    """Each element where it is positive, 0 elsewhere.

    relu(x)
    """

def reshape(*arguments: Any, **named: Any) -> Tensor:
    """The same elements, row by row, with other extents.

    reshape(x, rows, cols, …) with one to four extents
    """

def rsqrt(*arguments: Any, **named: Any) -> Tensor:
    """1 divided by the square root of each element.

    rsqrt(x)
    """

def select(*arguments: Any, **named: Any) -> Tensor:
    """`x` where the comparison `condition` holds, `y` where it does not.

    select(condition, x, y)
    """

def sgd(*arguments: Any, **named: Any) -> Tensor:
    """`w` less `rate` times the gradient and `decay` times `w`; the rate is a number or a value.

    sgd(w, gradient, rate, decay=0)
    """

def sigmoid(*arguments: Any, **named: Any) -> Tensor:
    """1/(1 + e^−x) of each element.

    sigmoid(x)
    """

def silu(*arguments: Any, **named: Any) -> Tensor:
    """Each element times its sigmoid.

    silu(x)
    """

def softmax(*arguments: Any, **named: Any) -> Tensor:
    """E to the power of each element, divided by the sum of these along an axis.

    softmax(x, axis=1)
    """

def sqrt(*arguments: Any, **named: Any) -> Tensor:
    """The square root of each element.

    sqrt(x)
    """

def squeeze(*arguments: Any, **named: Any) -> Tensor:
    """The same elements without the axis.

    squeeze(x, axis=1) of an axis of extent 1
    """

def sum(*arguments: Any, **named: Any) -> Tensor:
    """The sum of all elements, or the sums along an axis.

    sum(x)
    sum(x, axis=1, keepdims=0)
    """

def tanh(*arguments: Any, **named: Any) -> Tensor:
    """The hyperbolic tangent of each element.

    tanh(x)
    """

def transpose(*arguments: Any, **named: Any) -> Tensor:
    """The axes in the opposite order, or in the given one.

    transpose(x)
    transpose(x, 0, 2, 1, …) with the axes in their new order
    """

def var(*arguments: Any, **named: Any) -> Tensor:
    """The mean squared distance from the mean along an axis.

    var(x, axis=1, keepdims=0)
    """
