//! The `symbolon` command, for the tests of this package.

fn main() -> std::process::ExitCode {
    symbolon_cli::main()
}
