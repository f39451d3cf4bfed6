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

def all(*arguments: Any, **named: Any) -> Tensor:
    """1 where no element of all, or along an axis, is zero, 0 otherwise.

    all(x)
    all(x, axis=1, keepdims=False)
    """

def any(*arguments: Any, **named: Any) -> Tensor:
    """1 where an element of all, or along an axis, is not zero, 0 otherwise.

    any(x)
    any(x, axis=1, keepdims=False)
    """

def arange(*arguments: Any, **named: Any) -> Tensor:
    """Public numbers from `start`, or 0, to before `end`, `step`, or 1, apart.

    arange(end)
    arange(start, end)
    arange(start, end, step)
    """

def argmax(*arguments: Any, **named: Any) -> Tensor:
    """The index of the largest element of all, counted row by row, or along an axis; of equal ones the first.

    argmax(x)
    argmax(x, axis=1, keepdims=False)
    """

def argmin(*arguments: Any, **named: Any) -> Tensor:
    """The index of the smallest element of all, counted row by row, or along an axis; of equal ones the first.

    argmin(x)
    argmin(x, axis=1, keepdims=False)
    """

def argsort(*arguments: Any, **named: Any) -> Tensor:
    """The places along an axis of its elements in rising order; of equal ones the first comes first.

    argsort(x, axis=-1)
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
    """The mean of each window of each channel, as PyTorch's `avg_pool2d`: elements of `padding` are zeros that count, or with `count_include_pad=False` do not; numbers as for `conv2d`.

    avgpool2d(x, size=2, stride=2, padding=0, dilation=1, ceil_mode=False, count_include_pad=True) with x of shape (n, c, h, w)
    avgpool2d(x, channels=1, height=8, width=8, size=2, stride=2, padding=0, dilation=1, ceil_mode=False, count_include_pad=True) with a row for each image
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

def conv1d(*arguments: Any, **named: Any) -> Tensor:
    """The products of the kernels `w` with each window of each sequence, plus `b`, as PyTorch's `conv1d`; two numbers of `padding` are before and behind.

    conv1d(x, w, b, stride=1, padding=0, dilation=1, groups=1) with x of shape (n, c, l), w of shape (o, c/groups, length) and o numbers b, which may be left out
    """

def conv2d(*arguments: Any, **named: Any) -> Tensor:
    """The products of the kernels `w` with each window of each image, plus `b`, as PyTorch's `conv2d`; a number stands for both axes, two for height and width, and four of `padding` for top, bottom, left and right.

    conv2d(x, w, b, stride=1, padding=0, dilation=1, groups=1) with x of shape (n, c, h, w), w of shape (o, c/groups, height, width) and o numbers b, which may be left out
    conv2d(x, w, b, channels=1, height=8, width=8, kernel=3, stride=1, padding=0, dilation=1, groups=1) with a row for each image
    """

def conv_transpose1d(*arguments: Any, **named: Any) -> Tensor:
    """Each element times the kernels `w` of its channel, added at the places of their window, plus `b`, as PyTorch's `conv_transpose1d`; two numbers of `padding` are before and behind.

    conv_transpose1d(x, w, b, stride=1, padding=0, output_padding=0, dilation=1, groups=1) with x of shape (n, c, l), w of shape (c, o/groups, length) and o numbers b, which may be left out
    """

def conv_transpose2d(*arguments: Any, **named: Any) -> Tensor:
    """Each element times the kernels `w` of its channel, added at the places of their window, plus `b`, as PyTorch's `conv_transpose2d`; `padding` is cut off the result, as for `conv2d`.

    conv_transpose2d(x, w, b, stride=1, padding=0, output_padding=0, dilation=1, groups=1) with x of shape (n, c, h, w), w of shape (c, o/groups, height, width) and o numbers b, which may be left out
    """

def cos(*arguments: Any, **named: Any) -> Tensor:
    """The cosine of each element.

    cos(x)
    """

def cross_entropy(*arguments: Any, **named: Any) -> Tensor:
    """The mean of −Σ t·ln softmax(z) along the last axis over all rows, a single number; each row of labels t adds up to 1.

    cross_entropy(logits, labels)
    """

