//! The `symbolon` command, as the package brings it along: sessions start it, and so does the console script.

use std::process::ExitCode;

fn main() -> ExitCode {
    symbolon_cli::main()
}
