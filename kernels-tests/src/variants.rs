//! The devices that this machine has, in every way in which they compute.

use std::io::Write;
use std::sync::{Arc, OnceLock};
use symbolon::device::Device;
use symbolon::device::cpu::{Cpu, SimdLevel};
use symbolon::device::gpu::{
    Adapter, Arithmetic, Autotune, Gpu, GpuOptions, MatrixTile, MatrixUnits, Tuning, adapters,
};

/// Threads that CPU devices are tested with: none but the caller, and a number that divides no usual size.
const THREADS: [usize; 2] = [1, 3];

/// Set to `1` where a missing GPU adapter is a failure and not a skip.
const REQUIRE_GPU: &str = "SYMBOLON_REQUIRE_GPU";

/// Set to `1` where missing matrix units are a failure and not a skip.
const REQUIRE_MATRIX_UNITS: &str = "SYMBOLON_REQUIRE_MATRIX_UNITS";

/// What a device with little memory may take: an eighth of it is for products by residues.
const SMALL_BUDGET_BYTES: u64 = 24 << 20;

/// What its bindings are limited to: a few tiles.
const MATRIX_BINDING_BYTES: u64 = 256 << 10;

/// What a binding is limited to: less than the larger cases have, more than their rows.
const SMALL_BINDING_BYTES: u64 = 64 << 10;

/// Workgroups in a row of a dispatch, beside such a binding.
const SMALL_GROUPS: u32 = 5;

/// A device, opened in one of its ways.
#[derive(Clone)]
pub struct Variant {
    /// What messages call it.
    pub name: String,
    /// The device.
    pub device: Arc<dyn Device>,
    /// What a binding is limited to, where that is less than the device's own limit.
    pub binding_limit_bytes: Option<u64>,
}

/// Every device variant, opened once per process.
///
/// # Panics
/// Where a device does not open, and where no GPU adapter is found although `SYMBOLON_REQUIRE_GPU` is 1.
pub fn variants() -> Vec<Variant> {
    static VARIANTS: OnceLock<Vec<Variant>> = OnceLock::new();
    let open = || {
        let (cpus, gpus) = (cpus(), gpus());
        if gpus.is_empty() {
            let required = std::env::var(REQUIRE_GPU).is_ok_and(|value| value == "1");
            assert!(!required, "no GPU adapter was found, and {REQUIRE_GPU} is 1");
            // Past the harness, which would keep it to itself as the tests pass.
            let notice = format!(
                "SKIPPED: no GPU adapter was found: the GPU kernels are NOT tested ({REQUIRE_GPU}=1 makes this fail)\n"
            );
            let _ = std::io::stderr().write_all(notice.as_bytes());
        }
        [cpus, gpus].concat()
    };
    VARIANTS.get_or_init(open).clone()
}

/// Every adapter with every candidate that its autotuner may choose.
///
/// # Panics
/// Where one does not open.
pub fn tuned_variants() -> Vec<Variant> {
    let ways = [("", Arithmetic::Auto), (" with pairs of words", Arithmetic::Pairs)];
    let open = |adapter: &Adapter, tuning: Tuning, (way, arithmetic): (&str, Arithmetic)| {
        let (matrix_units, autotune) = (MatrixUnits::Off, Autotune::Fixed(tuning));
        let options = GpuOptions { arithmetic, matrix_units, autotune, ..GpuOptions::default() };
        Variant {
            name: format!("{}{way}, {}", adapter.name, tuning.scalar[1]),
            device: Arc::new(Gpu::open(adapter, options).expect("an adapter opens")),
            binding_limit_bytes: None,
        }
    };
    let adapters = adapters();
    let all = adapters.iter().flat_map(|adapter| Tuning::candidates().into_iter().map(move |t| (adapter, t)));
    all.flat_map(|(adapter, tuning)| ways.map(|way| open(adapter, tuning, way))).collect()
}

