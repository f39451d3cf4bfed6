//! Products of vectors and tensors.

use super::{Function, SMALL, of_images, of_matrices, sample};

/// Products.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["dot(x, y)"],
        result: "the matrix product, or the product where one is a single number",
        apply: |p, c| Ok(p.dot(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[of_matrices("dot(x, v)"), sample("dot(x, sum(v))", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["outer(x, y)"],
        result: "all products of an element of `x` and one of `y`, a row for each of `x`",
        apply: |p, c| Ok(p.outer(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[sample("outer(x, v)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["trace(x) of a matrix"],
        result: "the sum of the elements whose row and column are equal",
        apply: |p, c| Ok(p.trace(c.matrix(0)?)?),
        samples: &[of_matrices("trace(x)")],
        accuracy: &[],
    },
    Function {
        forms: &["einsum(\"ij,jk->ik\", x, y, …)"],
        result: "sums of products by the names of axes, as NumPy's `einsum`; no value has an axis twice",
        apply: |p, c| {
            let values = c.values_from(0)?;
            Ok(p.einsum(c.text()?, &values)?)
        },
        samples: &[
            of_matrices("einsum(\"ij,kj->ik\", x, y)"),
            of_matrices("einsum(\"ij,ij->i\", x, y)"),
            of_matrices("einsum(\"ij,j,kj->k\", x, v, y)"),
            of_images("einsum(\"abcd,abed->abce\", x, y)"),
            of_images("einsum(\"abcd,d->ba\", x, v)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["solve(a, b)"],
        result: "the x with `a @ x == b`, for a square matrix whose pivots are not small, such as a symmetric positive \
                 definite one",
        apply: |p, c| Ok(p.solve(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[sample("solve(eye(2) * (abs(sum(x)) + 1) + 0.5, [sum(y), 1])", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["inverse(a)"],
        result: "the inverse of such a matrix",
        apply: |p, c| Ok(p.inverse(c.matrix(0)?)?),
        samples: &[sample("inverse(eye(2) * (abs(sum(x)) + 1) + 0.5)", SMALL)],
        accuracy: &[],
    },
];
