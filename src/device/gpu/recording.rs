//! Commands of one submission, in as few passes as what they wait for allows.
//!
//! A recording is a row of *segments*, each some copies and then one pass of kernels. A command goes to the first
//! segment in which all that it waits for lies before it: a copy to the device ahead of kernels that were recorded earlier,
//! a copy to the host behind those recorded later, as long as no two that touch the same buffer, one of them writing it,
//! change places. So what is between two messages is one pass, unless memory is written anew that was used before.
//!
//! **Invariant.** Two commands of which one writes a buffer that the other touches run in the order in which they came.
//!
//! This module is pure: buffers are names of any type, and commands are anything.

use std::collections::HashMap;
use std::hash::Hash;

/// Copies, and the kernels behind them.
pub struct Segment<T, D> {
    /// Copies and fills, in order.
    pub transfers: Vec<T>,
    /// Dispatches, in order, each with its depth: how many commands there are up to it of which each waits for the one
    /// before.
    pub dispatches: Vec<(u32, D)>,
}

/// The commands recorded so far: transfers `T` and dispatches `D` on buffers `B`.
pub struct Recording<B, T, D> {
    segments: Vec<Segment<T, D>>,
    uses: HashMap<B, Use>,
    depth: u32,
}

/// The last uses of a buffer.
#[derive(Clone, Copy, Default)]
struct Use {
    written: Option<Moment>,
    read: Option<Moment>,
}

/// A command's place: twice its segment, and one more for a dispatch; and how many commands there are up to it of which
/// each waits for the one before.
#[derive(Clone, Copy, Default)]
struct Moment {
    place: usize,
    depth: u32,
}

impl<B: Eq + Hash + Clone, T, D> Recording<B, T, D> {
    /// Nothing recorded.
    pub fn new() -> Recording<B, T, D> {
        Recording { segments: Vec::new(), uses: HashMap::new(), depth: 0 }
    }

    /// True where nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Records a copy or a fill that reads `from` and writes `to`; memory that nothing else of the recording touches need
    /// not be named.
    pub fn transfer(&mut self, from: Option<&B>, to: Option<&B>, command: T) {
        let awaited = self.awaited(from.into_iter(), to.into_iter());
        let place = awaited.place.next_multiple_of(2);
        self.note(from.into_iter(), to.into_iter(), Moment { place, depth: awaited.depth + 1 });
        self.segment(place / 2).transfers.push(command);
    }

    /// Records a dispatch.
    pub fn dispatch<'a>(
        &mut self,
        read: impl Iterator<Item = &'a B> + Clone,
        written: impl Iterator<Item = &'a B> + Clone,
        command: D,
    ) where
        B: 'a,
    {
        let awaited = self.awaited(read.clone(), written.clone());
        let (place, depth) = (awaited.place | 1, awaited.depth + 1);
        self.note(read, written, Moment { place, depth });
        self.segment(place / 2).dispatches.push((depth, command));
    }

    /// The segments, and how many commands there are of which each waits for the one before. The recording is then empty.
    pub fn take(&mut self) -> (Vec<Segment<T, D>>, u32) {
        self.uses.clear();
        (std::mem::take(&mut self.segments), std::mem::take(&mut self.depth))
    }

    /// The last of what a command on these buffers waits for.
    fn awaited<'a>(&self, read: impl Iterator<Item = &'a B>, written: impl Iterator<Item = &'a B>) -> Moment
    where
        B: 'a,
    {
        let before_read = read.filter_map(|buffer| self.uses.get(buffer)?.written);
        let uses = written.filter_map(|buffer| self.uses.get(buffer));
        let before_written = uses.flat_map(|last| [last.written, last.read]).flatten();
        before_read.chain(before_written).fold(Moment::default(), Moment::later)
    }

    fn note<'a>(
        &mut self,
        read: impl Iterator<Item = &'a B>,
        written: impl Iterator<Item = &'a B>,
        moment: Moment,
    ) where
        B: 'a,
    {
        self.depth = self.depth.max(moment.depth);
        let later = |last: Option<Moment>| Some(last.map_or(moment, |last| last.later(moment)));
        for buffer in read {
            let last = self.uses.entry(buffer.clone()).or_default();
            last.read = later(last.read);
        }
        for buffer in written {
            let last = self.uses.entry(buffer.clone()).or_default();
            last.written = later(last.written);
        }
    }

    fn segment(&mut self, number: usize) -> &mut Segment<T, D> {
        let empty = || Segment { transfers: Vec::new(), dispatches: Vec::new() };
        if self.segments.len() <= number {
            self.segments.resize_with(number + 1, empty);
        }
        &mut self.segments[number]
    }
}

