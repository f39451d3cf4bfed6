//! Device memory as `vram` plans it, as budgets bound it, and as reports show it.

use crate::support::{Folder, data, error_line, job, json, stderr};
use ndarray::Array2;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> Folder {
    let folder = Folder::new();
    data(&folder);
    folder.text("job.toml", &job(64, 16, "z = relu(x @ w)"));
    folder
}

/// A product of two matrices of 256 × 256.
fn large() -> Folder {
    let folder = Folder::new();
    for name in ["x.npy", "w.npy"] {
        folder.npy(name, &Array2::from_shape_fn((256, 256), |(row, col)| ((row * 7 + col * 3) % 11) as f64));
    }
    folder.text("job.toml", &job(64, 0, "z = x @ w"));
    folder
}

#[test]
fn what_is_planned_is_what_the_ledger_measures() {
    let report = json(&folder().run(&["vram", "job.toml", "--measure", "--device", "cpu", "--json"]));
    let plain = report["plain_bytes"].as_u64().expect("the plain computation's memory");
    assert_eq!(plain, (2 * 3 + 3 * 2 + 2 * 2) * 8, "two operands and the product");
    for protocol in report["protocols"].as_array().expect("protocols") {
        for party in protocol["parties"].as_array().expect("parties") {
            assert_eq!(party["planned_bytes"], party["measured_bytes"], "{party}");
            assert_eq!(party["planned_by_class"], party["measured_by_class"], "{party}");
        }
        assert!(
            protocol["factor"].as_f64() > Some(1.0),
            "shares and masks take more than the values: {protocol}"
        );
        assert!(protocol["least"]["factor"].as_f64() <= protocol["factor"].as_f64());
    }
}

#[test]
fn a_refused_budget_names_the_smallest_that_would_do() {
    let folder = large();
    let output = folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--budget", "20KiB"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let line = error_line(&output);
    let needed =
        line.split("needs ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number of bytes");
    let within =
        json(&folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--budget", needed, "--json"]));
    let z: Array2<i64> = folder.read("z.npy");
    let expected = Array2::from_shape_fn((256, 256), |(row, col)| ((row * 7 + col * 3) % 11) as i64);
    assert_eq!(z, expected.dot(&expected), "the result within {needed} bytes");
    let most = within["parties"]
        .as_array()
        .expect("parties")
        .iter()
        .map(|party| party["vram_peak_bytes"].as_u64().expect("a peak"));
    assert!(most.max() <= needed.parse().ok(), "{needed}");
}

#[test]
fn a_sweep_draws_time_against_budget_into_a_page() {
    let folder = large();
    let output = folder.run(&[
        "vram",
        "job.toml",
        "--budget-sweep",
        "--tile",
        "64",
        "--device",
        "cpu",
        "--svg",
        "bars.svg",
        "--report",
        "page",
        "--json",
    ]);
    let report = json(&output);
    let sweep = report["protocols"][0]["sweep"].as_array().expect("budgets");
    let sizes: Vec<u64> = sweep.iter().map(|point| point["planned_bytes"].as_u64().expect("bytes")).collect();
    assert!(sizes.len() > 3 && sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    assert!(sizes[sizes.len() - 1] * 4 < sizes[0], "the least is far below: {sizes:?}");
    assert!(std::fs::read_to_string(folder.path("bars.svg")).expect("a chart").starts_with("<svg"));
    let page = std::fs::read_to_string(folder.path("page/report.html")).expect("a page");
    assert!(page.contains("time against budget") && page.contains("Plain against private"), "{page}");
}

#[test]
fn a_network_is_answered_for_without_data() {
    let arguments =
        ["vram", "--model", "lenet", "--batch", "2", "--memory", "1GiB", "--device", "cpu", "--json"];
    let report = json(&Folder::new().run(&arguments));
    let beaver = &report["protocols"][0];
    assert_eq!(beaver["fits"], true, "{beaver}");
    assert!(beaver["online_s"].as_f64() > Some(0.0), "{beaver}");
    assert_eq!(beaver["layers"].as_array().map(Vec::len), Some(6));
    let tiny =
        Folder::new().run(&["vram", "--model", "lenet", "--memory", "1KiB", "--device", "cpu", "--json"]);
    assert_eq!(json(&tiny)["protocols"][0]["fits"], false);
    let unknown = Folder::new().run(&["vram", "--model", "lennet"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(error_line(&unknown).contains("networks that come with symbolon: lenet, vgg16"));
}

#[test]
fn a_run_reports_memory_over_time() {
    let folder = folder();
    json(&folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--report", "page", "--json"]));
    let page = std::fs::read_to_string(folder.path("page/report.html")).expect("a page");
    for part in ["party 0: memory in use over time", "What every lane did when", "Environment", "<path"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains("src="), "nothing comes from elsewhere");
}

/// Where Chromium is, if it is.
fn chromium() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&paths)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.exists())
}

/// How wide a page of a report would be, shown in Chromium within a frame so wide: a window cannot be as narrow as a
/// phone. The page itself forbids scripts, so the line that does is left out.
fn needed_width(chromium: &Path, folder: &Folder, page: &str, width: u32) -> u32 {
    let measure = "<script>parent.postMessage(document.documentElement.scrollWidth, '*')</script></body>";
    let framed = page
        .split_inclusive('\n')
        .filter(|line| !line.contains("Content-Security-Policy"))
        .collect::<String>()
        .replace("</body>", measure);
    folder.text("framed.html", &framed);
    let frame = format!(
        "<body><script>onmessage = event => document.title = event.data</script>\
         <iframe src='framed.html' style='border: 0; width: {width}px; height: 800px'></iframe></body>"
    );
    folder.text("frame.html", &frame);
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", folder.path(&format!("profile{width}")).display()))
        .args(["--window-size=1600,900", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("file://{}", folder.path("frame.html").display()))
        .output()
        .expect("Chromium starts");
    let shown = String::from_utf8_lossy(&output.stdout);
    let title = shown.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.and_then(|title| title.parse().ok()).unwrap_or_else(|| panic!("a width in {shown}"))
}

#[test]
fn pages_fit_a_desktop_and_a_phone() {
    let Some(chromium) = chromium() else {
        assert!(std::env::var_os("SYMBOLON_REQUIRE_CHROMIUM").is_none(), "Chromium shows the pages");
        eprintln!("SKIPPED: there is no Chromium on this machine to show the pages");
        return;
    };
    let folder = folder();
    json(&folder.run(&["run", "job.toml", "--local", "--device", "cpu", "--report", "run", "--json"]));
    let vram: Value = json(&folder.run(&[
        "vram",
        "job.toml",
        "--budget-sweep",
        "--device",
        "cpu",
        "--report",
        "vram",
        "--json",
    ]));
    assert!(vram["protocols"].is_array());
    for name in ["run/report.html", "vram/report.html"] {
        let page = std::fs::read_to_string(folder.path(name)).expect("a page");
        for width in [1280, 360] {
            let needed = needed_width(&chromium, &folder, &page, width);
            assert!(needed <= width, "{name} scrolls sideways at {width} pixels: it needs {needed}");
        }
    }
}
