//! A staging buffer for bytes to the device.
//!
//! wgpu has memory unmapped ahead of every submission that reads it and mapped anew behind it. Vulkan asks for neither: under
//! it the host keeps the memory mapped from the buffer's making to its end, and writes to it while no submission reads it.
//! Elsewhere, and where Vulkan's memory is not coherent, wgpu maps it.

/// Host memory that the device copies from. Its holder alone writes to it, while nothing that reads it is under way.
pub struct Staging {
    buffer: wgpu::Buffer,
    lasting: Option<lasting::Mapping>,
}

impl Staging {
    /// One of `size` bytes, ready to be written to.
    pub fn new(device: &wgpu::Device, size: u64) -> Staging {
        if let Some((buffer, mapping)) = lasting::Mapping::new(device, size) {
            return Staging { buffer, lasting: Some(mapping) };
        }
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let label = Some("upload");
        let buffer =
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: true });
        Staging { buffer, lasting: None }
    }

    /// The buffer, to copy from.
    pub fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }

    /// Whether the memory stays mapped.
    pub fn stays_mapped(&self) -> bool {
        self.lasting.is_some()
    }

    /// Writes `bytes` from `offset` on.
    ///
    /// # Errors
    /// Where the device has failed.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), wgpu::MapRangeError> {
        let range = offset..offset + bytes.len() as u64;
        match &mut self.lasting {
            Some(mapping) => mapping.write(range, bytes),
            None => self.buffer.get_mapped_range_mut(range)?.copy_from_slice(bytes),
        }
        Ok(())
    }

    /// Writes zeros over the first `len` bytes.
    ///
    /// # Errors
    /// Where the device has failed.
    pub fn wipe(&mut self, len: u64) -> Result<(), wgpu::MapRangeError> {
        match &mut self.lasting {
            Some(mapping) => mapping.wipe(0..len),
            None => self.buffer.get_mapped_range_mut(..len)?.slice(..).fill(0),
        }
        Ok(())
    }
}

#[cfg(any(windows, target_os = "linux", target_os = "android"))]
mod lasting {
    use std::ops::Range;
    use std::ptr::NonNull;
    use std::sync::Arc;
    use wgpu::hal;
    use wgpu::hal::Device as _;
    use wgpu::hal::api::Vulkan;
    use zeroize::Zeroize;

    /// Memory of a buffer, mapped as long as this is there.
    pub struct Mapping {
        start: NonNull<u8>,
        len: usize,
        _owner: Arc<Owner>,
    }

    // SAFETY: It is the only one that its memory is reached by on the host.
    unsafe impl Send for Mapping {}

    /// Vulkan's buffer and its memory. They last until the mapping and wgpu's buffer are both gone: wgpu destroys its buffers
    /// when the device is lost, whoever writes to them.
    struct Owner {
        device: wgpu::Device,
        buffer: Option<hal::vulkan::Buffer>,
    }

    impl Mapping {
        /// A buffer and its memory, which holds zeros; none where the device is not one of Vulkan's, or its memory needs to
        /// be flushed.
        pub fn new(device: &wgpu::Device, size: u64) -> Option<(wgpu::Buffer, Mapping)> {
            let usage = wgpu::BufferUses::MAP_WRITE | wgpu::BufferUses::COPY_SRC;
            let memory_flags = hal::MemoryFlags::PREFER_COHERENT;
            let descriptor = hal::BufferDescriptor { label: Some("upload"), size, usage, memory_flags };
            // SAFETY: The device's handle is used as long as the guard is there, for a buffer within the device's limits.
            let (buffer, mapped) = unsafe {
                let vulkan = device.as_hal::<Vulkan>()?;
                let buffer = vulkan.create_buffer(&descriptor).ok()?;
                let mapped = vulkan.map_buffer(&buffer, 0..size);
                (buffer, mapped)
            };
            let owner = Arc::new(Owner { device: device.clone(), buffer: Some(buffer) });
            let mapped = mapped.ok().filter(|mapped| mapped.is_coherent)?;
            let mut mapping = Mapping { start: mapped.ptr, len: size as usize, _owner: owner.clone() };
            mapping.wipe(0..size);
            let label = Some("upload");
            let usage = wgpu::BufferUsages::COPY_SRC;
            let descriptor = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false };
            // SAFETY: The buffer is this device's, of that size and use, holds zeros, and lasts until its owner goes, which
            // the callback holds until wgpu has let go of it. wgpu never maps it.
            let buffer = unsafe {
                let raw = owner.buffer.as_ref()?.raw_handle();
                let release = Box::new(move || drop(owner));
                let external = hal::vulkan::Buffer::from_raw_externally_owned(raw, release);
                device.create_buffer_from_hal::<Vulkan>(external, &descriptor)
            };
            Some((buffer, mapping))
        }

        pub fn write(&mut self, range: Range<u64>, bytes: &[u8]) {
            self.slice(range).copy_from_slice(bytes);
        }

        pub fn wipe(&mut self, range: Range<u64>) {
            self.slice(range).zeroize();
        }

        fn slice(&mut self, range: Range<u64>) -> &mut [u8] {
            // SAFETY: The memory is mapped, `len` bytes long and was written when it was made; nothing else on the host
            // reaches it, and it outlives `self`.
            let whole = unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) };
            &mut whole[range.start as usize..range.end as usize]
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            // SAFETY: The buffer is this device's; wgpu, which held this owner while a submission could read it, is done.
            unsafe {
                let (vulkan, buffer) = (self.device.as_hal::<Vulkan>(), self.buffer.take());
                if let (Some(vulkan), Some(buffer)) = (vulkan, buffer) {
                    vulkan.destroy_buffer(buffer);
                }
            }
        }
    }
}

#[cfg(not(any(windows, target_os = "linux", target_os = "android")))]
mod lasting {
    use std::ops::Range;

    /// None is there without Vulkan.
    pub enum Mapping {}

    impl Mapping {
        pub fn new(_: &wgpu::Device, _: u64) -> Option<(wgpu::Buffer, Mapping)> {
            None
        }

        pub fn write(&mut self, _: Range<u64>, _: &[u8]) {
            match *self {}
        }

        pub fn wipe(&mut self, _: Range<u64>) {
            match *self {}
        }
    }
}
