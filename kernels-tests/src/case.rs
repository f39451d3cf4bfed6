//! One kernel with its operands: computed by the reference and by every device, then compared.

use crate::reference;
use crate::variants::{Variant, variants};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use std::fmt::Write;
use symbolon::device::{Buffer, DeviceKernel};
use symbolon::ring::prg::PrgKey;
use symbolon::ring::{Ring, Shape};
use symbolon::step::{Access, Kernel, Matrix, MemoryClass};

/// Words behind every matrix that no kernel may touch.
const GUARD_WORDS: usize = 37;

/// What the guard words hold.
const GUARD: u64 = 0x5a5a_a5a5_c3c3_3c3c;

/// What an output holds before it is written.
const POISON: u64 = 0xdead_beef_0bad_f00d;

/// What operands are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Uniform elements.
    Random,
    /// Zero.
    Zero,
    /// Every bit set: −1.
    Ones,
    /// Only the top bit set: −2^(k−1).
    Top,
    /// The element's own place, so that a wrong one says where it came from.
    Place,
    /// The numbers at the ring's limits, drawn: 0, 1, −1, −2^(k−1) and what lies beside it, halves full of ones.
    Limits,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Pattern; 6] =
        [Pattern::Random, Pattern::Zero, Pattern::Ones, Pattern::Top, Pattern::Place, Pattern::Limits];
}

/// Draws the operands of one case.
pub struct Builder {
    ring: Ring,
    pattern: Pattern,
    seed: u64,
    generator: ChaCha12Rng,
    buffers: Vec<Vec<u64>>,
}

impl Builder {
    /// A case without operands. The same seed draws the same ones.
    pub fn new(ring: Ring, pattern: Pattern, seed: u64) -> Builder {
        let generator = ChaCha12Rng::seed_from_u64(seed);
        Builder { ring, pattern, seed, generator, buffers: Vec::new() }
    }

    /// A matrix that holds the pattern: an operand, or an output that is added to.
    pub fn operand(&mut self, shape: Shape) -> Matrix<usize> {
        let (ring, pattern, generator) = (self.ring, self.pattern, &mut self.generator);
        let element = |place| match pattern {
            Pattern::Random => ring.reduce(generator.next_u64()),
            Pattern::Zero => 0,
            Pattern::Ones => ring.reduce(u64::MAX),
            Pattern::Top => 1 << (ring.bits() - 1),
            Pattern::Place => ring.reduce(place as u64),
            Pattern::Limits => {
                let top = 1 << (ring.bits() - 1);
                let low = u64::MAX >> 32 >> (ring.bits() % 64 / 2);
                let limits = [0, 1, u64::MAX, top, top - 1, top + 1, low, !low];
                ring.reduce(limits[generator.next_u64() as usize % limits.len()])
            }
        };
        self.buffers.push((0..shape.len()).map(element).collect());
        Matrix::new(self.buffers.len() - 1, shape)
    }

    /// A matrix that is to be overwritten.
    pub fn output(&mut self, shape: Shape) -> Matrix<usize> {
        self.buffers.push(vec![self.ring.reduce(POISON); shape.len()]);
        Matrix::new(self.buffers.len() - 1, shape)
    }

    /// An output that is overwritten, or added to.
    pub fn sum(&mut self, shape: Shape, accumulate: bool) -> Matrix<usize> {
        if accumulate { self.operand(shape) } else { self.output(shape) }
    }

    /// A public number below 2^k, or above where the ring is narrower than its type.
    pub fn number(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// The generator key of this case.
    pub fn key(&mut self) -> PrgKey {
        let mut bytes = [0; 32];
        self.generator.fill_bytes(&mut bytes);
        PrgKey::from_bytes(bytes)
    }

    /// The case.
    pub fn case(self, kernel: Kernel<usize, PrgKey>) -> Case {
        kernel.check(self.ring);
        Case { ring: self.ring, pattern: self.pattern, seed: self.seed, kernel, buffers: self.buffers }
    }
}

/// A kernel and what its buffers hold before it.
pub struct Case {
    ring: Ring,
    pattern: Pattern,
    seed: u64,
    kernel: Kernel<usize, PrgKey>,
    buffers: Vec<Vec<u64>>,
}

impl Case {
    /// Holds every variant against the reference.
    ///
    /// # Panics
    /// Where one differs.
    pub fn check(&self) {
        self.check_among(&variants());
    }

