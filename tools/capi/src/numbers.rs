//! Callers' inputs of a run, as ring elements.

use crate::program::{Brought, Builder, shown};
use crate::status::{Fault, SymbolonStatus};
use std::collections::BTreeMap;
use symbolon::ring::{Elements, FixedPoint, Ring};
use symbolon::share::PartyId;
use zeroize::Zeroizing;

/// Data for a run.
#[derive(Clone)]
pub(crate) enum Numbers {
    Reals(Zeroizing<Vec<f64>>),
    Integers(Zeroizing<Vec<i64>>),
    Elements(Zeroizing<Vec<u64>>),
}

/// Each party's inputs, as data or as a mask that is drawn here, and those masks, which are shares of outputs.
pub(crate) type Brings = (BTreeMap<PartyId, BTreeMap<String, Elements>>, BTreeMap<String, Elements>);

pub(crate) fn brought(
    builder: &Builder,
    given: &BTreeMap<String, Numbers>,
    own: &[PartyId],
) -> Result<Brings, Fault> {
    let (ring, mut masks) = (builder.codec.ring(), BTreeMap::new());
    if let Some(unknown) =
        given.keys().find(|name| builder.inputs.get(*name).is_none_or(|leaf| leaf.brought == Brought::Mask))
    {
        return Err(Fault::usage(format!("the program takes no {}", shown(unknown))));
    }
    let mut data: BTreeMap<PartyId, BTreeMap<String, Elements>> = BTreeMap::new();
    for &party in own {
        let mut inputs = BTreeMap::new();
        for (name, leaf) in builder.inputs.iter().filter(|(_, leaf)| leaf.owner == party.0) {
            let elements = match (leaf.brought, given.get(name)) {
                (Brought::Mask, _) => {
                    let mask = drawn(ring, leaf.len)?;
                    masks.insert(name.clone(), mask.clone());
                    mask
                }
                (_, None) => {
                    let line = format!("{} is missing, which party {} brings", shown(name), party.0);
                    return Err(Fault::usage(line));
                }
                (_, Some(numbers)) => encoded(builder.codec, numbers)
                    .map_err(|line| Fault::usage(format!("{}: {line}", shown(name))))?,
            };
            if elements.len() != leaf.len {
                return Err(Fault::usage(format!(
                    "{} has {} elements, and {} are brought",
                    shown(name),
                    leaf.len,
                    elements.len()
                )));
            }
            inputs.insert(name.clone(), elements);
        }
        data.insert(party, inputs);
    }
    Ok((data, masks))
}

/// Uniform elements from the operating system's entropy.
fn drawn(ring: Ring, len: usize) -> Result<Elements, Fault> {
    let key = symbolon::ring::prg::PrgKey::from_entropy();
    let key = key.map_err(|error| Fault::new(SymbolonStatus::Resources, error.to_string()))?;
    let mut bytes = Zeroizing::new(vec![0; len * ring.element_bytes()]);
    key.fill(0, 0, &mut bytes);
    Ok(Elements::from_bytes(ring, &bytes))
}

fn encoded(codec: FixedPoint, numbers: &Numbers) -> Result<Elements, String> {
    let ring = codec.ring();
    let (is_whole, is_narrow) = (codec.fraction_bits() == 0, ring == Ring::Z32);
    match numbers {
        Numbers::Reals(reals) => Elements::encode(codec, reals).map_err(|error| error.to_string()),
        Numbers::Integers(integers) if is_whole => {
            match integers.iter().find(|&&integer| is_narrow && i32::try_from(integer).is_err()) {
                Some(_) => Err("an integer does not fit into 32 bits".to_owned()),
                None => Ok(Elements::from_integers(ring, integers.iter().map(|&integer| integer as u64))),
            }
        }
        Numbers::Integers(_) => Err("the program is of fixed-point numbers: bring reals".to_owned()),
        Numbers::Elements(elements) => {
            match elements.iter().find(|&&element| is_narrow && u32::try_from(element).is_err()) {
                Some(_) => Err("an element of a share is not below 2^32".to_owned()),
                None => Ok(Elements::from_integers(ring, elements.iter().copied())),
            }
        }
    }
}
