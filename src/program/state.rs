//! States: values that one run of a program leaves to the next as shares.
//!
//! In every run [`Op::State`] is what the run before left, and [`Program::update`] says what this one leaves; before the
//! first run a state has its first value, [`Init`]. **Updates take effect together**, at the end of a run: all that a run
//! computes, updates among it, is computed of the old states. A state is never resident. It differs from run to run, so what
//! is opened of it has a fresh mask in every run: two openings under one mask would tell the difference of two states.
//!
//! **Bounds.** What is proven of one run is not proven of many: a range that grows with each run would soon be none. So a
//! state has the range that is declared of it, [`Program::bound_state`], whatever its update can become. Where that range
//! holds the update's, the declaration is proven; where not, results rest on it as on [`Program::assume`], and a program's
//! checks ask in every run whether it holds.

use super::{Dims, Kind, Number, Op, Program, ProgramError, Span, ValueId};
use crate::ring::prg::PrgKey;
use crate::ring::{Elements, FixedPoint, Ring, Shape};
use std::fmt;

/// The value of a state before the first run.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// A value's that is the same in every run, which the first one computes. An input thereby becomes resident: its owner
    /// gives it to the first run alone.
    Value(ValueId),
    /// One public number in every element.
    Number(Number),
    /// Public elements, row-major.
    Public(Elements),
    /// Public numbers that everybody draws alike, uniform within ± `magnitude`: from the generator's stream 0 under the key
    /// that BLAKE3 derives from the seed.
    Seeded {
        /// What they are drawn from.
        seed: u64,
        /// None is larger.
        magnitude: f64,
    },
    /// Numbers that nobody knows: the sum of what each party that keeps a part of the state draws, which is uniform within
    /// ± `magnitude` over their number. Each keeper knows its own part, and so each number as closely as the others'
    /// parts may be: of two keepers to within ± half of `magnitude`.
    Random {
        /// None is larger.
        magnitude: f64,
    },
}

impl Init {
    /// Its elements, where they are public.
    pub(crate) fn public(&self, program: &Program, len: usize) -> Option<Elements> {
        match self {
            Init::Value(_) | Init::Random { .. } => None,
            Init::Number(number) => {
                let element = program.element(*number).expect("it was encoded when it was declared");
                Some(Elements::from_integers(program.ring(), std::iter::repeat_n(element, len)))
            }
            Init::Public(elements) => Some(elements.clone()),
            Init::Seeded { seed, magnitude } => {
                let key = blake3::derive_key("symbolon 2026-11 public first value", &seed.to_le_bytes());
                Some(uniform(program.codec(), &PrgKey::from_bytes(key), *magnitude, len))
            }
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Init::Value(value) => write!(f, "%{}", value.0),
            Init::Number(number) => write!(f, "{}", number.value()),
            Init::Public(elements) => {
                write!(f, "public elements {}", blake3::hash(elements.bytes()).to_hex())
            }
            Init::Seeded { seed, magnitude } => write!(f, "numbers within {magnitude} from seed {seed}"),
            Init::Random { magnitude } => write!(f, "random numbers within {magnitude}"),
        }
    }
}

/// Numbers that are uniform within ± `magnitude`, from a key.
pub(crate) fn uniform(codec: FixedPoint, key: &PrgKey, magnitude: f64, len: usize) -> Elements {
    let mut bytes = vec![0; len * size_of::<u64>()];
    key.fill(0, 0, &mut bytes);
    let drawn = Elements::from_bytes(Ring::Z64, &bytes).to_u64();
    let number = |raw: u64| (raw as i64 >> 11) as f64 * 2f64.powi(-52) * magnitude;
    let encode =
        |raw| codec.encode_one(number(raw), 0).expect("the magnitude was checked when it was declared");
    Elements::from_integers(codec.ring(), drawn.into_iter().map(encode))
}

/// A value that one run leaves to the next as shares.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Its extents.
    pub dims: Dims,
    /// The numbers that it holds, in a program on integers.
    pub kind: Kind,
    /// No magnitude is above this, as is declared.
    pub bound: Option<f64>,
    /// Its value before the first run.
    pub init: Init,
    /// The value that stands for it.
    pub value: ValueId,
    /// The value that the next run finds.
    pub update: Option<ValueId>,
}