/// The adapters with matrix units, on which every matrix product runs: with every number type, with tiles of every form,
/// then in narrow dispatches with little memory, so that products are cut into blocks, chunks and groups of moduli.
///
/// # Panics
/// Where they do not open, and where there are none although `SYMBOLON_REQUIRE_MATRIX_UNITS` is 1.
pub fn matrix_unit_variants() -> Vec<Variant> {
    static VARIANTS: OnceLock<Vec<Variant>> = OnceLock::new();
    let open = || {
        let found: Vec<Variant> = adapters().iter().flat_map(on_matrix_units).collect();
        if found.is_empty() {
            let required = std::env::var(REQUIRE_MATRIX_UNITS).is_ok_and(|value| value == "1");
            assert!(!required, "no adapter with matrix units was found, and {REQUIRE_MATRIX_UNITS} is 1");
            let notice = format!(
                "SKIPPED: no adapter has matrix units: products on them are NOT tested ({REQUIRE_MATRIX_UNITS}=1 makes this fail)\n"
            );
            let _ = std::io::stderr().write_all(notice.as_bytes());
        }
        found
    };
    VARIANTS.get_or_init(open).clone()
}

fn on_matrix_units(adapter: &Adapter) -> Vec<Variant> {
    let ways = [
        ("", Arithmetic::Auto, false),
        (" with pairs of words", Arithmetic::Pairs, false),
        (" with little memory", Arithmetic::Auto, true),
    ];
    let tiles = adapter.features.matrix_tiles.iter().copied();
    let all = tiles.flat_map(|tile| ways.map(|way| (tile, way)));
    let open = |(tile, (way, arithmetic, small)): (MatrixTile, (&str, Arithmetic, bool))| {
        let options = GpuOptions {
            arithmetic,
            matrix_units: MatrixUnits::Always,
            matrix_tile: Some(tile),
            autotune: Autotune::Off,
            binding_limit_bytes: small.then_some(MATRIX_BINDING_BYTES),
            groups_limit: small.then_some(SMALL_GROUPS),
            budget_bytes: small.then_some(SMALL_BUDGET_BYTES),
        };
        Variant {
            name: format!("{} on {tile}{way}", adapter.name),
            device: Arc::new(Gpu::open(adapter, options).expect("an adapter opens")),
            binding_limit_bytes: options.binding_limit_bytes,
        }
    };
    all.map(open).collect()
}

/// Every SIMD level of this processor, with one thread and with several.
fn cpus() -> Vec<Variant> {
    let levels = SimdLevel::available();
    let ways = levels.into_iter().flat_map(|level| THREADS.map(|threads| (level, threads)));
    ways.map(|(level, threads)| Variant {
        name: format!("cpu {} with {threads} threads", level.name()),
        device: Arc::new(Cpu::open_with(level, Some(threads), None).expect("an available level opens")),
        binding_limit_bytes: None,
    })
    .collect()
}

/// Every adapter with every number type; then with bindings so small that matrices are cut into panels, and with
/// dispatches so narrow that they have several rows.
fn gpus() -> Vec<Variant> {
    let ways = [
        ("", Arithmetic::Auto, false),
        (" with pairs of words", Arithmetic::Pairs, false),
        (" with small bindings", Arithmetic::Auto, true),
        (" with pairs of words and small bindings", Arithmetic::Pairs, true),
    ];
    let open = |adapter: &Adapter, (way, arithmetic, small): (&str, Arithmetic, bool)| {
        let binding_limit_bytes = small.then_some(SMALL_BINDING_BYTES);
        let options = GpuOptions {
            arithmetic,
            binding_limit_bytes,
            groups_limit: small.then_some(SMALL_GROUPS),
            matrix_units: MatrixUnits::Off,
            autotune: Autotune::Off,
            ..GpuOptions::default()
        };
        let device = Arc::new(Gpu::open(adapter, options).expect("an adapter opens"));
        Variant { name: format!("{}{way}", adapter.name), device, binding_limit_bytes }
    };
    adapters().iter().flat_map(|adapter| ways.map(|way| open(adapter, way))).collect()
}