impl Moment {
    /// The later place, and the greater depth.
    fn later(self, other: Moment) -> Moment {
        Moment { place: self.place.max(other.place), depth: self.depth.max(other.depth) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Command {
        number: usize,
        is_dispatch: bool,
        read: Vec<u8>,
        written: Vec<u8>,
    }

    type Commands = Recording<u8, Command, Command>;

    fn record(recording: &mut Commands, command: &Command) {
        let Command { read, written, is_dispatch, .. } = command;
        if *is_dispatch {
            recording.dispatch(read.iter(), written.iter(), command.clone());
        } else {
            recording.transfer(read.first(), written.first(), command.clone());
        }
    }

    fn commands(list: &[(bool, &[u8], &[u8])]) -> Vec<Command> {
        let command = |(number, &(is_dispatch, read, written)): (usize, &(bool, &[u8], &[u8]))| Command {
            number,
            is_dispatch,
            read: read.to_vec(),
            written: written.to_vec(),
        };
        list.iter().enumerate().map(command).collect()
    }

    /// The numbers of transfers and dispatches in each segment, and the depth.
    fn segments(list: &[Command]) -> (Vec<[Vec<usize>; 2]>, u32) {
        let mut recording = Commands::new();
        list.iter().for_each(|command| record(&mut recording, command));
        let (segments, depth) = recording.take();
        assert!(recording.is_empty());
        let numbers = |commands: Vec<Command>| commands.into_iter().map(|command| command.number).collect();
        let dispatches = |list: Vec<(u32, Command)>| list.into_iter().map(|(_, command)| command).collect();
        let pair = |segment: Segment<Command, Command>| {
            [segment.transfers, dispatches(segment.dispatches)].map(numbers)
        };
        (segments.into_iter().map(pair).collect(), depth)
    }

    /// Two messages arrive, each is computed on, and what comes of them is sent: it is one pass between copies.
    #[test]
    fn an_exchange_is_one_pass() {
        let list = commands(&[
            (false, &[], &[1]),
            (true, &[1], &[2]),
            (false, &[2], &[]),
            (false, &[], &[3]),
            (true, &[3, 2], &[4]),
            (false, &[4], &[]),
        ]);
        assert_eq!(segments(&list), (vec![[vec![0, 3], vec![1, 4]], [vec![2, 5], vec![]]], 4));
    }

    #[test]
    fn memory_that_is_written_anew_takes_another_pass() {
        let list =
            commands(&[(true, &[1], &[2]), (false, &[], &[1]), (true, &[1], &[3]), (false, &[9], &[])]);
        assert_eq!(segments(&list), (vec![[vec![3], vec![0]], [vec![1], vec![2]]], 3));
    }

    proptest! {
        #[test]
        fn what_depends_stays_in_order(
            list in prop::collection::vec((any::<bool>(), 0u8..6, 0u8..6, 0u8..6), 0..40)
        ) {
            let list: Vec<Command> = list
                .into_iter()
                .enumerate()
                .map(|(number, (is_dispatch, a, b, c))| match is_dispatch {
                    true => Command { number, is_dispatch, read: vec![a, b], written: vec![c] },
                    false => Command { number, is_dispatch, read: vec![a], written: vec![b] },
                })
                .collect();
            let (segments, _) = segments(&list);
            let order: Vec<usize> = segments.into_iter().flatten().flatten().collect();
            prop_assert_eq!(order.len(), list.len(), "each command once");
            let at = |number: usize| order.iter().position(|&other| other == number).expect("every command");
            for (later, second) in list.iter().enumerate() {
                for (earlier, first) in list[..later].iter().enumerate() {
                    let touches = |one: &Command, other: &Command| {
                        one.written.iter().any(|buffer| other.read.contains(buffer) || other.written.contains(buffer))
                    };
                    if touches(first, second) || touches(second, first) {
                        prop_assert!(at(earlier) < at(later), "{first:?} before {second:?}");
                    }
                }
            }
        }
    }
}
