//! The guide, in chapters: one for each question that users, planners and contributors ask.
//!
//! Each chapter is a Markdown file in `src/guide/`, so that it reads the same here and on the repository's page.
//!
//! | question | chapter |
//! |---|---|
//! | How do I write a job, and which functions does it know? | [`jobs`] |
//! | How do I train a model? | [`training`] |
//! | How do I run a model from scikit-learn or PyTorch? | [`models`] |
//! | How do I loop, or keep values between runs? | [`states`] |
//! | What do the protocols do, and what do they send? | [`protocols`] |
//! | How do two parties sort, hash, divide or match: any function of integers or bits? | [`circuits`] |
//! | Who makes the correlated randomness, and when? | [`correlations`] |
//! | How much device memory does a job take, and how do I limit it? | [`memory`] |
//! | How do I run parties on several machines? | [`machines`] |
//! | What runs on a GPU, and how fast? | [`gpus`] |
//! | What happens when a node fails? | [`faults`] |
//! | How fast is it, and who measured that how? | [`performance`] |
//! | How is the code organised? The life of one job, room by room. | [`architecture`] |
//! | What does this word mean? | [`glossary`] |

#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("circuits.md")]
pub mod circuits {}
#[doc = include_str!("correlations.md")]
pub mod correlations {}
#[doc = include_str!("faults.md")]
pub mod faults {}
#[doc = include_str!("glossary.md")]
pub mod glossary {}
#[doc = include_str!("gpus.md")]
pub mod gpus {}
#[doc = include_str!("jobs.md")]
pub mod jobs {}
#[doc = include_str!("machines.md")]
pub mod machines {}
#[doc = include_str!("memory.md")]
pub mod memory {}
#[doc = include_str!("models.md")]
pub mod models {}
#[doc = include_str!("performance.md")]
pub mod performance {}
#[doc = include_str!("protocols.md")]
pub mod protocols {}
#[doc = include_str!("states.md")]
pub mod states {}
#[doc = include_str!("training.md")]
pub mod training {}
