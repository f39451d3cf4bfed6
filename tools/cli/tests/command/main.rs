//! The command as a user runs it: exit status, stderr and files.

#[cfg(unix)]
mod files;
mod jobs;
#[cfg(target_os = "linux")]
mod processes;
mod refusals;
mod reports;
mod support;