impl State {
    /// Rows and columns of the matrix that it lies in.
    pub fn shape(&self) -> Shape {
        self.dims.folded()
    }

    /// The same over values with other numbers.
    pub(super) fn renumber(&mut self, new: impl Fn(&ValueId) -> ValueId) {
        self.value = new(&self.value);
        self.update = self.update.as_ref().map(&new);
        if let Init::Value(value) = &mut self.init {
            *value = new(value);
        }
    }
}

impl Program {
    /// A value that each run leaves to the next. `kind` says which integers it holds, where the program computes on integers;
    /// otherwise it is [`Kind::Real`].
    ///
    /// # Errors
    /// Where another state has the name, the shape is too large, or the first value is not of this shape and kind, is not the
    /// same in every run, or does not fit the ring.
    pub fn state(
        &mut self,
        name: &str,
        dims: impl Into<Dims>,
        kind: Kind,
        init: Init,
    ) -> Result<ValueId, ProgramError> {
        let dims: Dims = self.bearable(name, dims.into())?;
        if self.states.iter().any(|state| state.name == name) {
            return Err(ProgramError::Duplicate { name: name.to_owned() });
        }
        let ring = self.ring();
        if kind.width().is_some_and(|width| width > ring) {
            return Err(ProgramError::Kind { name: name.to_owned(), kind, ring_bits: ring.bits() });
        }
        if kind != Kind::Real && !self.counts() {
            return Err(ProgramError::StateKind { name: name.to_owned(), kind });
        }
        let init = match init {
            Init::Value(value) => Init::Value(self.promoted(value)?),
            init => init,
        };
        self.check_init(name, dims, kind, &init)?;
        if let Init::Value(value) = init
            && self.is_input(value)
        {
            self.reside(value)?;
        }
        let (index, value) = (self.states.len(), self.next_id());
        let name = name.to_owned();
        let bound = None;
        self.states.push(State { name: name.clone(), dims, kind, bound, init, value, update: None });
        match self.push(Op::State(index), dims.folded(), name) {
            Ok(value) => Ok(self.with_dims(value, dims)),
            Err(error) => {
                self.states.pop();
                Err(error)
            }
        }
    }

    /// The first value's shape, kind and range.
    fn check_init(&self, name: &str, dims: Dims, kind: Kind, init: &Init) -> Result<(), ProgramError> {
        let wrong = |what: String| Err(ProgramError::Init { name: name.to_owned(), what });
        match init {
            Init::Value(value) => {
                if !self.is_input(*value) && !self.resident()[value.index()] {
                    let label = self.value(*value).label.clone();
                    return Err(ProgramError::LateInit { name: name.to_owned(), label });
                }
                let found = self.dims(*value);
                if found != dims {
                    return wrong(format!("has shape {found}, and the state {dims}"));
                }
                match self.value(*value).integers {
                    Some(held) if !kind.span(self.ring()).holds(held.span) => wrong(format!(
                        "is between {} and {}, and the state holds {kind}",
                        held.span.low, held.span.high
                    )),
                    _ => Ok(()),
                }
            }
            Init::Number(number) => {
                self.element(*number)?;
                match (self.counts(), super::build::whole(*number)) {
                    (true, Some(integer)) if !kind.span(self.ring()).holds(Span::at(integer)) => {
                        wrong(format!("is {integer}, and the state holds {kind}"))
                    }
                    _ => Ok(()),
                }
            }
            Init::Public(elements) => {
                let (expected, found) = (dims.folded().len(), elements.len());
                match (elements.ring() == self.ring(), expected == found) {
                    (true, true) => Ok(()),
                    (true, false) => wrong(format!("has {found} elements, and the state {expected}")),
                    (false, _) => {
                        wrong(format!("is of another ring than that of {} bits", self.ring().bits()))
                    }
                }
            }
            Init::Seeded { magnitude, .. } | Init::Random { magnitude } => {
                if self.counts() {
                    return Err(ProgramError::NoFractions {
                        label: format!("the first value of state '{name}'"),
                    });
                }
                match *magnitude > 0.0 && *magnitude < self.codec().limit() {
                    true => Ok(()),
                    false => wrong(format!(
                        "lies within {magnitude}, which is not between 0 and {:e}",
                        self.codec().limit()
                    )),
                }
            }
        }
    }

