//! `bench --calibrate`: the rates of the device that is there.

use super::{BenchOptions, model};
use crate::failure::Failure;
use crate::output::{self, Document};
use std::path::Path;
use std::str::FromStr;
use symbolon::device::select::{self, DeviceChoice, DeviceOptions};
use symbolon::plan::DeviceModel;
use symbolon::run;

/// Measures, writes the file, and prints what is in it.
pub fn calibrate(path: &Path, options: &BenchOptions) -> Result<(), Failure> {
    let Ok(choice) = DeviceChoice::from_str(&options.device);
    let device_options =
        DeviceOptions { threads: options.threads.map(usize::from), ..DeviceOptions::default() };
    let device = select::open(&choice, &device_options)?;
    let measured = run::calibrate(&*device)?;
    model::write(path, &measured)?;
    output::print(options.json, Document::Bench, &measured, &text(&measured))
}

fn text(model: &DeviceModel) -> String {
    let giga = |rate: f64| rate / 1e9;
    format!(
        "{}\n  products: {:.2} G multiply-adds/s of 32 bits, {:.2} G of 64 bits\n  elementwise {:.1} GB/s, \
         generator {:.1} GB/s, upload {:.1} GB/s, download {:.1} GB/s\n  garbling and evaluating {:.1} M AND gates/s\n  {:.1} us a step, {:.1} us to start,\n  {:.1} us until bytes are there, {:.1} us to wake a thread\n",
        model.name,
        giga(model.gemm_z32_per_s),
        giga(model.gemm_z64_per_s),
        giga(model.elementwise_bytes_per_s),
        giga(model.fill_bytes_per_s),
        giga(model.upload_bytes_per_s),
        giga(model.download_bytes_per_s),
        model.garbled_gates_per_s / 1e6,
        model.step_s * 1e6,
        model.submit_s * 1e6,
        model.exchange_s * 1e6,
        model.wake_s * 1e6,
    )
}
