//! Programs in C, compiled here against the shared library, and the header, which is made of the sources.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::{env, fs};

/// The header's beginning and end.
const HEAD: &str = "/* symbolon from C. Made of tools/capi/src by its test: SYMBOLON_WRITE_HEADER=1 writes it anew.
 *
 * Every function returns a status and writes what it gives where the caller says; symbolon_message() says why one failed.
 * Handles are numbers that are never given twice: one that was freed is refused. They may be used from several threads,
 * which then take turns.
 */
#ifndef SYMBOLON_H
#define SYMBOLON_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {
#endif

/* The version of this interface, which symbolon_version() is to be held against. */
#define SYMBOLON_VERSION 1

";
const TAIL: &str = "#ifdef __cplusplus
}
#endif

#endif
";

/// Rust's types as C writes them.
const TYPES: [(&str, &str); 13] = [
    ("*const *const c_char", "const char *const *"),
    ("*const c_char", "const char *"),
    ("*mut c_char", "char *"),
    ("*const c_void", "const void *"),
    ("*mut c_void", "void *"),
    ("f64", "double"),
    ("i64", "int64_t"),
    ("u64", "uint64_t"),
    ("u32", "uint32_t"),
    ("u8", "uint8_t"),
    ("usize", "uintptr_t"),
    ("bool", "bool"),
    ("SymbolonStatus", "SymbolonStatus"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn c_type(rust: &str) -> String {
    if let Some((_, c)) = TYPES.iter().find(|(name, _)| *name == rust) {
        return (*c).to_owned();
    }
    let pointer = rust.strip_prefix("*const ").map(|of| ("const ", of));
    let (constant, of) = pointer.or_else(|| rust.strip_prefix("*mut ").map(|of| ("", of))).expect(rust);
    format!("{constant}{} *", c_type(of))
}

fn comment(header: &mut String, lines: &[&str], indent: &str) {
    let lines: Vec<&str> = lines.iter().copied().take_while(|line| !line.starts_with("# Safety")).collect();
    let text = lines.join("\n").trim().replace('`', "").replace('\n', &format!("\n{indent} * "));
    let _ = writeln!(header, "{indent}/* {text} */");
}

/// The prototype of a function as it stands in the source, from `fn ` on.
fn prototype(source: &str) -> String {
    let (name, rest) = source.split_once('(').expect("a function has parameters");
    let (parameters, rest) = rest.split_once(')').expect("they end");
    let result = rest.split_once('{').expect("it has a body").0.trim().trim_start_matches("->").trim();
    let parameter = |text: &str| {
        let (name, kind) = text.split_once(':').expect("it has a type");
        let kind = c_type(kind.trim());
        let space = if kind.ends_with('*') { "" } else { " " };
        format!("{kind}{space}{}", name.trim())
    };
    let parameters: Vec<&str> =
        parameters.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
    let parameters: Vec<String> = parameters.into_iter().map(parameter).collect();
    let parameters = if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
    let result = c_type(result);
    let space = if result.ends_with('*') { "" } else { " " };
    format!("{result}{space}{name}({parameters});\n\n")
}

/// The header that the sources ask for.
fn header() -> String {
    let mut header = HEAD.to_owned();
    for file in ["status", "program", "session", "kernels"] {
        let source = fs::read_to_string(folder().join(format!("src/{file}.rs"))).expect("the source");
        let (mut lines, mut comments) = (source.lines().peekable(), Vec::new());
        while let Some(line) = lines.next() {
            let trimmed = line.trim();
            if let Some(text) = trimmed.strip_prefix("///") {
                comments.push(text.trim());
            } else if trimmed == "pub enum SymbolonStatus {" {
                comment(&mut header, &std::mem::take(&mut comments), "");
                header += "typedef enum SymbolonStatus {\n";
                for line in lines.by_ref().map(str::trim).take_while(|line| *line != "}") {
                    match line.strip_prefix("///") {
                        Some(text) => comments.push(text.trim()),
                        None => {
                            comment(&mut header, &std::mem::take(&mut comments), "  ");
                            let _ = writeln!(header, "  SYMBOLON_STATUS_{}", line.to_uppercase());
                        }
                    }
                }
                header += "} SymbolonStatus;\n\n";
            } else if trimmed == "#[unsafe(no_mangle)]" {
                let mut text = String::new();
                for line in lines.by_ref() {
                    text = text + line.trim() + " ";
                    if line.ends_with('{') {
                        break;
                    }
                }
                comment(&mut header, &std::mem::take(&mut comments), "");
                header += &prototype(text.split_once("fn ").expect("a function").1);
            } else if !trimmed.starts_with("#[") {
                comments.clear();
            }
        }
    }
    header + TAIL
}

#[test]
fn the_header_is_that_of_the_sources() {
    let path = folder().join("include/symbolon.h");
    if env::var_os("SYMBOLON_WRITE_HEADER").is_some() {
        fs::write(&path, header()).expect("the header");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, header(), "SYMBOLON_WRITE_HEADER=1 cargo test --test c writes it anew");
}

/// The folder in which cargo has put the shared library.
fn libraries() -> PathBuf {
    let test = env::current_exe().expect("this test");
    test.parent().expect("it is in a folder").to_owned()
}

/// Says that something is not tested, past the harness, which would keep it to itself as the test passes.
fn skipped(why: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}\n").as_bytes());
}

/// Whether a tool is on this machine; where it is not, says what is not tested.
fn has(tool: &str, untested: &str) -> bool {
    let answer = Command::new(tool).arg("--version").output();
    let is_there = answer.is_ok_and(|answer| answer.status.success());
    if !is_there {
        skipped(&format!("there is no {tool}: {untested}"));
    }
    is_there
}

/// The errors of memory for which Valgrind ends a program with a status of its own.
const VALGRIND: [&str; 6] = [
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,possible",
    "--show-leak-kinds=definite,possible",
    "--num-callers=30",
];

/// The start of a program, below Valgrind where that is on this machine.
fn watched(program: &Path) -> Command {
    if !has("valgrind", "whether programs in C use memory rightly is NOT tested") {
        return Command::new(program);
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(VALGRIND);
    valgrind.arg(format!("--suppressions={}", folder().join("tests/valgrind.supp").display())).arg(program);
    valgrind
}

/// Compiles a program, or says that there is no compiler.
fn compiled(source: &Path, into: &Path) -> Option<PathBuf> {
    let program = into.join(source.file_stem().expect("a name"));
    let (header, libraries) = (folder().join("include"), libraries());
    let mut cc = Command::new("cc");
    cc.args(["-g", "-std=c11", "-Wall", "-Wextra", "-Werror", "-D_POSIX_C_SOURCE=200809L", "-pthread", "-I"])
        .arg(header);
    cc.arg(source).arg("-o").arg(&program).arg("-L").arg(&libraries).arg("-lsymbolon_c");
    cc.arg(format!("-Wl,-rpath,{}", libraries.display()));
    match cc.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(program)
        }
        Err(error) => {
            skipped(&format!("there is no cc, and programs in C are NOT tested: {error}"));
            None
        }
    }
}

