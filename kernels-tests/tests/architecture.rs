//! The architecture, enforced by reading the sources: which module may import which, where a crate may be named, and one
//! stem for each kernel. The security page names only tests that exist.

use std::fs;
use std::path::{Path, PathBuf};
use symbolon::step::STEMS;

/// The modules from the bottom up: each imports only from those before it.
const FLOORS: [&str; 16] = [
    "memory",
    "ring",
    "ot",
    "lattice",
    "share",
    "circuit",
    "step",
    "device",
    "net",
    "program",
    "correlation",
    "protocol",
    "plan",
    "run",
    "session",
    "testing",
];

/// The layers of `net` from the bottom up, each a file or a folder.
const NET_LAYERS: [&str; 16] = [
    "deadlines",
    "address",
    "streams",
    "shape",
    "interrupt",
    "activity",
    "identity",
    "frame",
    "error",
    "stream",
    "link",
    "connect",
    "measure",
    "memory",
    "tamper",
    "fuzz",
];

/// Imports that the order alone would allow.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    ("device", &["share"]),
    ("net", &["ring", "step", "device"]),
    ("program", &["step", "device", "net"]),
    ("correlation", &["device", "net"]),
    ("protocol", &["device", "net"]),
    ("plan", &["device", "net"]),
    ("run", &["program", "correlation", "protocol"]),
];

/// Crates that only some modules name.
const CONFINED: [(&str, &[&str]); 6] = [
    ("wgpu", &["device/gpu"]),
    ("ash", &["device/gpu"]),
    ("tokio", &["net", "run", "session"]),
    ("rustls", &["net"]),
    ("rayon", &["device/cpu", "circuit", "lattice"]),
    ("curve25519_dalek", &["ot"]),
];

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder")
}

/// Every source file below `src`, by its path from there; tests are free to import.
fn sources() -> Vec<(String, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a source folder") {
            let path = entry.expect("a source file").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path
                .strip_prefix(root().join("src"))
                .expect("below src")
                .to_string_lossy()
                .replace('\\', "/");
            if name.contains("tests") || !name.ends_with(".rs") || !name.contains('/') {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source text");
            let code = text.split("\nmod tests {").next().expect("a first part").to_owned();
            sources.push((name, code));
        }
    }
    assert!(sources.len() > 50, "the sources are found");
    sources
}

/// The modules of this crate that a text names after `crate::`.
fn imports(code: &str) -> Vec<String> {
    let mut imports = Vec::new();
    let code_lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    for rest in code_lines.flat_map(|line| line.split("crate::").skip(1).collect::<Vec<_>>()) {
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_ascii_lowercase()).collect();
            if FLOORS.contains(&name.as_str()) {
                imports.push(name);
            }
        }
    }
    imports
}

#[test]
fn modules_import_only_from_those_below() {
    let floor =
        |module: &str| FLOORS.iter().position(|&name| name == module).expect("a module of the house plan");
    for (file, code) in sources() {
        let module = file.split('/').next().expect("a module");
        for import in imports(&code) {
            assert!(import == module || floor(&import) < floor(module), "{file} imports {import} from above");
            let forbidden =
                FORBIDDEN.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, names)| names);
            assert!(!forbidden.contains(&import.as_str()), "{file} must not import {import}");
        }
    }
}

#[test]
fn the_layers_of_net_import_only_from_those_below() {
    let layer = |name: &str| NET_LAYERS.iter().position(|&layer| layer == name);
    for (file, code) in sources() {
        let Some(own) = file.strip_prefix("net/").filter(|&path| path != "mod.rs") else { continue };
        let (name, root) = match own.split_once('/') {
            Some((folder, _)) => (folder, "super::super::"),
            None => (own.trim_end_matches(".rs"), "super::"),
        };
        let floor = layer(name).unwrap_or_else(|| panic!("{file} is of no layer of net"));
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        assert!(
            !code.iter().any(|line| line.contains(root)),
            "{file} names layers by crate::net, not by {root}"
        );
        for rest in code.iter().flat_map(|line| line.split("crate::net::").skip(1)) {
            let import: String = rest.chars().take_while(|c| c.is_ascii_lowercase()).collect();
            let below = layer(&import).is_some_and(|import| import <= floor);
            assert!(below, "{file} imports crate::net::{import} from above, or by a re-export");
        }
    }
}

#[test]
fn crates_stay_where_they_belong() {
    for (file, code) in sources() {
        for (name, modules) in CONFINED {
            let path = format!("{name}::");
            let is_named = |line: &str| {
                line.match_indices(&path).any(|(at, _)| {
                    !line[..at].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_')
                })
            };
            let named = code.lines().any(|line| !line.trim_start().starts_with("//") && is_named(line));
            let allowed = modules.iter().any(|module| file.starts_with(&format!("{module}/")));
            assert!(allowed || !named, "{file} names {name}, which belongs to {modules:?}");
        }
    }
}

