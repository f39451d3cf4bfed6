//! The choice of a device by the name that a user gives.
//!
//! `auto` is a discrete GPU, otherwise an integrated one, otherwise the processor. `gpu` is the best real GPU.
//! `cpu` is the processor. Anything else names an adapter: `gpu:1`, or `1` where there are as many, by its place in the
//! survey, `0000:41:00.0` or `41:00.0` by its PCI bus id, other names by a part of the adapter's own. Several devices have
//! commas between them. A software adapter, which computes on the processor and slower than the CPU device does, is only
//! ever taken by name.

use super::cpu::{self, Cpu};
use super::gpu::{
    Adapter, AdapterKind, Autotune, Gpu, GpuOptions, MatrixUnits, MatrixUnitsState, Tuning, adapters,
    probe_matrix_units, remembered_tuning,
};
use super::{Device, DeviceError};
use serde::Serialize;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Options for opening a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceOptions {
    /// Threads of the CPU device; by default as many as the process may use.
    pub threads: Option<usize>,
    /// The most bytes that the device may have allocated at a time.
    pub budget_bytes: Option<u64>,
    /// Whether matrix products run on a GPU's matrix units.
    pub matrix_units: MatrixUnits,
    /// Skips the measurement by which a GPU's first opening finds the fastest way to compute products.
    pub no_autotune: bool,
}

impl DeviceOptions {
    fn autotune(&self) -> Autotune {
        if self.no_autotune { Autotune::Off } else { Autotune::Auto }
    }
}

/// A choice of device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU where there is a real one, otherwise the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The best real GPU.
    Gpu,
    /// One adapter: by its place (`gpu:1`), its PCI bus id (`41:00.0`) or a part of its name.
    Named(String),
}

impl DeviceChoice {
    /// One choice, or several with commas between them; a comma within parentheses belongs to a name.
    pub fn list(text: &str) -> Vec<DeviceChoice> {
        let mut depth = 0;
        let choices = text.split(|letter| {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            letter == ',' && depth == 0
        });
        choices.map(|choice| DeviceChoice::from_str(choice.trim()).unwrap_or_default()).collect()
    }
}

impl FromStr for DeviceChoice {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<DeviceChoice, Infallible> {
        Ok(match text.to_lowercase().as_str() {
            "auto" => DeviceChoice::Auto,
            "cpu" => DeviceChoice::Cpu,
            "gpu" => DeviceChoice::Gpu,
            _ => DeviceChoice::Named(text.to_owned()),
        })
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceChoice::Auto => "auto",
            DeviceChoice::Cpu => "cpu",
            DeviceChoice::Gpu => "gpu",
            DeviceChoice::Named(name) => name,
        })
    }
}

/// The devices of this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The processor.
    pub cpu: CpuSurvey,
    /// The adapters; their places are what `gpu:0`, `gpu:1` and so on name.
    pub adapters: Vec<Adapter>,
    /// For each adapter, whether its matrix units compute products exactly.
    pub matrix_units: Vec<MatrixUnitsState>,
    /// For each adapter, the way in which it computes products, where that was measured.
    pub tuning: Vec<Option<Tuning>>,
    /// The device that `auto` opens: `cpu`, or an adapter's place.
    pub auto: String,
    /// The reason for that choice.
    pub reason: String,
}

/// The processor as a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CpuSurvey {
    /// Its name.
    pub name: String,
    /// The widest SIMD level it has.
    pub simd: String,
    /// Threads that this process may use.
    pub threads: usize,
}

/// Opens a device.
///
/// # Errors
/// Where there is no such device, listing those there are, or it does not open. `auto` falls back to the processor
/// where a driver refuses or fails.
pub fn open(choice: &DeviceChoice, options: &DeviceOptions) -> Result<Arc<dyn Device>, DeviceError> {
    let open_cpu = || Ok(Arc::new(Cpu::open(options.threads, options.budget_bytes)?) as Arc<dyn Device>);
    if *choice == DeviceChoice::Cpu {
        // Drivers are not even loaded.
        return open_cpu();
    }
    let adapters = adapters();
    let Pick::Adapter(place) = pick(choice, &candidates(&adapters))? else { return open_cpu() };
    let gpu_options = GpuOptions {
        budget_bytes: options.budget_bytes,
        matrix_units: options.matrix_units,
        autotune: options.autotune(),
        ..GpuOptions::default()
    };
    match Gpu::open(&adapters[place], gpu_options) {
        // The device's description says what it became.
        Err(error) if *choice == DeviceChoice::Auto && does_not_open(&error) => open_cpu(),
        opened => Ok(Arc::new(opened?)),
    }
}