def cumprod(*arguments: Any, **named: Any) -> Tensor:
    """The products of the elements up to each one along an axis.

    cumprod(x, axis=0)
    """

def cumsum(*arguments: Any, **named: Any) -> Tensor:
    """The sums of the elements up to each one along an axis.

    cumsum(x, axis=0)
    """

def diagonal(*arguments: Any, **named: Any) -> Tensor:
    """The elements whose row and column are equal.

    diagonal(x) of a matrix
    """

def dot(*arguments: Any, **named: Any) -> Tensor:
    """The matrix product, or the product where one is a single number.

    dot(x, y)
    """

def einsum(*arguments: Any, **named: Any) -> Tensor:
    """Sums of products by the names of axes, as NumPy's `einsum`; no value has an axis twice.

    einsum("ij,jk->ik", x, y, …)
    """

def exp(*arguments: Any, **named: Any) -> Tensor:
    """E to the power of each element.

    exp(x)
    """

def eye(*arguments: Any, **named: Any) -> Tensor:
    """The public identity matrix with n rows.

    eye(n)
    """

def flip(*arguments: Any, **named: Any) -> Tensor:
    """The elements along an axis, or along each one, in the opposite order.

    flip(x)
    flip(x, axis=0)
    """

def floor(*arguments: Any, **named: Any) -> Tensor:
    """The largest whole number that is not above each element.

    floor(x)
    """

def gather(*arguments: Any, **named: Any) -> Tensor:
    """The elements at public indices along an axis, of which negative ones count from the end.

    gather(x, [2, 0, 1], axis=0)
    """

def gelu(*arguments: Any, **named: Any) -> Tensor:
    """Each element times the normal distribution function of it.

    gelu(x)
    """

def global_avgpool2d(*arguments: Any, **named: Any) -> Tensor:
    """The mean of each channel of each image, of shape (n, c).

    global_avgpool2d(x) with x of shape (n, c, h, w)
    """

def global_maxpool2d(*arguments: Any, **named: Any) -> Tensor:
    """The largest element of each channel of each image, of shape (n, c).

    global_maxpool2d(x) with x of shape (n, c, h, w)
    """

def grad(*arguments: Any, **named: Any) -> Tensor:
    """The derivatives of `loss`, a single number, by the elements of `x`, from which it is computed.

    grad(loss, x)
    """

def group_count(*arguments: Any, **named: Any) -> Tensor:
    """The number of rows of each different key, in rising order of these; 0 behind the last.

    group_count(keys)
    """

def group_mean(*arguments: Any, **named: Any) -> Tensor:
    """The means of the rows of each different key, in rising order of these; zeros behind the last.

    group_mean(x, keys)
    """

def group_sum(*arguments: Any, **named: Any) -> Tensor:
    """The sums of the groups along an axis whose numbers are listed, from 0 on; the axis has as many as there are groups; or the sums of the rows of each different key, in rising order of these, with zeros behind the last.

    group_sum(x, [0, 1, 0], axis=0)
    group_sum(x, keys)
    """

def histogram(*arguments: Any, **named: Any) -> Tensor:
    """How many elements lie between each two of the public edges, the last of which belongs to the last bin.

    histogram(x, [0, 0.5, 1])
    """

def inverse(*arguments: Any, **named: Any) -> Tensor:
    """The inverse of such a matrix.

    inverse(a)
    """

def isin(*arguments: Any, **named: Any) -> Tensor:
    """1 where an element is one of those of `among`, 0 elsewhere: whether `join` finds a row.

    isin(x, among, sorted=False, left_sorted=False, right_sorted=False)
    """

def join(*arguments: Any, **named: Any) -> Tensor:
    """For each left key the right values of the row with this key, of several the last, and zeros where there is none; with `sorted=True` both keys are in rising order, and a merge does; one side's alone are not sorted again.

    join(left_keys, right_keys, right_values, sorted=False, left_sorted=False, right_sorted=False)
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

def linspace(*arguments: Any, **named: Any) -> Tensor:
    """So many public numbers from `start` to `end`, evenly spaced.

    linspace(start, end, count)
    """

def log(*arguments: Any, **named: Any) -> Tensor:
    """The natural logarithm of each element.

    log(x)
    """

def log_softmax(*arguments: Any, **named: Any) -> Tensor:
    """The natural logarithm of `softmax` along an axis.

    log_softmax(x, axis=1)
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
    """The larger of each two elements, of which one may be a constant, or the largest of all, or along an axis.

    max(x, y)
    max(x)
    max(x, axis=1, keepdims=False)
    """