fn started(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_callers_do_and_ought_not_to_do() {
    let folder_of_test = tempfile::tempdir().expect("a folder");
    let Some(program) = compiled(&folder().join("tests/checks.c"), folder_of_test.path()) else { return };
    succeeded(&started(&mut watched(&program)).wait_with_output().expect("it ends"));
}

#[test]
fn projects_find_the_installed_library() {
    let temporary = tempfile::tempdir().expect("a folder");
    let (prefix, example) = (temporary.path().join("prefix"), folder().join("example"));
    let mut install = Command::new(folder().join("install"));
    succeeded(&started(install.arg(&prefix).arg(libraries())).wait_with_output().expect("it ends"));
    let tool = |name: &str| {
        let mut command = Command::new(name);
        command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
        command
    };
    let done =
        |command: &mut Command| succeeded(&started(command).wait_with_output().expect("the command ends"));
    // A program that finds the library and the version of its header asks for its arguments.
    let works = |program: &mut Command| {
        let output = program.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.starts_with("usage: product"), "it says {said}");
    };
    if !has("pkg-config", "that projects find the library is NOT tested") {
        return;
    }
    let said = done(tool("pkg-config").args(["--cflags", "--libs", "symbolon"]));
    let program = temporary.path().join("product");
    done(
        Command::new("cc")
            .arg(example.join("product.c"))
            .args(said.split_whitespace())
            .arg("-o")
            .arg(&program),
    );
    works(Command::new(&program).env("LD_LIBRARY_PATH", prefix.join("lib")));
    if !has("cmake", "that CMake's projects find the library is NOT tested") {
        return;
    }
    let build = temporary.path().join("build");
    let mut configure = tool("cmake");
    configure.arg("-S").arg(&example).arg("-B").arg(&build);
    done(configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display())).env_remove("PKG_CONFIG_PATH"));
    done(tool("cmake").arg("--build").arg(&build));
    works(&mut Command::new(build.join("product")));
}

