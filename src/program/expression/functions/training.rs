//! The functions by which models are trained: losses, gradients, and the steps of optimisers.

use super::{Function, SMALL, of_matrices, sample};

/// Losses, gradients, optimisers.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        forms: &["mse(x, target)"],
        result: "the mean of the squared differences of all elements, a single number",
        apply: |p, c| Ok(p.mse(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[of_matrices("mse(sum(x, axis=0), v)")],
        accuracy: &[],
    },
    Function {
        forms: &["logistic_loss(logits, labels)"],
        result: "the mean of ln(1 + e^z) − t·z over all logits z with labels t from 0 to 1, a single number",
        apply: |p, c| Ok(p.logistic_loss(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[of_matrices("logistic_loss(sum(x, axis=0), v)")],
        accuracy: &[],
    },
    Function {
        forms: &["cross_entropy(logits, labels)"],
        result: "the mean of −Σ t·ln softmax(z) along the last axis over all rows, a single number; each row of labels t \
                 adds up to 1",
        apply: |p, c| Ok(p.cross_entropy(c.matrix(0)?, c.matrix(1)?)?),
        samples: &[of_matrices("cross_entropy(sum(x, axis=0), softmax(v, axis=0))")],
        accuracy: &[],
    },
    Function {
        forms: &["grad(loss, x)"],
        result: "the derivatives of `loss`, a single number, by the elements of `x`, from which it is computed",
        apply: |p, c| Ok(p.gradient(c.matrix(0)?, &[c.matrix(1)?])?[0]),
        samples: &[
            sample("grad(sum(x * y * y), y)", SMALL),
            sample("grad(sum(max(x * y, axis=-1)), y)", SMALL),
            of_matrices("grad(cross_entropy(sum(x, axis=0), softmax(v, axis=0)), x)"),
            of_matrices("grad(sum(relu(x @ y.T)), y)"),
        ],
        accuracy: &[],
    },
    Function {
        forms: &["constant(x)"],
        result: "`x` as a constant: `grad` passes nothing on to what it is computed from",
        apply: |p, c| Ok(p.held_constant(c.matrix(0)?)?),
        samples: &[sample("grad(sum(x * constant(x)), x)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["sgd(w, gradient, rate, decay=0)"],
        result: "`w` less `rate` times the gradient and `decay` times `w`; the rate is a number or a value",
        apply: |p, c| {
            let decay = c.number_given("decay", 0.0)?;
            Ok(p.sgd(c.matrix(0)?, c.matrix(1)?, c.rate(2)?, decay)?)
        },
        samples: &[sample("sgd(x, y, 0.125)", SMALL), sample("sgd(x, y, 0.1, decay=0.01)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["momentum(velocity, gradient, beta=0.9)"],
        result: "`beta` times the velocity plus the gradient: the next velocity, and the direction of a step",
        apply: |p, c| Ok(p.momentum(c.matrix(0)?, c.matrix(1)?, c.number_given("beta", 0.9)?)?),
        samples: &[sample("momentum(x, y, beta=0.75)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["nesterov(velocity, gradient, beta=0.9)"],
        result: "`beta` times the next velocity, that of `momentum`, plus the gradient: the direction of a step",
        apply: |p, c| Ok(p.nesterov(c.matrix(0)?, c.matrix(1)?, c.number_given("beta", 0.9)?)?),
        samples: &[sample("nesterov(x, y)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["average(moment, x, beta=0.9)"],
        result: "`beta` times the moment plus 1 − `beta` times `x`: the next moment of `x`",
        apply: |p, c| Ok(p.moving_average(c.matrix(0)?, c.matrix(1)?, c.number_given("beta", 0.9)?)?),
        samples: &[sample("average(x, y, beta=0.75)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["adam(w, first, second, rate, eps=1e-6, decay=0)"],
        result: "`w` less `rate` times the first moment divided by the root of the second one + `eps`, and `rate` times \
                 `decay` times `w`",
        apply: |p, c| {
            let (moments, rate) = ((c.matrix(1)?, c.matrix(2)?), c.rate(3)?);
            let (epsilon, decay) = (c.number_given("eps", 1e-6)?, c.number_given("decay", 0.0)?);
            Ok(p.adam(c.matrix(0)?, moments, rate, epsilon, decay)?)
        },
        samples: &[sample("adam(x, y, x * x, 0.125, eps=0.001)", SMALL)],
        accuracy: &[],
    },
    Function {
        forms: &["clip_norm(gradient, most) with a constant most"],
        result: "the gradient, scaled down to the norm `most` where its norm is larger",
        apply: |p, c| Ok(p.clip_norm(c.matrix(0)?, c.constant(1)?)?),
        samples: &[of_matrices("clip_norm(sum(x, axis=0), 3)")],
        accuracy: &[],
    },
];

#[cfg(test)]
mod tests {
    use crate::program::expression::{Names, add_step};
    use crate::program::{Dims, Program, ProgramError, ValueId};
    use crate::ring::{FixedPoint, Ring};
    use crate::share::PartyId;

    fn program(fraction_bits: u32) -> (Program, Names) {
        let codec = FixedPoint::new(Ring::Z64, fraction_bits).expect("a codec");
        let (mut program, mut names) = (Program::new(2, codec), Names::new());
        for name in ["w", "m", "v"] {
            let dims = Dims::new(&[2, 3]).expect("two axes");
            let value: Result<ValueId, ProgramError> = program.input(name, PartyId(0), dims, None);
            names.insert(name.to_owned(), value.expect("an input"));
        }
        (program, names)
    }

    #[test]
    fn an_eps_that_rounds_to_zero_is_refused() {
        let refused = |fraction_bits, step| {
            let (mut program, mut names) = program(fraction_bits);
            add_step(&mut program, &mut names, 1, step).map(drop).map_err(|error| error.to_string())
        };
        let message = refused(16, "z = adam(w, m, v, 0.1)").expect_err("2^-16 is more than 1e-6");
        assert!(message.contains("epsilon = 0.000001 must be at least 6.10"), "{message}");
        assert_eq!(refused(24, "z = adam(w, m, v, 0.1)"), Ok(()));
        let message = refused(24, "z = adam(w, m, v, 0.1, eps=1e-8)").expect_err("2^-24 is more than 1e-8");
        assert!(message.contains("epsilon"), "{message}");
        let message = refused(24, "z = clip_norm(w, 0.00001)").expect_err("squares of 1e-10");
        assert!(message.contains("clip_norm"), "{message}");
    }
}