/// Opens several devices, each with a budget of its own; those that are the processor divide its threads.
///
/// # Errors
/// As [`open`].
pub fn open_all(
    choices: &[DeviceChoice],
    options: &DeviceOptions,
) -> Result<Vec<Arc<dyn Device>>, DeviceError> {
    let processors = choices.iter().filter(|&choice| *choice == DeviceChoice::Cpu).count();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let options = match processors {
        0 | 1 => *options,
        _ => {
            let threads = (options.threads.unwrap_or_else(cores) / processors).max(1);
            DeviceOptions { threads: Some(threads), ..*options }
        }
    };
    choices.iter().map(|choice| open(choice, &options)).collect()
}

/// The adapter that a choice names, or none where it is the processor.
///
/// # Errors
/// Where there is no such device, listing those there are.
pub fn adapter(choice: &DeviceChoice) -> Result<Option<Adapter>, DeviceError> {
    let mut adapters = adapters();
    Ok(match pick(choice, &candidates(&adapters))? {
        Pick::Adapter(place) => Some(adapters.swap_remove(place)),
        Pick::Cpu => None,
    })
}

/// Tells a failure after which another device may serve (the driver refused or failed) from a budget that is too small.
fn does_not_open(error: &DeviceError) -> bool {
    matches!(error, DeviceError::Unusable { .. } | DeviceError::Lost { .. })
}

/// Lists the devices of this machine, and the one that `auto` would open.
pub fn survey() -> Survey {
    let adapters = adapters();
    let candidates = candidates(&adapters);
    let picked = pick(&DeviceChoice::Auto, &candidates).expect("auto always finds the processor");
    let (auto, reason) = match picked {
        Pick::Adapter(place) => {
            let Candidate { name, kind, .. } = candidates[place];
            let kind = if kind == AdapterKind::Discrete { "a discrete" } else { "an integrated" };
            (format!("gpu:{place}"), format!("{name} is {kind} GPU"))
        }
        Pick::Cpu => ("cpu".to_owned(), why_no_gpu(&candidates)),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let profile = cpu::profile(Some(threads));
    let cpu = CpuSurvey { name: profile.name, simd: profile.arithmetic, threads };
    let matrix_units: Vec<_> = adapters.iter().map(probe_matrix_units).collect();
    let tuning = adapters.iter().zip(&matrix_units).map(|(adapter, units)| remembered_tuning(adapter, units));
    let tuning = tuning.collect();
    Survey { cpu, adapters, matrix_units, tuning, auto, reason }
}

/// The properties of an adapter on which the choice depends.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    name: &'a str,
    kind: AdapterKind,
    pci: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pick {
    Cpu,
    Adapter(usize),
}

fn candidates<'a>(adapters: &'a [Adapter]) -> Vec<Candidate<'a>> {
    let of = |adapter: &'a Adapter| Candidate {
        name: &adapter.name,
        kind: adapter.kind,
        pci: adapter.pci_bus_id.as_deref(),
    };
    adapters.iter().map(of).collect()
}