#[test]
fn two_processes_in_c_multiply() {
    let temporary = tempfile::tempdir().expect("a folder");
    let Some(program) = compiled(&folder().join("example/product.c"), temporary.path()) else { return };
    let command = env!("CARGO_BIN_EXE_symbolon-capi-command");
    let nodes = temporary.path().join("nodes");
    let mut init = Command::new(command);
    succeeded(
        &started(init.args(["init", "--parties", "2", "--dealer"]).arg(&nodes))
            .wait_with_output()
            .expect("it ends"),
    );
    move_to_free_ports(&nodes);
    let dealer = nodes.join("dealer/dealer.toml");
    let mut deal = Command::new(command);
    let dealer = started(deal.args(["deal", "--device", "cpu", "--threads", "1", "--config"]).arg(dealer));
    let party = |number: &str| {
        let config = nodes.join(format!("party{number}/party.toml"));
        started(watched(&program).arg(config).arg(number))
    };
    let parties = ["0", "1"].map(party);
    let said = parties.map(|party| succeeded(&party.wait_with_output().expect("it ends")));
    succeeded(&dealer.wait_with_output().expect("it ends"));
    let lines = said.each_ref().map(|said| Vec::from_iter(said.lines()));
    assert_eq!(lines.each_ref().map(|lines| lines.len()), [2, 2]);
    let numbers =
        |line: &str| Vec::from_iter(line.split(' ').map(|number| number.parse::<f64>().expect("a number")));
    let elements = |line: &str| {
        Vec::from_iter(line.split(' ').map(|element| element.parse::<u64>().expect("an element")))
    };
    let product = [1.0, 1.25, 1.5, -4.0];
    for lines in &lines {
        let off = numbers(lines[0])
            .into_iter()
            .zip(product)
            .map(|(found, due)| (found - due).abs())
            .fold(0.0, f64::max);
        assert!(off < 0.02, "the product is {}", lines[0]);
    }
    let shares = lines.map(|lines| elements(lines[1]));
    for ((&left, &right), due) in shares[0].iter().zip(&shares[1]).zip(product) {
        let found = left.wrapping_add(right) as i64 as f64 / 65536.0;
        assert!((found - due * due).abs() < 0.01, "the shares are of {found}, and {} is due", due * due);
    }
}

/// Has nodes listen where nobody else does.
fn move_to_free_ports(nodes: &Path) {
    // Held until all are known, so that they differ.
    let taken = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let ports = taken.each_ref().map(|listener| listener.local_addr().expect("an address").port());
    for file in ["party0/party.toml", "party1/party.toml", "dealer/dealer.toml"].map(|file| nodes.join(file))
    {
        let mut text = fs::read_to_string(&file).expect("a node's file");
        for (number, port) in ports.iter().enumerate() {
            text = text.replace(&format!(":{}\"", 7000 + number), &format!(":{port}\""));
        }
        fs::write(&file, text).expect("it is written");
    }
}