def maxpool2d(*arguments: Any, **named: Any) -> Tensor:
    """The largest element of each window of each channel, of which `padding` is none, as PyTorch's `max_pool2d`; numbers as for `conv2d`.

    maxpool2d(x, size=2, stride=2, padding=0, dilation=1, ceil_mode=False) with x of shape (n, c, h, w)
    maxpool2d(x, channels=1, height=8, width=8, size=2, stride=2, padding=0, dilation=1, ceil_mode=False) with a row for each image
    """

def mean(*arguments: Any, **named: Any) -> Tensor:
    """The mean of all elements, or the means along an axis.

    mean(x)
    mean(x, axis=1, keepdims=False)
    """

def median(*arguments: Any, **named: Any) -> Tensor:
    """The middle element of all, or along an axis, or the mean of both in the middle.

    median(x)
    median(x, axis=-1)
    """

def min(*arguments: Any, **named: Any) -> Tensor:
    """The smaller of each two elements, of which one may be a constant, or the smallest of all, or along an axis.

    min(x, y)
    min(x)
    min(x, axis=1, keepdims=False)
    """

def mod(*arguments: Any, **named: Any) -> Tensor:
    """What `x // divisor` leaves of each element, from 0 to below the divisor: `x % divisor`.

    mod(x, divisor) with a positive constant divisor
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

def norm(*arguments: Any, **named: Any) -> Tensor:
    """The root of the sum of squares of all elements, or along an axis.

    norm(x)
    norm(x, axis=1, keepdims=False)
    """

def one_hot(*arguments: Any, **named: Any) -> Tensor:
    """For each shared index so many integers along a new last axis: 1 at the index, 0 elsewhere.

    one_hot(index, 10)
    """

def ones(*arguments: Any, **named: Any) -> Tensor:
    """Public ones.

    ones(rows, cols, …) with one to four extents
    """

def outer(*arguments: Any, **named: Any) -> Tensor:
    """All products of an element of `x` and one of `y`, a row for each of `x`.

    outer(x, y)
    """

def pad(*arguments: Any, **named: Any) -> Tensor:
    """`x` with so many elements before and after its own along an axis, or along each one, all of one constant.

    pad(x, before, after, value=0) with constants before and after
    pad(x, before, after, axis=0, value=0) along one axis or several
    """

def quantile(*arguments: Any, **named: Any) -> Tensor:
    """The element of all, or along an axis, below which such a part of them lies; between two elements on the line that joins them.

    quantile(x, part)
    quantile(x, part, axis=-1) with a constant part from 0 to 1
    """

def real(*arguments: Any, **named: Any) -> Tensor:
    """Integers of an input with `kind = "integer"`, and what is computed of them, as numbers with fractions.

    real(x)
    """

def reciprocal(*arguments: Any, **named: Any) -> Tensor:
    """1 divided by each element, and 0 for 0.

    reciprocal(x)
    """

def relu(*arguments: Any, **named: Any) -> Tensor:
    """Each element where it is positive, 0 elsewhere.

    relu(x)
    """

def repeat(*arguments: Any, **named: Any) -> Tensor:
    """Every element along an axis so many times, one after the other.

    repeat(x, count, axis=0) with a constant count
    """

def reshape(*arguments: Any, **named: Any) -> Tensor:
    """The same elements, row by row, with other extents.

    reshape(x, rows, cols, …) with one to four extents, of which one may be -1
    """

def rmsnorm(*arguments: Any, **named: Any) -> Tensor:
    """The elements divided by the root of the mean of squares along an axis + `eps`, and then times `scale`.

    rmsnorm(x, axis=-1, eps=1e-5)
    rmsnorm(x, scale, axis=-1, eps=1e-5)
    """

def round(*arguments: Any, **named: Any) -> Tensor:
    """The whole number nearest to each element; halves are rounded up.

    round(x)
    """

def rsqrt(*arguments: Any, **named: Any) -> Tensor:
    """1 divided by the square root of each element.

    rsqrt(x)
    """

def select(*arguments: Any, **named: Any) -> Tensor:
    """`x` where the comparison `condition` holds, `y` where it does not; either may be a constant.

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

