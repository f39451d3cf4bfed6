//! The instruction set between protocols and the executor.
//!
//! A protocol turns each op of a program into straight-line [`Step`]s over numbered buffers, one [`StepList`] a
//! role; a plan gives those buffers their places, and the executor runs the steps without knowing what they mean.
//! Steps are pure data: equal lists are equal runs.

pub mod bits;
mod garbled;
mod kernel;
mod list;
mod rows;
mod shapes;
mod states;

pub use crate::ring::Axis;
pub use garbled::{Garbled, GarbledPart};
pub use kernel::{Access, Kernel, Loop, MOST_LOOPS, Matrix, STEMS};
pub use list::{
    Action, BufferId, BufferSpec, InputId, KeyId, MemoryClass, MessageId, OpId, Phase, PlaceId, Step,
    StepList,
};
pub use states::{StateTile, Update};