fn pick(choice: &DeviceChoice, candidates: &[Candidate<'_>]) -> Result<Pick, DeviceError> {
    // The best kind first, and of one kind the first.
    let best = |accepts: &dyn Fn(&Candidate<'_>) -> bool| {
        let accepted = candidates.iter().enumerate().filter(|(_, candidate)| accepts(candidate));
        accepted.min_by_key(|(_, candidate)| candidate.kind).map(|(place, _)| Pick::Adapter(place))
    };
    let found = match choice {
        DeviceChoice::Cpu => Some(Pick::Cpu),
        DeviceChoice::Auto => {
            let is_sure = |kind| matches!(kind, AdapterKind::Discrete | AdapterKind::Integrated);
            best(&|candidate| is_sure(candidate.kind)).or(Some(Pick::Cpu))
        }
        DeviceChoice::Gpu => best(&|candidate| candidate.kind != AdapterKind::Software),
        DeviceChoice::Named(name) => match (place(name, candidates.len()), pci_bus_id(name)) {
            (Some(place), _) => (place < candidates.len()).then_some(Pick::Adapter(place)),
            (None, Some(wanted)) => best(&|candidate| candidate.pci.and_then(pci_bus_id) == Some(wanted)),
            (None, None) => {
                let wanted = name.to_lowercase();
                best(&|candidate| !wanted.is_empty() && candidate.name.to_lowercase().contains(&wanted))
            }
        },
    };
    found.ok_or_else(|| DeviceError::Unknown { wanted: choice.to_string(), available: available(candidates) })
}

/// The number in `gpu:1`, or a number alone if there are so many adapters: `3090` is a part of a name.
fn place(name: &str, adapters: usize) -> Option<usize> {
    match name.to_lowercase().strip_prefix("gpu:") {
        Some(number) => number.parse().ok(),
        None => name.parse().ok().filter(|&place| place < adapters),
    }
}

/// Domain, bus, device and function of a PCI bus id; where no domain is written it is 0.
fn pci_bus_id(text: &str) -> Option<[u32; 4]> {
    let (slot, function) = text.rsplit_once('.')?;
    let parts: Vec<&str> = slot.split(':').collect();
    let [domain, bus, device] = match parts[..] {
        [domain, bus, device] => [domain, bus, device],
        [bus, device] => ["0", bus, device],
        _ => return None,
    };
    let mut id = [0; 4];
    for (number, text) in id.iter_mut().zip([domain, bus, device, function]) {
        *number = u32::from_str_radix(text, 16).ok()?;
    }
    Some(id)
}

fn available(candidates: &[Candidate<'_>]) -> Vec<String> {
    let adapter = |(place, candidate): (usize, &Candidate<'_>)| {
        let software = if candidate.kind == AdapterKind::Software { ", software" } else { "" };
        let pci = candidate.pci.map_or_else(String::new, |id| format!(", {id}"));
        format!("gpu:{place} ({}{pci}{software})", candidate.name)
    };
    let adapters = candidates.iter().enumerate().map(adapter);
    ["auto", "cpu"].map(String::from).into_iter().chain(adapters).collect()
}

fn why_no_gpu(candidates: &[Candidate<'_>]) -> String {
    if candidates.is_empty() {
        return "no graphics driver offers an adapter".to_owned();
    }
    if candidates.iter().all(|candidate| candidate.kind == AdapterKind::Software) {
        return "the only adapters compute on the processor themselves, slower than it does directly"
            .to_owned();
    }
    "no adapter is known to be a discrete or integrated GPU; name one to use it".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTWARE: Candidate<'_> =
        Candidate { name: "llvmpipe (LLVM 15)", kind: AdapterKind::Software, pci: None };
    const INTEGRATED: Candidate<'_> = Candidate { name: "Iris Xe", kind: AdapterKind::Integrated, pci: None };
    const DISCRETE: Candidate<'_> = Candidate { name: "Radeon Pro", kind: AdapterKind::Discrete, pci: None };
    const VIRTUAL: Candidate<'_> = Candidate { name: "Virtio", kind: AdapterKind::Virtual, pci: None };

    fn picked(choice: &str, candidates: &[Candidate<'_>]) -> Result<Pick, DeviceError> {
        let Ok(choice) = choice.parse();
        pick(&choice, candidates)
    }

    #[test]
    fn auto_takes_real_gpus_only() {
        assert_eq!(picked("auto", &[]), Ok(Pick::Cpu));
        assert_eq!(picked("auto", &[SOFTWARE, VIRTUAL]), Ok(Pick::Cpu));
        assert_eq!(picked("auto", &[SOFTWARE, INTEGRATED]), Ok(Pick::Adapter(1)));
        assert_eq!(picked("Auto", &[SOFTWARE, INTEGRATED, DISCRETE]), Ok(Pick::Adapter(2)));
    }

    #[test]
    fn a_gpu_is_never_software() {
        assert_eq!(picked("gpu", &[SOFTWARE, VIRTUAL]), Ok(Pick::Adapter(1)));
        let message = picked("gpu", &[SOFTWARE]).unwrap_err().to_string();
        assert_eq!(
            message,
            "there is no device 'gpu'; there are: auto, cpu, gpu:0 (llvmpipe (LLVM 15), software)"
        );
    }

    #[test]
    fn names_are_parts_or_places() {
        let all = [SOFTWARE, INTEGRATED, DISCRETE];
        assert_eq!(picked("LLVMpipe", &all), Ok(Pick::Adapter(0)));
        assert_eq!(picked("radeon", &all), Ok(Pick::Adapter(2)));
        assert_eq!(picked("gpu:1", &all), Ok(Pick::Adapter(1)));
        assert_eq!(picked("1", &all), Ok(Pick::Adapter(1)));
        assert_eq!(picked("15", &all), Ok(Pick::Adapter(0)), "LLVM 15 is a part of a name");
        for wanted in ["gpu:3", "geforce", ""] {
            assert!(matches!(picked(wanted, &all), Err(DeviceError::Unknown { .. })), "{wanted}");
        }
    }

    #[test]
    fn adapters_of_one_name_differ_by_where_they_are() {
        let card = |pci| Candidate { pci: Some(pci), ..DISCRETE };
        let all = [SOFTWARE, card("0000:41:00.0"), card("0000:c1:00.0"), card("0001:41:00.0")];
        for (wanted, place) in
            [("41:00.0", 1), ("0000:C1:00.0", 2), ("00000000:c1:00.0", 2), ("0001:41:00.0", 3)]
        {
            assert_eq!(picked(wanted, &all), Ok(Pick::Adapter(place)), "{wanted}");
        }
        let message = picked("42:00.0", &all[..2]).unwrap_err().to_string();
        assert_eq!(
            message,
            "there is no device '42:00.0'; there are: auto, cpu, gpu:0 (llvmpipe (LLVM 15), software), gpu:1 (Radeon \
             Pro, 0000:41:00.0)"
        );
    }

    #[test]
    fn choices_are_read_as_they_are_written() {
        for choice in ["auto", "cpu", "gpu", "Radeon", "gpu:2"] {
            let Ok(parsed) = choice.parse::<DeviceChoice>();
            assert_eq!(parsed.to_string(), choice);
        }
    }

    #[test]
    fn several_devices_have_commas_between_them() {
        let list = |text: &str| -> Vec<String> {
            DeviceChoice::list(text).iter().map(DeviceChoice::to_string).collect()
        };
        assert_eq!(list("gpu:0, gpu:1,cpu"), ["gpu:0", "gpu:1", "cpu"]);
        assert_eq!(list("auto"), ["auto"]);
        assert_eq!(list("llvmpipe (LLVM 15, 256 bits),cpu"), ["llvmpipe (LLVM 15, 256 bits)", "cpu"]);
    }

    #[test]
    fn devices_that_are_the_processor_divide_its_threads() {
        let options = DeviceOptions { threads: Some(5), ..DeviceOptions::default() };
        let devices = open_all(&DeviceChoice::list("cpu,cpu"), &options).expect("they open");
        let drivers: Vec<&str> = devices.iter().map(|device| device.description().driver.as_str()).collect();
        assert!(drivers.iter().all(|driver| driver.contains('2')), "two threads each: {drivers:?}");
        assert_eq!(devices.len(), 2);
    }

    #[test]
    fn auto_gives_up_on_drivers_only() {
        let (device, reason) = ("Radeon Pro".to_owned(), "it was reset".to_owned());
        assert!(does_not_open(&DeviceError::Lost { device: device.clone(), reason: reason.clone() }));
        assert!(does_not_open(&DeviceError::Unusable { device, reason }));
        let class = crate::step::MemoryClass::Staging;
        let refused = DeviceError::OverBudget { size_bytes: 2, class, live_bytes: 0, budget_bytes: 1 };
        assert!(!does_not_open(&refused));
    }

    #[test]
    fn an_adapter_opens_by_its_place() {
        let Some(first) = survey().adapters.into_iter().next() else {
            crate::device::gpu::tests::skip_without_adapter();
            return;
        };
        let choice = DeviceChoice::Named("gpu:0".to_owned());
        let options = DeviceOptions { budget_bytes: Some(1 << 20), ..DeviceOptions::default() };
        let device = open(&choice, &options).expect("opens");
        assert_eq!(device.description().name, first.name);
        assert!(device.description().staging_bytes < 1 << 20);
    }

    #[test]
    fn the_processor_is_always_there() {
        let device =
            open(&DeviceChoice::Cpu, &DeviceOptions { threads: Some(1), ..DeviceOptions::default() });
        let survey = survey();
        assert_eq!(device.expect("opens").description().arithmetic, survey.cpu.simd);
        assert!(survey.auto == "cpu" || survey.auto.starts_with("gpu:"));
        let json = serde_json::to_value(&survey).expect("a survey is plain data");
        assert_eq!(json["cpu"]["threads"], survey.cpu.threads);
    }
}