    /// Holds some variants against the reference.
    ///
    /// # Panics
    /// Where one differs.
    pub fn check_among(&self, variants: &[Variant]) {
        let expected = self.expected();
        for variant in variants {
            if self.is_too_large_for(variant) {
                continue;
            }
            if let Err(message) = self.check_on(variant, &expected) {
                panic!("{message}");
            }
        }
    }

    /// Kernels on planes are not cut: each of their matrices has to fit one binding.
    fn is_too_large_for(&self, variant: &Variant) -> bool {
        let on_planes = matches!(
            self.kernel,
            Kernel::TruthTable { .. }
                | Kernel::LookupShares { .. }
                | Kernel::BitPlanes { .. }
                | Kernel::MaskProducts { .. }
                | Kernel::AndTree { .. }
                | Kernel::PickLanes { .. }
        );
        let largest = self.buffers.iter().map(|elements| elements.len() * self.ring.element_bytes()).max();
        // An offset within the binding takes some of it.
        let fits = |limit: u64| largest.unwrap_or(0) as u64 + 1024 <= limit;
        on_planes && !variant.binding_limit_bytes.is_none_or(fits)
    }

    /// All buffers after the kernel, guard words included.
    fn expected(&self) -> Vec<Vec<u64>> {
        let mut buffers = self.buffers.clone();
        reference::evaluate(self.ring, &self.kernel, &mut buffers);
        buffers.into_iter().map(|elements| self.guarded(elements)).collect()
    }

    fn guarded(&self, mut elements: Vec<u64>) -> Vec<u64> {
        elements.resize(elements.len() + GUARD_WORDS, self.ring.reduce(GUARD));
        elements
    }

    /// Runs on one variant and says what differs, if anything does.
    fn check_on(&self, variant: &Variant, expected: &[Vec<u64>]) -> Result<(), String> {
        let got = self.run_on(variant).map_err(|error| format!("{}: {error}", self.title(variant)))?;
        for (buffer, (expected, got)) in expected.iter().zip(&got).enumerate() {
            let Some(index) = (0..expected.len()).find(|&index| expected[index] != got[index]) else {
                continue;
            };
            let wrong = (0..expected.len()).filter(|&index| expected[index] != got[index]).count();
            return Err(format!(
                "{}: {} differs first at index {index}: expected {:#x}, got {:#x} ({wrong} of {} differ)",
                self.title(variant),
                self.place(buffer, index),
                expected[index],
                got[index],
                expected.len(),
            ));
        }
        Ok(())
    }

    /// All buffers after the device ran the kernel.
    fn run_on(&self, variant: &Variant) -> Result<Vec<Vec<u64>>, symbolon::device::DeviceError> {
        let device = &*variant.device;
        let mut buffers: Vec<Buffer> = Vec::new();
        for elements in &self.buffers {
            let bytes = to_bytes(self.ring, &self.guarded(elements.clone()));
            let buffer = device.allocate(bytes.len() as u64, MemoryClass::Scratch)?;
            device.upload(&buffer, 0, &bytes)?;
            buffers.push(buffer);
        }
        // `map` hands out references of its own lifetime, so the keys are named by position first.
        let key = self.kernel.draws().map_or(PrgKey::from_bytes([0; 32]), |(key, _)| key.clone());
        let kernel: DeviceKernel<'_> = self.kernel.map(|&buffer| &buffers[buffer], |_| &key);
        device.run(self.ring, &kernel)?;
        let mut contents = Vec::new();
        for buffer in &buffers {
            let bytes = pollster::block_on(device.download(buffer, buffer.size_bytes())?)?;
            contents.push(from_bytes(self.ring, &bytes));
        }
        Ok(contents)
    }

