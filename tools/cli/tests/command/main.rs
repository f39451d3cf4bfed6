//! The command as a user runs it: exit status, stderr and files.

mod checks;
mod circuits;
mod data;
mod documents;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod files;
mod garbled;
#[cfg(target_os = "linux")]
mod hosts;
#[cfg(unix)]
mod identities;
mod import;
mod integers;
mod jobs;
#[cfg(unix)]
mod kills;
mod nonlinear;
mod observe;
#[cfg(unix)]
mod offers;
mod pair;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(unix)]
mod proxy;
mod refusals;
mod reports;
mod rounds;
mod schema;
#[cfg(target_os = "linux")]
mod signals;
mod states;
mod statistics;
#[cfg(unix)]
mod stores;
#[cfg(unix)]
mod strangers;
mod support;
mod training;
mod vram;
