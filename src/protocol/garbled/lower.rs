//! From a program to a circuit, value by value.
//!
//! A value of w bits is right modulo 2^w, since all that it is of is right modulo 2^w or, with fewer bits, exactly: so its
//! operands are cut or extended to w bits first. Where integers are compared, all have bits enough for both.

use super::functions::{Computed, compute};
use super::{Lowered, NoCircuit, Numbers};
use crate::circuit::word::shift::extended;
use crate::circuit::{Bit, Builder, Sign, Word};
use crate::program::{Meaning, Op, Program, Schedule, Stride, Term, Test, Truncation, ValueId};
use crate::ring::{Axis, Shape};

/// Most AND gates of a circuit, by estimate: with the XORs around them, and what finds equal gates, some gigabytes while it is
/// made.
pub const MOST_GATES: u64 = 1 << 24;

/// The words of a value, row by row.
pub(super) struct Words {
    pub shape: Shape,
    pub numbers: Numbers,
    pub words: Vec<Word>,
}

impl Words {
    pub fn bits(&self) -> usize {
        self.numbers.bits
    }

    pub fn sign(&self) -> Sign {
        sign(self.numbers.signed)
    }

    /// The word at a row and a column, or the one that stands for it where there is one row or one column.
    pub fn at(&self, row: usize, col: usize) -> &Word {
        let row = if self.shape.rows == 1 { 0 } else { row };
        let col = if self.shape.cols == 1 { 0 } else { col };
        &self.words[row * self.shape.cols + col]
    }

    /// The reading that holds the numbers of both.
    pub fn common_sign(&self, other: &Words) -> Sign {
        sign(self.numbers.signed || other.numbers.signed)
    }

    /// Bits that do.
    pub fn common_bits(&self, other: &Words) -> usize {
        common(self.numbers, other.numbers).0
    }
}

fn sign(signed: bool) -> Sign {
    if signed { Sign::Signed } else { Sign::Unsigned }
}

/// Bits and reading that hold the numbers of both.
pub(super) fn common(a: Numbers, b: Numbers) -> (usize, Sign) {
    let signed = a.signed || b.signed;
    let bits = |numbers: Numbers| numbers.bits + usize::from(signed && !numbers.signed);
    (bits(a).max(bits(b)), sign(signed))
}

/// Makes a circuit of a program on integers of two parties. Party 0's inputs are the garbler's, party 1's the evaluator's;
/// `computed` says which inputs no party gives.
///
/// # Errors
/// Where the program has fractions, states, checks or loops, or the circuit would be too large.
///
/// # Panics
/// Where `computed` is of values behind its input's.
pub fn lower(program: &Program, computed: &[Computed]) -> Result<Lowered, NoCircuit> {
    let fraction_bits = program.codec().fraction_bits();
    if fraction_bits > 0 {
        return Err(NoCircuit::Fractions { fraction_bits });
    } else if program.parties() != 2 {
        return Err(NoCircuit::Parties { parties: program.parties() });
    } else if !program.states().is_empty() {
        return Err(NoCircuit::Without("states or loops: what one run leaves to the next are shares"));
    } else if program.publics().iter().any(|public| !matches!(public.schedule, Schedule::Tensor(_))) {
        return Err(NoCircuit::Without("public values by run"));
    } else if program.check().is_some() {
        return Err(NoCircuit::Without("checks"));
    }
    let needed = needed(program, computed);
    let mut lowering = Lowering {
        program,
        computed,
        builder: Builder::new(),
        values: (0..program.values().len()).map(|_| None).collect(),
        gates: 0,
    };
    let inputs = lowering.inputs()?;
    for (index, _) in program.values().iter().enumerate().filter(|&(index, _)| needed[index]) {
        lowering.value(ValueId(index as u32))?;
    }
    let mut outputs = Vec::new();
    for output in program.outputs() {
        let words = lowering.words(output.value);
        outputs.push(words.numbers);
        let bits: Word = words.words.iter().flatten().copied().collect();
        lowering.builder.output(output.to, &bits);
    }
    Ok(Lowered { circuit: lowering.builder.finish(), inputs, outputs })
}

