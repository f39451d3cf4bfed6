//! Every kernel against a scalar reference, on every device variant.
//!
//! A [`Case`] is a kernel over numbered host buffers. [`Case::check`] computes it with the [`mod@reference`] and on each
//! of the [`variants`]: every SIMD level of the processor with one thread and with several, and every adapter with
//! every number type. All memory is compared, bit for bit: outputs are poisoned first, so that "wrote zero" differs
//! from "never wrote"; every buffer ends in guard words; operands must be as they were.
//!
//! There is one test file per kernel, of the same stem. A failure names kernel, variant, ring, shapes, seed, and the
//! first element that differs. `tests/architecture.rs` reads the sources instead, and holds them to the house plan.

mod case;
pub mod reference;
mod shapes;
mod variants;

pub use case::{Builder, Case, Pattern};
pub use shapes::{broadcasts, extents, levels, shapes};
pub use variants::{Variant, matrix_unit_variants, tuned_variants, variants};
