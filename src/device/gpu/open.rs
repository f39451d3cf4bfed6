//! Opening a GPU: what to ask of the driver, the memory that is set aside, and whether matrix units can be trusted.

use super::adapter::Adapter;
use super::device::Gpu;
use super::health::Health;
use super::lane::{LEAST_BINDING_BYTES, Lane, LaneRoom, scratch_bytes};
use super::matrix_tile::MatrixTile;
use super::options::{Arithmetic, GpuOptions, MatrixUnits};
use super::panel::{Limits, MOST_GROUPS_ACROSS};
use super::pipeline::{Parameters, Pipelines};
use super::remembered::{Key, Remembered};
use super::residue::{self, MatrixUnitsState, self_test};
use super::shader::{NumberType, Shader};
use super::transfer::Sizes;
use super::tune::Tuning;
use crate::device::{Description, DeviceError, DeviceId, Ledger};
use std::sync::{Arc, Mutex};

impl Gpu {
    /// Opens an adapter. Matrix units are used only where a product at opening is computed exactly. An adapter that is
    /// opened for the first time is measured for a second or two, unless the options say otherwise.
    ///
    /// # Errors
    /// Where the driver refuses, native arithmetic or matrix units are asked for and not there, or the budget does not
    /// hold the staging buffers.
    pub fn open(adapter: &Adapter, options: GpuOptions) -> Result<Gpu, DeviceError> {
        let mut gpu = Gpu::open_untuned(adapter, options)?;
        gpu.autotune(options.autotune, adapter.is_software())?;
        if let Some(residues) = &mut gpu.residues {
            residues.always = options.matrix_units == MatrixUnits::Always;
        }
        Ok(gpu)
    }

    fn open_untuned(adapter: &Adapter, options: GpuOptions) -> Result<Gpu, DeviceError> {
        let state = match Gpu::open_with_any_matrix_units(adapter, options) {
            Ok(gpu) => return Ok(gpu),
            Err(state) => state,
        };
        if options.matrix_units == MatrixUnits::Always {
            let reason = format!("its matrix units: {state}");
            return Err(DeviceError::Unusable { device: adapter.name.clone(), reason });
        }
        let mut gpu = Gpu::open_with(adapter, options, None)?;
        gpu.matrix_units = state;
        Ok(gpu)
    }

    /// With the first of its matrix units that compute exactly; or why those that should be fastest are not used.
    fn open_with_any_matrix_units(adapter: &Adapter, options: GpuOptions) -> Result<Gpu, MatrixUnitsState> {
        let mut first = None;
        for tile in wanted_matrix_units(adapter, options)? {
            match Gpu::open_with_matrix_units(adapter, options, tile) {
                Ok(gpu) => return Ok(gpu),
                Err(state) => {
                    tracing::warn!("{}: matrix units of {tile}: {state}", adapter.name);
                    first.get_or_insert(state);
                }
            }
        }
        Err(first.unwrap_or(MatrixUnitsState::Lacking))
    }

    fn open_with_matrix_units(
        adapter: &Adapter,
        options: GpuOptions,
        tile: MatrixTile,
    ) -> Result<Gpu, MatrixUnitsState> {
        let refused = |error: DeviceError| MatrixUnitsState::Refused { reason: error.to_string() };
        let mut gpu = Gpu::open_with(adapter, options, Some(tile)).map_err(refused)?;
        if !self_test(&gpu).map_err(refused)? {
            return Err(MatrixUnitsState::Wrong);
        }
        gpu.trim();
        gpu.ledger.restart_peak();
        gpu.matrix_units = MatrixUnitsState::On { tile };
        gpu.description.arithmetic += &on_matrix_units(tile);
        Ok(gpu)
    }

    /// With matrix units on tiles of this side, on which every product runs.
    fn open_with(
        adapter: &Adapter,
        options: GpuOptions,
        matrix_tile: Option<MatrixTile>,
    ) -> Result<Gpu, DeviceError> {
        let unusable = |reason: String| DeviceError::Unusable { device: adapter.name.clone(), reason };
        if let Some(lack) = adapter.lacks() {
            return Err(unusable(lack.to_owned()));
        }
        let wide = number_type(adapter, options.arithmetic).map_err(unusable)?;
        let limits = adapter.handle().limits();
        let (device, queue) = request(adapter.handle(), wide, matrix_tile, &limits)
            .map_err(|error| unusable(error.to_string()))?;
        let health = Health::new(&adapter.name);
        report_failures(&device, &health);

        let parameters = if adapter.is_software() { Parameters::Storage } else { Parameters::Uniform };
        let pipelines = Pipelines::new(parameters);
        if let Some(tile) = matrix_tile {
            compile_residues(&device, &pipelines, wide, tile).map_err(unusable)?;
        }
        let ledger = Ledger::new(options.budget_bytes);
        let room = LaneRoom {
            sizes: Sizes::within(options.budget_bytes),
            scratch_bytes: scratch_bytes(options.budget_bytes),
            residues: matrix_tile.zip(residue::scratch_bytes(options.budget_bytes, limits.max_buffer_size)),
        };
        let lane = Lane::new(&device, health, &ledger, room)?;
        Ok(Gpu {
            id: DeviceId::next(),
            description: Description {
                name: adapter.name.clone(),
                driver: adapter.driver_line(),
                arithmetic: wide.name().to_owned(),
                staging_bytes: lane.staging.size_bytes(),
            },
            ledger,
            device,
            queue,
            poller: lane.poller,
            counting: lane.counting,
            pool: Arc::default(),
            limits: kernel_limits(&limits, options, room.scratch_bytes),
            max_buffer_bytes: limits.max_buffer_size,
            wide,
            pipelines: Arc::new(pipelines),
            tuning: Tuning::default(),
            residues: lane.residues,
            matrix_units: MatrixUnitsState::Unused,
            state: Arc::new(Mutex::new(lane.state)),
            staging: Arc::new(lane.staging),
            turn: Arc::default(),
            is_taken: Arc::default(),
            _claim: None,
        })
    }
}