/// The values that an op is of, or what several compute together.
fn operands(program: &Program, computed: &[Computed], id: ValueId) -> Vec<ValueId> {
    let value = program.value(id);
    match (value.meaning, value.op) {
        (Some(Meaning::Compare(a, _, b) | Meaning::Larger(a, b) | Meaning::Smaller(a, b)), _) => match b {
            Term::Value(b) => vec![a, b],
            Term::Constant(_) => vec![a],
        },
        (Some(Meaning::Choice(condition, x, y)), _) => vec![condition, x, y],
        (
            Some(
                Meaning::Magnitude(a)
                | Meaning::Leaky(a, _)
                | Meaning::Largest(a, _)
                | Meaning::Smallest(a, _),
            ),
            _,
        ) => vec![a],
        (None, Op::Input(input)) => {
            let found = computed.iter().find(|computed| computed.input == input);
            found.map_or_else(Vec::new, |computed| computed.of.clone())
        }
        (None, op) => op.operands().collect(),
    }
}

/// Of which values an output is.
fn needed(program: &Program, computed: &[Computed]) -> Vec<bool> {
    let mut needed = vec![false; program.values().len()];
    program.outputs().iter().for_each(|output| needed[output.value.index()] = true);
    for index in (0..needed.len()).rev().map(|index| ValueId(index as u32)) {
        if needed[index.index()] {
            for operand in operands(program, computed, index) {
                assert!(operand < index, "a value is of such as come before it");
                needed[operand.index()] = true;
            }
        }
    }
    needed
}

/// A program on its way.
pub(super) struct Lowering<'a> {
    program: &'a Program,
    computed: &'a [Computed],
    builder: Builder,
    values: Vec<Option<Words>>,
    /// AND gates so far, by estimate.
    gates: u64,
}

