//! The adapters of this machine, as wgpu finds them.

use super::matrix_tile::MatrixTile;
use serde::Serialize;

// What every WebGPU adapter has, and the shaders and their grids count on.
const NEEDED_THREADS: u32 = 256;
const NEEDED_WORKGROUP_BYTES: u32 = 16 << 10;
const NEEDED_GROUPS: u32 = 65_535;

/// The kind of an adapter's hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU that a virtual machine was given a part of.
    Virtual,
    /// The driver does not say.
    Other,
    /// No GPU: a driver that computes on the processor.
    Software,
}

/// A GPU and a driver for it.
#[derive(Clone, Debug, Serialize)]
pub struct Adapter {
    /// The name that the driver gives it.
    pub name: String,
    /// The graphics interface: vulkan, metal or dx12.
    pub backend: String,
    /// The driver's name.
    pub driver: String,
    /// The driver's version, in its own words.
    pub driver_info: String,
    /// The kind of its hardware.
    pub kind: AdapterKind,
    /// Where it is on the PCI bus, as in `0000:41:00.0`, if the driver says so.
    pub pci_bus_id: Option<String>,
    /// The features that shaders can use.
    pub features: AdapterFeatures,
    /// Their limits.
    pub limits: AdapterLimits,
    #[serde(skip)]
    handle: wgpu::Adapter,
}

/// Features of an adapter that kernels can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterFeatures {
    /// 64-bit integers in shaders; without them, elements of 64 bits are pairs of words.
    pub shader_int64: bool,
    /// 16-bit floating point in shaders.
    pub shader_f16: bool,
    /// Operations across the threads of a subgroup.
    pub subgroup: bool,
    /// Matrix units.
    pub cooperative_matrix: bool,
    /// The forms that they multiply and shaders are written for, the fastest first.
    pub matrix_tiles: Vec<MatrixTile>,
}

/// Limits of an adapter that kernels meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AdapterLimits {
    /// The largest buffer.
    pub max_buffer_size_bytes: u64,
    /// The largest part of a buffer that a shader sees at once.
    pub max_storage_buffer_binding_size_bytes: u64,
    /// Memory that the threads of a workgroup share.
    pub max_compute_workgroup_storage_size_bytes: u32,
    /// Threads of a workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Workgroups in one dimension of a dispatch.
    pub max_compute_workgroups_per_dimension: u32,
    /// Threads of a subgroup, at least.
    pub subgroup_min_size: u32,
    /// Threads of a subgroup, at most.
    pub subgroup_max_size: u32,
}

/// Every adapter there is, in the driver's order; none where there is no driver.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // wgpu validates calls in any case; the driver's own layers are for whoever asks for them by environment.
    descriptor.flags = wgpu::InstanceFlags::empty().with_env();
    let backends = descriptor.backends;
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(backends)).into_iter().map(Adapter::new).collect()
}

impl Adapter {
    fn new(handle: wgpu::Adapter) -> Adapter {
        let (info, limits, features) = (handle.get_info(), handle.limits(), handle.features());
        Adapter {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            driver: info.driver,
            driver_info: info.driver_info,
            kind: match info.device_type {
                wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
                wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
                wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
                wgpu::DeviceType::Other => AdapterKind::Other,
                wgpu::DeviceType::Cpu => AdapterKind::Software,
            },
            pci_bus_id: Some(info.device_pci_bus_id).filter(|id| !id.is_empty()),
            features: AdapterFeatures {
                shader_int64: features.contains(wgpu::Features::SHADER_INT64),
                shader_f16: features.contains(wgpu::Features::SHADER_F16),
                subgroup: features.contains(wgpu::Features::SUBGROUP),
                cooperative_matrix: features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
                matrix_tiles: matrix_tiles(&handle),
            },
            limits: AdapterLimits {
                max_buffer_size_bytes: limits.max_buffer_size,
                max_storage_buffer_binding_size_bytes: limits.max_storage_buffer_binding_size,
                max_compute_workgroup_storage_size_bytes: limits.max_compute_workgroup_storage_size,
                max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
                max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
                subgroup_min_size: info.subgroup_min_size,
                subgroup_max_size: info.subgroup_max_size,
            },
            handle,
        }
    }

    /// Whether it computes on the processor, and so is for testing kernels, not for work.
    pub fn is_software(&self) -> bool {
        self.kind == AdapterKind::Software
    }

    /// The driver, its version and the interface, in one line.
    pub fn driver_line(&self) -> String {
        format!("{} {} ({})", self.driver, self.driver_info, self.backend)
    }

