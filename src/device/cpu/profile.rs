//! The processor's name.

use super::SimdLevel;
use crate::device::Description;

/// What [`super::Cpu::open`] would open, without opening it: for reports.
pub fn profile(threads: Option<usize>) -> Description {
    describe(SimdLevel::best(), threads.unwrap_or_else(default_threads))
}

/// A device of this level and these threads.
pub(super) fn describe(level: SimdLevel, threads: usize) -> Description {
    let plural = if threads == 1 { "" } else { "s" };
    Description {
        name: processor_name(),
        driver: format!("{}, {threads} thread{plural}", level.name()),
        arithmetic: level.name().into(),
        staging_bytes: 0,
    }
}

/// As many threads as the process may use.
pub(super) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The name the operating system or the processor itself gives, otherwise the architecture's.
fn processor_name() -> String {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| model_name(&text));
    name.or_else(brand_string).unwrap_or_else(|| std::env::consts::ARCH.into())
}

fn model_name(cpuinfo: &str) -> Option<String> {
    let value = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "model name" | "Model").then(|| value.trim())
    })?;
    (!value.is_empty()).then(|| value.to_string())
}

#[cfg(target_arch = "x86_64")]
fn brand_string() -> Option<String> {
    use std::arch::x86_64::__cpuid;
    const BRAND: std::ops::RangeInclusive<u32> = 0x8000_0002..=0x8000_0004;
    if __cpuid(0x8000_0000).eax < *BRAND.end() {
        return None;
    }
    let words = BRAND.map(__cpuid).flat_map(|leaf| [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]);
    let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).take_while(|&byte| byte != 0).collect();
    let name = String::from_utf8(bytes).ok()?.trim().to_string();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(target_arch = "x86_64"))]
fn brand_string() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_from_cpuinfo() {
        assert_eq!(model_name("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n").unwrap(), "A CPU @ 2 GHz");
        assert_eq!(model_name("processor : 0\nModel : A Board\n").unwrap(), "A Board");
        assert_eq!(model_name("processor : 0\n"), None);
    }

    #[test]
    fn a_description_names_level_and_threads() {
        let description = profile(Some(1));
        assert!(!description.name.is_empty());
        assert_eq!(description.driver, format!("{}, 1 thread", SimdLevel::best().name()));
    }
}
