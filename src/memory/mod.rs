//! Host memory: bytes that are wiped when nobody holds them, and large pages for what is large.

pub(crate) mod huge;
pub mod wipe;
