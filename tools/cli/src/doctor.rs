//! `doctor`: the devices of this machine, and which one is taken.

use crate::failure::Failure;
use crate::output::{self, Document};
use crate::table::bytes;
use symbolon::device::select::{Survey, survey};

/// Lists the devices.
pub fn doctor(json: bool) -> Result<(), Failure> {
    let survey = survey();
    output::print(json, Document::Doctor, &survey, &text(&survey))
}

fn text(survey: &Survey) -> String {
    let cpu = &survey.cpu;
    let mut text = format!("cpu    {}\n       {}, {} thread(s)\n", cpu.name, cpu.simd, cpu.threads);
    let found = survey.adapters.iter().zip(survey.matrix_units.iter().zip(&survey.tuning));
    for (place, (adapter, (matrix_units, tuning))) in found.enumerate() {
        let (features, limits) = (&adapter.features, &adapter.limits);
        let has = |there: bool, name: &str| format!("{} {name}", if there { "has" } else { "lacks" });
        let pci = adapter.pci_bus_id.as_ref().map_or_else(String::new, |id| format!(", PCI {id}"));
        text += &format!("gpu:{place}  {} ({:?}, {}{pci})\n", adapter.name, adapter.kind, adapter.backend);
        text += &format!("       driver {}\n", adapter.driver_line());
        text += &format!(
            "       {}, {}, {}\n",
            has(features.shader_int64, "64-bit integers"),
            has(features.shader_f16, "16-bit floats"),
            has(features.cooperative_matrix, "cooperative matrices")
        );
        text += &format!("       matrix units: {matrix_units}\n");
        match tuning {
            Some(tuning) => {
                let [narrow, wide] = tuning.scalar;
                text += &format!("       products, as measured: 32 bits: {narrow}\n");
                text += &format!("                              64 bits: {wide}\n");
            }
            None if adapter.is_software() => {}
            None => text += "       products: not measured yet; the first run on it does that\n",
        }
        text += &format!(
            "       buffers of {} bytes, bindings of {}, subgroups of {} to {}\n",
            bytes(limits.max_buffer_size_bytes),
            bytes(limits.max_storage_buffer_binding_size_bytes),
            limits.subgroup_min_size,
            limits.subgroup_max_size
        );
        if !features.shader_int64 {
            text += "       64-bit elements are computed as pairs of 32-bit words, which is slower\n";
        }
        if adapter.is_software() {
            text += "       computes on the processor: for testing kernels; taken only by name\n";
        }
    }
    if survey.adapters.is_empty() {
        text += "no graphics adapter: install the vendor's Vulkan driver to compute on a GPU\n";
    }
    text += &format!("`--device auto` takes {}: {}\n", survey.auto, survey.reason);
    text
}