    /// The first requirement of the shaders that it lacks, if any.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        let limits = &self.limits;
        if limits.max_compute_invocations_per_workgroup < NEEDED_THREADS {
            return Some("its workgroups have less than 256 threads");
        }
        if limits.max_compute_workgroup_storage_size_bytes < NEEDED_WORKGROUP_BYTES {
            return Some("its workgroups share less than 16 KiB of memory");
        }
        if limits.max_compute_workgroups_per_dimension < NEEDED_GROUPS {
            return Some("its dispatches hold less than 65,535 workgroups in a dimension");
        }
        None
    }

    /// What a device needs to use matrix units in this form: bytes are multiplied by shaders that wgpu passes through.
    pub(super) fn matrix_features(tile: MatrixTile) -> wgpu::Features {
        let features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
            | wgpu::Features::SHADER_F16
            | wgpu::Features::SUBGROUP;
        if tile.has_bytes() { features | wgpu::Features::PASSTHROUGH_SHADERS } else { features }
    }

    pub(super) fn handle(&self) -> &wgpu::Adapter {
        &self.handle
    }
}

/// Only Vulkan's translation of the shaders is complete: Metal adds no matrices, and Direct3D has none.
fn matrix_tiles(handle: &wgpu::Adapter) -> Vec<MatrixTile> {
    let info = handle.get_info();
    if info.backend != wgpu::Backend::Vulkan {
        return Vec::new();
    }
    let properties = handle.cooperative_matrix_properties();
    let bytes = matrices_of_bytes(handle);
    let has = |tile: &MatrixTile| {
        let size = [tile.side(), tile.side(), tile.inner()].map(|extent| extent as u32);
        let f16 = || {
            properties.iter().any(|properties| {
                [properties.m_size, properties.n_size, properties.k_size] == size
                    && properties.ab_type == wgpu::CooperativeScalarType::F16
                    && properties.cr_type == wgpu::CooperativeScalarType::F32
            })
        };
        let threads = |wanted| [info.subgroup_min_size, info.subgroup_max_size] == [wanted; 2];
        handle.features().contains(Adapter::matrix_features(*tile))
            && tile.subgroup().is_none_or(threads)
            && tile.workgroup_bytes() <= handle.limits().max_compute_workgroup_storage_size
            && if tile.has_bytes() { bytes.contains(&size) } else { f16() }
    };
    MatrixTile::ALL.into_iter().filter(has).collect()
}

/// Rows, columns and inner sizes of the matrices of signed bytes whose products a driver adds up in i32: wgpu 30 knows
/// none, so Vulkan is asked.
#[cfg(any(windows, target_os = "linux", target_os = "android"))]
fn matrices_of_bytes(handle: &wgpu::Adapter) -> Vec<[u32; 3]> {
    use ash::khr::cooperative_matrix;
    use ash::vk::{ComponentTypeKHR, CooperativeMatrixPropertiesKHR, ScopeKHR};
    const SINT8: ComponentTypeKHR = ComponentTypeKHR::SINT8;
    const SINT32: ComponentTypeKHR = ComponentTypeKHR::SINT32;
    if !handle.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return Vec::new();
    }
    // SAFETY: The adapter is only asked. It and its instance outlive the questions, and the extension that answers is
    // there where wgpu has found matrices through it.
    unsafe {
        let Some(adapter) = handle.as_hal::<wgpu::hal::api::Vulkan>() else { return Vec::new() };
        let instance = adapter.shared_instance();
        let matrices = cooperative_matrix::Instance::new(instance.entry(), instance.raw_instance());
        let listed =
            matrices.get_physical_device_cooperative_matrix_properties(adapter.raw_physical_device());
        let size = |matrix: CooperativeMatrixPropertiesKHR<'_>| {
            let types = [matrix.a_type, matrix.b_type, matrix.c_type, matrix.result_type];
            let of_bytes = [SINT8, SINT8, SINT32, SINT32];
            let is_known = types == of_bytes && matrix.scope == ScopeKHR::SUBGROUP;
            is_known.then_some([matrix.m_size, matrix.n_size, matrix.k_size])
        };
        listed.unwrap_or_default().into_iter().filter_map(size).collect()
    }
}

#[cfg(not(any(windows, target_os = "linux", target_os = "android")))]
fn matrices_of_bytes(_: &wgpu::Adapter) -> Vec<[u32; 3]> {
    Vec::new()
}