    fn title(&self, variant: &Variant) -> String {
        let mut title = format!("{} on {} in {:?}:", self.kernel.name(), variant.name, self.ring);
        self.kernel.visit(|matrix, access| {
            let arrow = if access == Access::Read { "" } else { "→ " };
            write!(title, " {arrow}{}", matrix.shape).expect("a string takes everything");
        });
        match &self.kernel {
            Kernel::Hadamard { accumulate, .. } | Kernel::Gemm { accumulate, .. } => {
                write!(title, ", accumulate {accumulate}").expect("a string takes everything");
            }
            Kernel::Shift { bits, .. } => {
                write!(title, ", by {bits} bits").expect("a string takes everything");
            }
            Kernel::TruncPair { bits, width, .. } | Kernel::TruncFinish { bits, width, .. } => {
                write!(title, ", by {bits} bits of {width}").expect("a string takes everything");
            }
            Kernel::Pack { width, .. } | Kernel::Unpack { width, .. } => {
                write!(title, ", {width} bits each").expect("a string takes everything");
            }
            Kernel::TruthTable { bits, .. } => {
                write!(title, ", {bits} bits").expect("a string takes everything")
            }
            Kernel::LookupShares { bits, predicate, lanes, leader, .. } => {
                write!(title, ", {predicate:?} of {bits} bits, {lanes:?}, leader {leader}")
                    .expect("a string takes everything");
            }
            Kernel::MaskProducts { level, .. } | Kernel::AndTree { level, .. } => {
                write!(title, ", {level:?}").expect("a string takes everything");
            }
            Kernel::PickLanes { lanes, exponent, rising, group, .. } => {
                write!(title, ", 2^{exponent} of {lanes} lanes, rising {rising}, group {group}")
                    .expect("a string takes everything");
            }
            Kernel::Affine { loops, from, to, .. } => {
                write!(title, ", {loops:?} from {from} to {to}").expect("a string takes everything");
            }
            _ => {}
        }
        write!(title, ", {:?} elements, seed {:#x}", self.pattern, self.seed)
            .expect("a string takes everything");
        title
    }

    /// What lies at an index of a buffer.
    fn place(&self, buffer: usize, index: usize) -> String {
        let mut place = "an operand".to_string();
        self.kernel.visit(|matrix, access| {
            if matrix.buffer == buffer && access != Access::Read {
                place = "the output".into();
            }
        });
        let len = self.buffers[buffer].len();
        if index < len { place } else { format!("guard word {} behind {place}", index - len) }
    }
}

/// Elements as a device holds them.
fn to_bytes(ring: Ring, elements: &[u64]) -> Vec<u8> {
    match ring {
        Ring::Z32 => elements.iter().flat_map(|&element| (element as u32).to_ne_bytes()).collect(),
        Ring::Z64 => elements.iter().flat_map(|&element| element.to_ne_bytes()).collect(),
    }
}

fn from_bytes(ring: Ring, bytes: &[u8]) -> Vec<u64> {
    match ring {
        Ring::Z32 => bytes.as_chunks().0.iter().map(|&word| u32::from_ne_bytes(word).into()).collect(),
        Ring::Z64 => bytes.as_chunks().0.iter().map(|&word| u64::from_ne_bytes(word)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The harness itself has to see a wrong element, an operand that changed and a guard word that was touched.
    #[test]
    fn a_difference_is_found_and_named() {
        let mut builder = Builder::new(Ring::Z32, Pattern::Ones, 5);
        let (out, operand) = (builder.output(Shape::new(2, 3)), builder.operand(Shape::new(2, 3)));
        let case = builder.case(Kernel::Shift { out, operand, bits: 1 });
        let variant = &variants()[0];
        let message = |buffer: usize, index: usize| {
            let mut expected = case.expected();
            expected[buffer][index] = 0xabc;
            case.check_on(variant, &expected).unwrap_err()
        };
        assert!(case.check_on(variant, &case.expected()).is_ok());
        let wrong = message(0, 4);
        assert!(
            wrong.contains("shift on cpu") && wrong.contains("in Z32: (2, 3) → (2, 3), by 1 bits"),
            "{wrong}"
        );
        assert!(
            wrong.contains("the output differs first at index 4: expected 0xabc, got 0xffffffff"),
            "{wrong}"
        );
        assert!(message(1, 5).contains("an operand differs"), "{}", message(1, 5));
        assert!(message(0, 6).contains("guard word 0 behind the output differs"), "{}", message(0, 6));
    }
}