    /// Declares that no element of a state exceeds a bound, in any run. To be called before the state is used. See the
    /// documentation of the module `state` on what becomes of a bound that nothing proves.
    ///
    /// # Errors
    /// Where the value is no state or is used already, the bound is not positive, or the first value may exceed it.
    pub fn bound_state(&mut self, state: ValueId, bound: f64) -> Result<(), ProgramError> {
        let index = self.state_index(state)?;
        let State { name, dims, init, .. } = self.states[index].clone();
        let is_used = self.values().iter().any(|value| value.op.operands().any(|operand| operand == state));
        if is_used || self.roots().any(|root| root == state) {
            return Err(ProgramError::LateBound { name });
        }
        if !(bound > 0.0 && bound.is_finite()) {
            return Err(ProgramError::Bound { name, bound });
        }
        let holds = match &init {
            Init::Value(value) => match self.value(*value).integers {
                Some(held) => held.span.magnitude().high as f64 <= bound,
                None => self.interval(*value).is_some_and(|known| {
                    super::range::bounded(bound, self.codec().resolution()).holds(known)
                }),
            },
            Init::Random { magnitude } | Init::Seeded { magnitude, .. } => *magnitude <= bound,
            public => {
                let elements = public.public(self, dims.folded().len()).expect("it is public");
                elements.largest_magnitude() as f64 * self.codec().resolution() <= bound
            }
        };
        if !holds {
            return Err(ProgramError::Init { name, what: format!("is not known to stay within {bound}") });
        }
        self.states[index].bound = Some(bound);
        let (op, unit) = (Op::State(index), self.codec().fraction_bits());
        self.values[state.index()].interval = super::range::interval_of(self, op, unit);
        self.values[state.index()].integers = self.integers_of(op);
        Ok(())
    }

    /// Says what the next run finds in a state: `value` as this run computes it.
    ///
    /// # Errors
    /// Where `state` is none, has an update, or has another shape than the value or cannot hold its integers.
    pub fn update(&mut self, state: ValueId, value: ValueId) -> Result<(), ProgramError> {
        let index = self.state_index(state)?;
        let State { name, dims, bound, update, .. } = self.states[index].clone();
        if update.is_some() {
            return Err(ProgramError::Updated { name });
        }
        let found = self.dims(value);
        if found != dims {
            return Err(ProgramError::Update { name, shape: dims, found: Box::new(found) });
        }
        let value = self.promoted(value)?;
        let is_proven = match (self.value(state).integers, self.value(value).integers) {
            (Some(own), Some(new)) => {
                let holds = own.span.holds(new.span);
                if own.signed != new.signed && !holds {
                    let found = Kind::integers(new.signed, self.ring());
                    return Err(ProgramError::UpdateKind { name, found });
                }
                holds
            }
            _ => match self.interval(state) {
                Some(own) => own.holds(self.any_or_known(value)),
                None => true,
            },
        };
        if !is_proven {
            let limit = bound.map_or_else(|| self.states[index].kind.to_string(), |bound| bound.to_string());
            self.assumed.push((state, format!("that state {name} stays within {limit}")));
        }
        self.states[index].update = Some(value);
        Ok(())
    }

    /// Makes sure that every state has an update.
    ///
    /// # Errors
    /// [`ProgramError::NoUpdate`].
    pub(crate) fn check_updates(&self) -> Result<(), ProgramError> {
        match self.states.iter().find(|state| state.update.is_none()) {
            None => Ok(()),
            Some(state) => Err(ProgramError::NoUpdate { name: state.name.clone() }),
        }
    }

    fn state_index(&self, state: ValueId) -> Result<usize, ProgramError> {
        match self.value(state).op {
            Op::State(index) => Ok(index),
            _ => Err(ProgramError::NoState { label: self.value(state).label.clone() }),
        }
    }
}

#[cfg(test)]
mod tests;
