//! The barriers that wgpu puts between commands, counted by its rules: a buffer's use is one of a few; a command that uses
//! it otherwise than the one before, or writes it again, waits behind a barrier, one for all of a command's buffers. What
//! passes and encoders begin with is provided for by one barrier ahead of them.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// A use of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A copy reads it.
    CopyFrom,
    /// A copy or a fill writes it.
    CopyTo,
    /// A kernel has its parameters there.
    Uniform,
    /// A kernel reads it.
    Read,
    /// A kernel reads and writes it.
    Write,
}

impl Usage {
    /// Whether one command after the other may use it so at once.
    fn is_shared(self) -> bool {
        matches!(self, Usage::CopyFrom | Usage::Uniform | Usage::Read)
    }
}

/// The last use of each buffer in one submission.
pub struct Barriers<B> {
    outside: HashMap<B, Usage>,
    /// Within the present pass.
    inside: HashMap<B, Usage>,
    /// The present pass begins with uses other than those before it.
    turns: bool,
    count: u64,
}

impl<B: Eq + Hash + Clone> Barriers<B> {
    /// Of a submission that begins: a barrier leads over to it from what was before.
    pub fn new() -> Barriers<B> {
        Barriers { outside: HashMap::new(), inside: HashMap::new(), turns: false, count: 1 }
    }

    /// A command outside of passes.
    pub fn transfer(&mut self, uses: &[(&B, Usage)]) {
        let mut waits = false;
        for &(buffer, usage) in uses {
            waits |= turn(&mut self.outside, buffer, usage);
        }
        self.count += u64::from(waits);
    }

    /// The buffers that these commands read and that were written before in the pass: one barrier ahead of all of them
    /// serves for all, but for commands that write again what was written, which wait by themselves. None where no barrier is
    /// saved.
    pub fn shared<'a>(&mut self, commands: &[&'a [(B, Usage)]]) -> Vec<&'a B> {
        let is_turn = |&&(ref buffer, usage): &&'a (B, Usage)| {
            usage == Usage::Read && self.inside.get(buffer).is_some_and(|&last| last != Usage::Read)
        };
        let turns = |uses: &&&'a [(B, Usage)]| uses.iter().any(|each| is_turn(&each));
        let rewrites = |uses: &&&'a [(B, Usage)]| {
            uses.iter().any(|(buffer, usage)| *usage == Usage::Write && self.inside.contains_key(buffer))
        };
        let waits = |uses: &&&'a [(B, Usage)]| turns(uses) || rewrites(uses);
        let [apart, beside] =
            [commands.iter().filter(waits).count(), 1 + commands.iter().filter(rewrites).count()];
        if apart <= beside {
            return Vec::new();
        }
        let turned = commands.iter().flat_map(|uses| uses.iter()).filter(is_turn).map(|(buffer, _)| buffer);
        let turned: HashSet<&B> = turned.collect();
        self.inside.extend(turned.iter().map(|&buffer| (buffer.clone(), Usage::Read)));
        self.count += 1;
        turned.into_iter().collect()
    }

    /// A command in a pass.
    pub fn dispatch<'a>(&mut self, uses: impl Iterator<Item = (&'a B, Usage)>)
    where
        B: 'a,
    {
        let mut waits = false;
        for (buffer, usage) in uses {
            if !self.inside.contains_key(buffer) {
                self.turns |=
                    self.outside.get(buffer).is_some_and(|&last| last != usage || !usage.is_shared());
            }
            waits |= turn(&mut self.inside, buffer, usage);
        }
        self.count += u64::from(waits);
    }

    /// The end of a pass.
    pub fn end_pass(&mut self) {
        self.count += u64::from(std::mem::take(&mut self.turns));
        self.outside.extend(self.inside.drain());
    }

    /// The number so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// Notes a use; true where it waits for the last one.
fn turn<B: Eq + Hash + Clone>(last: &mut HashMap<B, Usage>, buffer: &B, usage: Usage) -> bool {
    match last.get_mut(buffer) {
        Some(last) => {
            let waits = *last != usage || !usage.is_shared();
            *last = usage;
            waits
        }
        None => {
            last.insert(buffer.clone(), usage);
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_kernels_waits_at_each_link() {
        let mut barriers = Barriers::new();
        barriers.transfer(&[(&"staging", Usage::CopyFrom), (&"x", Usage::CopyTo)]);
        barriers.transfer(&[(&"staging", Usage::CopyFrom), (&"y", Usage::CopyTo)]);
        assert_eq!(barriers.count(), 1, "what leads over to the submission");
        barriers.dispatch([(&"a", Usage::Write), (&"x", Usage::Read)].into_iter());
        barriers.dispatch([(&"b", Usage::Write), (&"y", Usage::Read), (&"x", Usage::Read)].into_iter());
        assert_eq!(barriers.count(), 1, "neither waits for the other");
        barriers.dispatch([(&"c", Usage::Write), (&"a", Usage::Read), (&"b", Usage::Read)].into_iter());
        assert_eq!(barriers.count(), 2);
        barriers.end_pass();
        assert_eq!(barriers.count(), 3, "ahead of the pass, for x and y");
        barriers.transfer(&[(&"c", Usage::CopyFrom), (&"landing", Usage::CopyTo)]);
        assert_eq!(barriers.count(), 4);
    }

    #[test]
    fn commands_that_wait_alike_share_a_barrier() {
        let mut barriers = Barriers::new();
        let write = |out: &'static str, operand: &'static str| [(out, Usage::Write), (operand, Usage::Read)];
        let run = |barriers: &mut Barriers<&str>, uses: &[(&'static str, Usage)]| {
            barriers.dispatch(uses.iter().map(|(buffer, usage)| (buffer, *usage)));
        };
        for uses in [write("a", "x"), write("b", "x")] {
            run(&mut barriers, &uses);
        }
        let next = [write("c", "a"), write("d", "b")];
        assert_eq!(barriers.shared(&[&next[0]]), [&""; 0], "one waits for itself");
        assert_eq!(barriers.shared(&[&next[0], &next[1]]).len(), 2);
        next.iter().for_each(|uses| run(&mut barriers, uses));
        assert_eq!(barriers.count(), 2, "one to begin with, and one for both");
    }
}