/// Whether an adapter's matrix units compute exactly, found out by opening it.
pub fn probe_matrix_units(adapter: &Adapter) -> MatrixUnitsState {
    let options = GpuOptions { matrix_units: MatrixUnits::Always, ..GpuOptions::default() };
    let opened = Gpu::open_with_any_matrix_units(adapter, options);
    opened.map_or_else(|state| state, |gpu| gpu.matrix_units.clone())
}

/// What was found when an adapter with these matrix units was measured, if it was: at its opening with default options.
pub fn remembered_tuning(adapter: &Adapter, matrix_units: &MatrixUnitsState) -> Option<Tuning> {
    let wide = number_type(adapter, Arithmetic::Auto).ok()?;
    let arithmetic = match matrix_units {
        MatrixUnitsState::On { tile } => wide.name().to_owned() + &on_matrix_units(*tile),
        _ => wide.name().to_owned(),
    };
    let key = Key::new(&adapter.name, &adapter.driver_line(), &arithmetic);
    Remembered::in_cache_folder()?.read(&key).filter(Tuning::is_sound)
}

/// What follows the arithmetic of a device with matrix units.
fn on_matrix_units(tile: MatrixTile) -> String {
    format!(", matrix units of {tile}")
}

/// What matrix units to use multiply, or why none are.
fn wanted_matrix_units(adapter: &Adapter, options: GpuOptions) -> Result<Vec<MatrixTile>, MatrixUnitsState> {
    let is_wanted = match options.matrix_units {
        MatrixUnits::Off => false,
        MatrixUnits::Auto => !adapter.is_software(),
        MatrixUnits::Always => true,
    };
    let is_allowed = |tile: &MatrixTile| options.matrix_tile.is_none_or(|wanted| wanted == *tile);
    let tiles: Vec<_> = adapter.features.matrix_tiles.iter().copied().filter(is_allowed).collect();
    match residue::scratch_bytes(options.budget_bytes, u64::MAX) {
        _ if tiles.is_empty() => Err(MatrixUnitsState::Lacking),
        _ if !is_wanted => Err(MatrixUnitsState::Unused),
        None => Err(MatrixUnitsState::NoRoom),
        Some(_) => Ok(tiles),
    }
}

/// How elements of 64 bits are computed on, or why not as was asked.
fn number_type(adapter: &Adapter, arithmetic: Arithmetic) -> Result<NumberType, String> {
    match (arithmetic, adapter.features.shader_int64) {
        (Arithmetic::Native, false) => Err("its shaders have no 64-bit integers".to_owned()),
        (Arithmetic::Auto | Arithmetic::Native, true) => Ok(NumberType::U64),
        (Arithmetic::Auto, false) | (Arithmetic::Pairs, _) => Ok(NumberType::U64Pairs),
    }
}

fn kernel_limits(limits: &wgpu::Limits, options: GpuOptions, scratch_bytes: u64) -> Limits {
    let most = limits.max_storage_buffer_binding_size.max(LEAST_BINDING_BYTES);
    Limits {
        binding_bytes: options.binding_limit_bytes.unwrap_or(u64::MAX).clamp(LEAST_BINDING_BYTES, most),
        alignment_bytes: u64::from(limits.min_storage_buffer_offset_alignment),
        scratch_bytes,
        groups_across: options
            .groups_limit
            .map_or(MOST_GROUPS_ACROSS, |most| most.clamp(1, MOST_GROUPS_ACROSS)),
    }
}

/// Compiles what products by residues run, so that a driver that refuses is found out here.
fn compile_residues(
    device: &wgpu::Device,
    pipelines: &Pipelines,
    wide: NumberType,
    tile: MatrixTile,
) -> Result<(), String> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    for number_type in [NumberType::U32, wide] {
        let split = Shader::ResidueSplit { bytes: tile.has_bytes() };
        for shader in [split, Shader::ResidueGemm { tile }, Shader::ResidueJoin] {
            pipelines.get(device, shader, number_type);
        }
    }
    pollster::block_on(scope.pop()).map_or(Ok(()), |error| Err(error.to_string()))
}

fn request(
    adapter: &wgpu::Adapter,
    wide: NumberType,
    matrix_tile: Option<MatrixTile>,
    limits: &wgpu::Limits,
) -> Result<(wgpu::Device, wgpu::Queue), wgpu::RequestDeviceError> {
    let mut required_features = match wide {
        NumberType::U64 => wgpu::Features::SHADER_INT64,
        NumberType::U32 | NumberType::U64Pairs => wgpu::Features::empty(),
    };
    let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
    if let Some(tile) = matrix_tile {
        required_features |= Adapter::matrix_features(tile);
        // SAFETY: wgpu promises less for its experimental features than for others. Of these only cooperative
        // matrices are used, and SPIR-V that is passed through, in shaders of ours whose every index is in range; their
        // results are tested when a device is opened, and those of every form in the tests.
        experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
    }
    pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("symbolon"),
        required_features,
        experimental_features,
        required_limits: limits.clone(),
        // A plan says how much memory there will be: prefer small blocks to spare ones.
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    }))
}

/// Turns wgpu's callbacks into a failure that the next call returns.
fn report_failures(device: &wgpu::Device, health: &Health) {
    let (lost, uncaptured) = (health.clone(), health.clone());
    device.set_device_lost_callback(move |reason, message| lost.fail(format!("{reason:?}: {message}")));
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured.fail(error.to_string())));
}
