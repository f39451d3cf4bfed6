//! The errors of gradients.

use crate::program::Dims;

/// The reason why there is no gradient.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GradientError {
    /// A loss of several numbers.
    #[error(
        "grad is of a loss that is a single number, and {label} has shape {shape}: take its sum or its mean"
    )]
    NotOneNumber {
        /// The loss.
        label: String,
        /// Its shape.
        shape: Dims,
    },
    /// Integers, which do not vary.
    #[error("{label} counts in integers, which have no gradient")]
    Integers {
        /// The loss or the value.
        label: String,
    },
    /// A loss that is the same whatever the value is.
    #[error("{loss} does not depend on {label}: there is no gradient")]
    Independent {
        /// The loss.
        loss: String,
        /// The value.
        label: String,
    },
    /// A step between the value and the loss that jumps.
    #[error(
        "{label} in step {step} depends on {of} and has no derivative: take the gradient of a loss without it"
    )]
    NoDerivative {
        /// The step.
        step: String,
        /// What has none.
        label: String,
        /// The value.
        of: String,
    },
    /// An argument by which a function has no derivative.
    #[error("{function} has no derivative by its {argument}")]
    NoDerivativeBy {
        /// The call.
        function: String,
        /// The argument.
        argument: &'static str,
    },
}