impl Lowering<'_> {
    pub fn words(&self, id: ValueId) -> &Words {
        self.values[id.index()].as_ref().expect("operands come first")
    }

    fn ring_bits(&self) -> usize {
        self.program.ring().bits() as usize
    }

    /// The form of a value's words.
    fn numbers(&self, id: ValueId) -> Numbers {
        let value = self.program.value(id);
        let integers = value.integers.expect("a program on integers");
        Numbers::of(value.shape.len(), integers.span, self.ring_bits())
    }

    /// The inputs that parties give, in the program's order.
    fn inputs(&mut self) -> Result<Vec<Option<Numbers>>, NoCircuit> {
        let program = self.program;
        let mut forms = Vec::new();
        for (index, input) in program.inputs().iter().enumerate() {
            if self.computed.iter().any(|computed| computed.input == index) {
                forms.push(None);
                continue;
            }
            let numbers = self.numbers(input.value);
            self.charge(input.value, (numbers.count as u64).saturating_mul(numbers.bits as u64))?;
            let bits = self.builder.input(input.owner, numbers.count * numbers.bits);
            let words = bits.chunks(numbers.bits).map(<[Bit]>::to_vec).collect();
            self.values[input.value.index()] = Some(Words { shape: input.shape, numbers, words });
            forms.push(Some(numbers));
        }
        Ok(forms)
    }

    /// Counts gates before there is memory for them.
    fn charge(&mut self, id: ValueId, gates: u64) -> Result<(), NoCircuit> {
        self.gates = self.gates.saturating_add(gates);
        match self.gates > MOST_GATES {
            true => {
                Err(NoCircuit::TooLarge { label: self.program.value(id).label.clone(), gates: self.gates })
            }
            false => Ok(()),
        }
    }

    /// Lowers a value whose operands are.
    fn value(&mut self, id: ValueId) -> Result<(), NoCircuit> {
        if self.values[id.index()].is_some() {
            return Ok(());
        }
        let value = self.program.value(id);
        let numbers = self.numbers(id);
        self.charge(id, self.estimate(id, numbers))?;
        let words = match (value.meaning, value.op) {
            (Some(meaning), _) => self.meaning(meaning, value.shape, numbers.bits),
            (None, Op::Input(input)) => {
                let computed = self.computed.iter().find(|computed| computed.input == input);
                let computed = computed.expect("an input that no party gives is computed");
                let of: Vec<&Words> = computed
                    .of
                    .iter()
                    .map(|of| self.values[of.index()].as_ref().expect("operands come first"))
                    .collect();
                let sign =
                    if of.iter().any(|words| words.numbers.signed) { Sign::Signed } else { Sign::Unsigned };
                let words = compute(&mut self.builder, self.program, computed, &of);
                words.into_iter().map(|word| extended(&word, numbers.bits, sign)).collect()
            }
            (None, op) => self.op(op, value.shape, numbers.bits),
        };
        self.values[id.index()] = Some(Words { shape: value.shape, numbers, words });
        Ok(())
    }

    /// About how many AND gates a value takes; what only moves counts a little, for the memory of its bits.
    fn estimate(&self, id: ValueId, numbers: Numbers) -> u64 {
        let value = self.program.value(id);
        let (len, bits) = (value.shape.len() as u64, numbers.bits as u64);
        let size = |of: ValueId| {
            let words = self.words(of);
            (words.words.len() as u64, words.numbers.bits as u64)
        };
        match (value.meaning, value.op) {
            (Some(Meaning::Largest(a, _) | Meaning::Smallest(a, _)), _) => {
                let (len, bits) = size(a);
                len.saturating_mul(3 * bits)
            }
            (Some(Meaning::Leaky(_, slope)), _) => {
                let ones = (0..bits.min(128)).filter(|at| slope >> at & 1 != 0).count() as u64;
                len.saturating_mul(bits * (ones + 1))
            }
            (Some(_), _) => {
                let widest = operands(self.program, self.computed, id);
                let widest = widest.into_iter().map(|of| size(of).1).max().unwrap_or(bits);
                len.saturating_mul(2 * widest + bits)
            }
            (None, Op::Input(input)) => {
                let computed = self.computed.iter().find(|computed| computed.input == input);
                let widest = |computed: &Computed| {
                    computed.of.iter().map(|&of| self.words(of).bits()).max().unwrap_or(0) + 1
                };
                computed.map_or(0, |computed| computed.function.gates(value.shape, widest(computed)))
            }
            (None, Op::Mul(a, b)) => len.saturating_mul(self.product_gates(a, b, bits)),
            (None, Op::Scale(_, constant)) => {
                let ring = self.program.ring();
                let ones = constant.count_ones().min(ring.signed(constant).unsigned_abs().count_ones());
                len.saturating_mul(bits * u64::from(ones))
            }
            (None, Op::MatMul(a, b)) => {
                let inner = self.words(a).shape.cols as u64;
                len.saturating_mul(inner).saturating_mul(self.product_gates(a, b, bits) + bits)
            }
            (None, Op::Sum(a, _)) => size(a).0.saturating_mul(bits),
            (None, Op::Compare(a, _)) => len * size(a).1,
            _ => len.saturating_mul(bits),
        }
    }

    /// Whether the rows of a product should be those of a's bits and not of b's: those above a number without a sign cost
    /// nothing.
    fn is_narrower(&self, a: ValueId, b: ValueId) -> bool {
        let rows = |factor: ValueId| {
            let numbers = self.words(factor).numbers;
            if numbers.signed { usize::MAX } else { numbers.bits }
        };
        rows(a) < rows(b)
    }

    /// Those of a product of so many bits: a row for each bit of the narrower factor, where that has no sign.
    fn product_gates(&self, a: ValueId, b: ValueId, bits: u64) -> u64 {
        let factors = [a, b].map(|factor| self.words(factor).numbers);
        let narrow = factors.into_iter().filter(|factor| !factor.signed).map(|factor| factor.bits as u64);
        bits * narrow.min().unwrap_or(bits).min(bits)
    }

    /// A word of each place of a shape.
    pub fn each(
        &mut self,
        shape: Shape,
        mut word: impl FnMut(&mut Builder, &[Option<Words>], usize, usize) -> Word,
    ) -> Vec<Word> {
        let places = (0..shape.rows).flat_map(|row| (0..shape.cols).map(move |col| (row, col)));
        let (builder, values) = (&mut self.builder, &self.values[..]);
        places.map(|(row, col)| word(builder, values, row, col)).collect()
    }

    fn op(&mut self, op: Op, shape: Shape, bits: usize) -> Vec<Word> {
        let ring_bits = self.ring_bits();
        let of = |values: &[Option<Words>], id: ValueId, row, col, bits| {
            let words = values[id.index()].as_ref().expect("operands come first");
            extended(words.at(row, col), bits, words.sign())
        };
        match op {
            Op::Input(_) | Op::State(_) | Op::ScaleByRun(..) | Op::RowsByRun(..) => {
                unreachable!("inputs are there, and what runs have of others is refused")
            }
            Op::Public(public) => {
                let (ring, elements) = (self.program.ring(), self.program.tensor_elements(public).to_u64());
                self.each(shape, |_, _, row, col| {
                    integer(ring.signed(elements[row * shape.cols + col]).into(), bits)
                })
            }
            Op::Add(a, b) => self.each(shape, |builder, values, row, col| {
                builder.add(&of(values, a, row, col, bits), &of(values, b, row, col, bits))
            }),
            Op::Sub(a, b) => self.each(shape, |builder, values, row, col| {
                builder.subtract(&of(values, a, row, col, bits), &of(values, b, row, col, bits))
            }),
            Op::Mul(a, b) => {
                let (a, b) = if self.is_narrower(a, b) { (b, a) } else { (a, b) };
                self.each(shape, |builder, values, row, col| {
                    builder.multiply(&of(values, a, row, col, bits), &of(values, b, row, col, bits))
                })
            }
            Op::Neg(a) => {
                self.each(shape, |builder, values, row, col| builder.negate(&of(values, a, row, col, bits)))
            }
            Op::AddConstant(a, constant) => self.each(shape, |builder, values, row, col| {
                builder.add(&of(values, a, row, col, bits), &integer(constant.into(), bits))
            }),
            Op::Scale(a, constant) => {
                // A factor whose negative has fewer ones is that, and the product is negated.
                let signed = self.program.ring().signed(constant);
                let is_negative = signed < 0;
                let factor = if is_negative { signed.unsigned_abs() } else { constant };
                self.each(shape, |builder, values, row, col| {
                    let product = scaled(builder, &of(values, a, row, col, bits), factor);
                    if is_negative { builder.negate(&product) } else { product }
                })
            }
            Op::MatMul(a, b) => {
                let (inner, exchanged) = (self.words(a).shape.cols, self.is_narrower(a, b));
                self.each(shape, |builder, values, row, col| {
                    let terms: Vec<Word> = (0..inner)
                        .map(|at| {
                            let [a, b] = [of(values, a, row, at, bits), plain(values, b, at, col, bits)];
                            if exchanged { builder.multiply(&b, &a) } else { builder.multiply(&a, &b) }
                        })
                        .collect();
                    if terms.is_empty() { integer(0, bits) } else { builder.sum(&terms) }
                })
            }
            Op::Transpose(a) => self.each(shape, |_, values, row, col| plain(values, a, col, row, bits)),
            Op::Sum(a, axis) => self.sum(a, axis, shape, bits),
            Op::Truncate(a, by, method) => {
                debug_assert!(method != Truncation::Nearest, "no op rounds to the nearest");
                self.each(shape, |_, values, row, col| {
                    let word = of(values, a, row, col, ring_bits);
                    let shifted = &word[(by as usize).min(ring_bits - 1)..];
                    extended(shifted, bits, Sign::Signed)
                })
            }
            Op::Compare(a, test) => self.each(shape, |builder, values, row, col| {
                let word = of(values, a, row, col, ring_bits);
                let top = *word.last().expect("a ring has bits");
                let bit = match test {
                    Test::Negative => top,
                    Test::NonNegative => !top,
                    Test::Zero => !builder.any(&word),
                    Test::NonZero => builder.any(&word),
                };
                extended(&[bit], bits, Sign::Unsigned)
            }),
            Op::Slice(a, rows, cols) => {
                let at = |stride: Stride, index: usize| stride.start + index * stride.step;
                self.each(shape, |_, values, row, col| plain(values, a, at(rows, row), at(cols, col), bits))
            }
            Op::Pad(a, (first_row, first_col)) => {
                let own = self.words(a).shape;
                self.each(shape, |_, values, row, col| {
                    match (row.checked_sub(first_row), col.checked_sub(first_col)) {
                        (Some(row), Some(col)) if row < own.rows && col < own.cols => {
                            plain(values, a, row, col, bits)
                        }
                        _ => integer(0, bits),
                    }
                })
            }
            Op::Gather(a, gather) => {
                let cols = self.words(a).shape.cols;
                self.each(shape, |_, values, row, col| {
                    let place = gather.place(row, col);
                    plain(values, a, place / cols, place % cols, bits)
                })
            }
        }
    }

    fn sum(&mut self, a: ValueId, axis: Axis, shape: Shape, bits: usize) -> Vec<Word> {
        let own = self.words(a).shape;
        let counts_bits = self.words(a).numbers.bits == 1 && !self.words(a).numbers.signed;
        self.each(shape, |builder, values, row, col| {
            let along: Vec<(usize, usize)> = match axis {
                Axis::Rows => (0..own.rows).map(|row| (row, col)).collect(),
                Axis::Cols => (0..own.cols).map(|col| (row, col)).collect(),
            };
            let terms: Vec<Word> = along
                .into_iter()
                .map(|(row, col)| plain(values, a, row, col, if counts_bits { 1 } else { bits }))
                .collect();
            match (terms.is_empty(), counts_bits) {
                (true, _) => integer(0, bits),
                (_, true) => {
                    let count = builder.count_ones(&terms.concat());
                    extended(&count, bits, Sign::Unsigned)
                }
                (_, false) => builder.sum(&terms),
            }
        })
    }
}

