//! `man` and `completions`: what a package installs beside the command. Both are made from the command line itself.

use crate::args::Arguments;
use crate::failure::Failure;
use crate::output;
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::Path;
use symbolon_job::files;

/// Permissions of pages, which everybody may read.
const PUBLIC: u32 = 0o644;

/// Prints a script by which `shell` completes the words of this command.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command_line(), "symbolon", &mut script);
    output::text(&String::from_utf8_lossy(&script))
}

/// Writes a manual page of the command, and one of each command below it, into `folder`, which must exist.
pub fn man(folder: &Path) -> Result<(), Failure> {
    let mut command = Arguments::command_line().disable_help_subcommand(true);
    command.build();
    let mut names = Vec::new();
    for page in pages(command) {
        let name = page.get_filename();
        let mut text = Vec::new();
        page.render(&mut text).expect("memory takes what is written");
        files::write(&folder.join(&name), &text, PUBLIC)?;
        names.push(name);
    }
    output::text(&format!("{} pages in {}: {}\n", names.len(), folder.display(), names.join(", ")))
}

/// The pages of a command and of those below it, without hidden ones.
fn pages(command: clap::Command) -> Vec<Man> {
    let shown = |below: &&clap::Command| !below.is_hide_set();
    let below: Vec<Man> = command.get_subcommands().filter(shown).cloned().flat_map(pages).collect();
    [Man::new(command)].into_iter().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_command_that_help_lists_has_a_page() {
        let folder = tempfile::tempdir().expect("a folder");
        man(folder.path()).expect("pages");
        let line = Arguments::command_line();
        for command in line.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("symbolon-{}.1", command.get_name());
            let page = std::fs::read_to_string(folder.path().join(&name)).expect(&name);
            let about = command.get_about().expect("a command is described").to_string();
            // Further on are letters that pages write in a way of their own.
            let words: Vec<&str> = about.split(' ').take(2).collect();
            assert!(page.contains(&words.join(" ")), "{name} says what the command does: {about}");
        }
        assert!(!folder.path().join("symbolon-work.1").exists(), "hidden commands have no page");
    }

    #[test]
    fn every_shell_completes_every_command() {
        for &shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command_line(), "symbolon", &mut script);
            let script = String::from_utf8(script).expect("a script is text");
            for command in ["demo", "run", "plan", "doctor"] {
                assert!(script.contains(command), "{shell} completes {command}");
            }
        }
    }
}