/// Whether a line of code decides by which protocol it is: compares one, or matches on one.
fn branches_on_the_protocol(line: &str) -> bool {
    let names_one = |text: &str| {
        let name = text.trim_start_matches(['&', '(', ' ']).strip_prefix("Protocol::");
        name.is_some_and(|name| {
            name.starts_with(|first: char| first.is_ascii_uppercase()) && !name.starts_with("ALL")
        })
    };
    let is_arm = || {
        let (pattern, _) = line.split_once("=>").unwrap_or_default();
        names_one(pattern.trim_start())
    };
    let operands = line.split("==").skip(1).chain(line.split("!=").skip(1));
    let is_compared =
        operands.into_iter().any(names_one) || line.contains("protocol ==") || line.contains("protocol !=");
    let is_bound = line.split("let ").skip(1).any(names_one);
    let is_matched = line.contains("matches!(") && line.contains("rotocol")
        || line.contains("match ") && line.trim_end().ends_with("protocol {");
    is_arm() || is_compared || is_bound || is_matched
}

/// Every Rust file of the workspace, by its path from there.
fn all_sources() -> Vec<(PathBuf, String)> {
    let (mut sources, mut folders) =
        (Vec::new(), ["src", "tools", "benches", "kernels-tests"].map(|name| root().join(name)).to_vec());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("a source file").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source text");
                sources.push((path.strip_prefix(root()).expect("below the workspace").to_owned(), text));
            }
        }
    }
    sources
}

#[test]
fn only_protocols_know_which_protocol_it_is() {
    let branching = [
        "if protocol == Protocol::Beaver {",
        "Protocol::Beaver => 2,",
        "let Protocol::Beaver = protocol else",
        "match job.protocol {",
        "matches!(protocol, Protocol::Beaver)",
    ];
    assert!(branching.into_iter().all(branches_on_the_protocol), "each of these is one");
    let free = [
        "World::new(Protocol::Beaver, device)",
        "for protocol in Protocol::ALL {",
        "[(Protocol::Beaver, 1)]",
    ];
    assert!(!free.into_iter().any(branches_on_the_protocol), "none of these is one");
    let mut protocols = 0;
    for (file, text) in all_sources() {
        if file.starts_with("src/protocol") || file.ends_with("architecture.rs") {
            protocols += 1;
            continue;
        }
        let found =
            text.lines().find(|line| !line.trim_start().starts_with("//") && branches_on_the_protocol(line));
        assert_eq!(found, None, "{} asks which protocol it is; only src/protocol may", file.display());
    }
    assert!(protocols > 10, "the protocols are found");
}

/// What all protocols share must do without any of them, and without the toolkit that only some call.
#[test]
fn what_protocols_share_names_none_of_them() {
    let shared = ["lowering", "local", "moves", "emit", "cost", "rules"];
    for stem in shared {
        let text = fs::read_to_string(root().join(format!("src/protocol/{stem}.rs"))).expect("a shared file");
        let mut uses = text.lines().filter(|line| line.starts_with("use "));
        let named =
            uses.find(|line| ["dealt", "beaver", "replicated"].iter().any(|name| line.contains(name)));
        assert_eq!(named, None, "src/protocol/{stem}.rs");
    }
}

/// The text of every Rust file below a folder.
fn texts_below(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a source file").path();
        if path.is_dir() && !path.ends_with("target") {
            texts.extend(texts_below(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            texts.push(fs::read_to_string(&path).expect("a source text"));
        }
    }
    texts
}

/// The names of functions that are tests, in a source text.
fn tests_in(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        let signature = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some((name, _)) = signature.and_then(|signature| signature.split_once('('))
            && std::mem::take(&mut is_test)
        {
            names.push(name);
        }
    }
    names
}

#[test]
fn the_security_page_names_tests_that_there_are() {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("the page");
    let (_, page) = page.split_once("\n## What each can do\n").expect("what each can do");
    let section = page.split("\n## ").next().expect("a section");
    let texts = [texts_below(&root().join("src")), texts_below(&root().join("tools"))].concat();
    let tests: Vec<&str> = texts.iter().flat_map(|text| tests_in(text)).collect();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut named = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().expect("a last cell");
        for name in cell.split(", ").filter(|&name| name != "–") {
            assert!(tests.contains(&name.trim_matches('`')), "{name} is a test: {row}");
            named += 1;
        }
    }
    assert!(named > 20, "the table is found: {named}");
}

#[test]
fn a_kernel_has_one_stem_everywhere() {
    for stem in STEMS {
        let one_of = |paths: &[String]| paths.iter().any(|path| root().join(path).exists());
        assert!(one_of(&[format!("shaders/{stem}.wgsl")]), "shaders/{stem}.wgsl");
        let twin = [format!("src/device/cpu/{stem}.rs"), format!("src/device/cpu/{stem}/mod.rs")];
        assert!(one_of(&twin), "a CPU twin of {stem}");
        assert!(one_of(&[format!("kernels-tests/tests/{stem}.rs")]), "a test of {stem}");
    }
}