/// The word of a value at a place of its own, in so many bits.
fn plain(values: &[Option<Words>], id: ValueId, row: usize, col: usize, bits: usize) -> Word {
    let words = values[id.index()].as_ref().expect("operands come first");
    extended(&words.words[row * words.shape.cols + col], bits, words.sign())
}

/// The word of a value that stands for it at a place, in so many bits.
pub(super) fn plain_at(values: &[Option<Words>], id: ValueId, row: usize, col: usize, bits: usize) -> Word {
    let words = values[id.index()].as_ref().expect("operands come first");
    extended(words.at(row, col), bits, words.sign())
}

/// The lowest bits of a public integer.
pub(super) fn integer(integer: i128, bits: usize) -> Word {
    (0..bits).map(|at| Bit::constant(integer >> at.min(127) & 1 != 0)).collect()
}

/// A word times a public factor, modulo 2^n.
fn scaled(builder: &mut Builder, word: &[Bit], factor: u64) -> Word {
    let bits = word.len();
    let ones = (0..bits.min(64)).filter(|at| factor >> at & 1 != 0);
    let terms: Vec<Word> = ones.map(|at| crate::circuit::word::shift::shifted_left(word, at)).collect();
    if terms.is_empty() { integer(0, bits) } else { builder.sum(&terms) }
}