def sign(*arguments: Any, **named: Any) -> Tensor:
    """-1, 0 or 1 as each element is negative, zero or positive.

    sign(x)
    """

def silu(*arguments: Any, **named: Any) -> Tensor:
    """Each element times its sigmoid.

    silu(x)
    """

def sin(*arguments: Any, **named: Any) -> Tensor:
    """The sine of each element.

    sin(x)
    """

def softmax(*arguments: Any, **named: Any) -> Tensor:
    """E to the power of each element, divided by the sum of these along an axis.

    softmax(x, axis=1)
    """

def solve(*arguments: Any, **named: Any) -> Tensor:
    """The x with `a @ x == b`, for a square matrix whose pivots are not small, such as a symmetric positive definite one.

    solve(a, b)
    """

def sort(*arguments: Any, **named: Any) -> Tensor:
    """The elements along an axis in rising order.

    sort(x, axis=-1)
    """

def split(*arguments: Any, **named: Any) -> Tensor:
    """Of so many equal parts of an axis the one with this index, counted from 0.

    split(x, parts, index, axis=0) with constants parts and index
    """

def sqrt(*arguments: Any, **named: Any) -> Tensor:
    """The square root of each element.

    sqrt(x)
    """

def squeeze(*arguments: Any, **named: Any) -> Tensor:
    """The same elements without the axis.

    squeeze(x, axis=1) of an axis of extent 1
    """

def stack(*arguments: Any, **named: Any) -> Tensor:
    """Values of the same shape beside each other along a new axis.

    stack(x, y, …, axis=0)
    """

def std(*arguments: Any, **named: Any) -> Tensor:
    """The root of the mean squared distance from the mean of all elements, or along an axis.

    std(x)
    std(x, axis=1, keepdims=False)
    """

def sum(*arguments: Any, **named: Any) -> Tensor:
    """The sum of all elements, or the sums along an axis.

    sum(x)
    sum(x, axis=1, keepdims=False)
    """

def take(*arguments: Any, **named: Any) -> Tensor:
    """The elements along an axis at shared indices, whose axes take its place; zeros for an index that is not there.

    take(x, index, axis=0)
    """

def tanh(*arguments: Any, **named: Any) -> Tensor:
    """The hyperbolic tangent of each element.

    tanh(x)
    """

def tile(*arguments: Any, **named: Any) -> Tensor:
    """The whole of an axis so many times.

    tile(x, count, axis=0) with a constant count
    """

def topk(*arguments: Any, **named: Any) -> Tensor:
    """So many largest elements along an axis, in falling order.

    topk(x, count, axis=-1) with a constant count
    """

def trace(*arguments: Any, **named: Any) -> Tensor:
    """The sum of the elements whose row and column are equal.

    trace(x) of a matrix
    """

def transpose(*arguments: Any, **named: Any) -> Tensor:
    """The axes in the opposite order, or in the given one.

    transpose(x)
    transpose(x, 0, 2, 1, …) with the axes in their new order
    """

def unique(*arguments: Any, **named: Any) -> Tensor:
    """The different keys in rising order, with zeros behind the last: as many rows as there are keys.

    unique(keys)
    """

def var(*arguments: Any, **named: Any) -> Tensor:
    """The mean squared distance from the mean of all elements, or along an axis.

    var(x)
    var(x, axis=1, keepdims=False)
    """

def where(*arguments: Any, **named: Any) -> Tensor:
    """The same as `select`.

    where(condition, x, y)
    """

def zeros(*arguments: Any, **named: Any) -> Tensor:
    """Public zeros.

    zeros(rows, cols, …) with one to four extents
    """
