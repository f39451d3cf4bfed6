//! The command as a user runs it: exit status, stderr and files.

mod jobs;
mod refusals;
mod support;
