//! The command as a user runs it: exit status, stderr and files.

#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod files;
#[cfg(unix)]
mod identities;
mod jobs;
#[cfg(target_os = "linux")]
mod processes;
mod refusals;
mod reports;
#[cfg(unix)]
mod stores;
mod support;
mod vram;
