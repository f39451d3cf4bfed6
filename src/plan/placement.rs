//! The placement of steps on devices, where a role has several.
//!
//! The unit of placement is a *panel*: all steps of one row of an op's tiles, or of one column where an op has fewer rows
//! of tiles than there are devices. Panels are taken in the order of lowering, and each goes to the device that is done
//! with it first, by the devices' models: after what that device was given before, after the panels of other ops that it
//! reads from, and after what must be moved there first (list scheduling by earliest finish; Topcuoglu, Hariri and Wu,
//! "Performance-effective and low-complexity task scheduling for heterogeneous computing", IEEE TPDS 2002, section 4.2).
//! So a large op's rows are divided by the devices' speeds, later ops stay where their operands are, and an op of many
//! small kernels goes to the processor where submitting them to a GPU would take longer than moving the operands.
//!
//! A buffer has a copy on every device that reads it:
//!
//! - the content of a generator or an input is made on each. That is the same mask or share for the same purpose, not a
//!   second use of its stream;
//! - any other content is *moved*: spilled to host memory as soon as it is written, and reloaded before its first use
//!   elsewhere. Later steps there read the copy, until the original is written again.
//!
//! A list that has states, or steps that some later runs take and others do not, stays on the first device.
//!
//! Steps and messages keep their order, and every edge runs forward in plan order. The placement is this role's own
//! affair: the lists of all roles, their digest and their messages do not depend on it.

use super::DeviceModel;
use super::uses::operands;
use crate::ring::{Ring, Shape};
use crate::share::Taken;
use crate::step::{
    Action, BufferId, BufferSpec, Kernel, Matrix, MemoryClass, OpId, PlaceId, StateTile, Step, StepList,
};
use std::collections::HashMap;

/// The most devices of one role.
pub const MOST_DEVICES: usize = 16;

/// A buffer on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// The number of its elements.
    pub len: usize,
    /// Its memory class.
    pub class: MemoryClass,
    /// The device's number.
    pub device: u8,
    /// The part of a state that it holds, if it is a state's.
    pub state: Option<StateTile>,
}

/// Steps of which each has all its buffers on one device.
pub(super) struct PlacedSteps {
    pub steps: Vec<Step>,
    pub buffers: Vec<Located>,
    /// Set where no step makes room.
    pub in_core: bool,
}

/// The conditions of a placement.
#[derive(Clone, Copy, Debug)]
pub struct Placement<'a> {
    /// The devices, by number; none or one leave every step on the only one.
    pub devices: &'a [DeviceModel],
    /// The row and the column of each tile among those of its op, by the tile's number; without them every tile is a
    /// panel.
    pub tiles: &'a [(usize, usize)],
}

impl Placement<'_> {
    /// Everything on one device.
    pub const ONE: Placement<'static> = Placement { devices: &[], tiles: &[] };

    /// Places the steps of a list, given in plan order.
    ///
    /// # Panics
    /// With more than [`MOST_DEVICES`].
    pub(super) fn place(&self, list: &StepList, steps: Vec<Step>) -> PlacedSteps {
        // A copy of a state on another device would be an old one in the next run, and what one run has moved another may not
        // have.
        let varies = list.buffers.iter().any(|spec| spec.state.is_some())
            || list.steps.iter().any(|step| matches!(step.taken, Taken::Seldom | Taken::Output(_)));
        if self.devices.len() <= 1 || varies {
            let buffers = list.buffers.iter().map(|&spec| located(spec, 0)).collect();
            return PlacedSteps { steps, buffers, in_core: true };
        }
        assert!(self.devices.len() <= MOST_DEVICES, "at most {MOST_DEVICES} devices");
        let panels = Panels::new(list, self);
        let chosen = panels.choose(list.ring, &list.buffers, self.devices);
        let device = |step: &Step| chosen[panels.number[&panels.key(step)]];
        let versions = Versions::new(&steps, list, device);
        Emission::new(list).emit(steps, &versions)
    }
}

fn located(spec: BufferSpec, device: u8) -> Located {
    Located { len: spec.len, class: spec.class, device, state: spec.state }
}

/// True where any device can make the step's result, from nothing that another has.
fn is_made(action: &Action) -> bool {
    matches!(action, Action::Kernel(Kernel::Fill { .. }) | Action::Input { .. })
}

/// An op and one of its rows, columns or tiles.
type Key = (OpId, usize);

/// The unit of placement.
struct Panel {
    op: OpId,
    /// Its steps, by position in the list.
    steps: Vec<usize>,
    /// The buffers that it reads and others have written, or that are made wherever they are needed.
    reads: Vec<u32>,
}

/// The panels of a list, in the order of lowering.
struct Panels<'a> {
    list: &'a StepList,
    tiles: &'a [(usize, usize)],
    /// By op: true where its panels are columns.
    columns: HashMap<OpId, bool>,
    number: HashMap<Key, usize>,
    panels: Vec<Panel>,
    /// By buffer: the panel that writes it first, and the step that makes it, if nothing else ever writes it.
    writer: Vec<Option<usize>>,
    recipe: Vec<Option<usize>>,
}

impl<'a> Panels<'a> {
    fn new(list: &'a StepList, placement: &Placement<'a>) -> Panels<'a> {
        let mut rows: HashMap<OpId, usize> = HashMap::new();
        for step in &list.steps {
            if let Some(&(row, _)) = placement.tiles.get(step.tile as usize) {
                let rows = rows.entry(step.op).or_default();
                *rows = (*rows).max(row + 1);
            }
        }
        let columns = rows.into_iter().map(|(op, rows)| (op, rows < placement.devices.len())).collect();
        let buffers = list.buffers.len();
        let mut panels = Panels {
            list,
            tiles: placement.tiles,
            columns,
            number: HashMap::new(),
            panels: Vec::new(),
            writer: vec![None; buffers],
            recipe: vec![None; buffers],
        };
        (0..list.steps.len()).for_each(|at| panels.add(at));
        panels.panels.iter_mut().for_each(|panel| {
            panel.reads.sort_unstable();
            panel.reads.dedup();
        });
        panels
    }

    fn key(&self, step: &Step) -> Key {
        let strip = match self.tiles.get(step.tile as usize) {
            Some(&(_, col)) if self.columns[&step.op] => col,
            Some(&(row, _)) => row,
            None => step.tile as usize,
        };
        (step.op, strip)
    }

    fn add(&mut self, at: usize) {
        let step = &self.list.steps[at];
        let next = self.panels.len();
        let number = *self.number.entry(self.key(step)).or_insert(next);
        if number == next {
            self.panels.push(Panel { op: step.op, steps: Vec::new(), reads: Vec::new() });
        }
        let panel = &mut self.panels[number];
        panel.steps.push(at);
        for use_ in operands(step, |buffer| self.list.buffers[buffer as usize].len) {
            let buffer = use_.buffer as usize;
            if use_.needs && (self.writer[buffer] != Some(number) || self.recipe[buffer].is_some()) {
                panel.reads.push(use_.buffer);
            }
            if use_.changes {
                let is_first = self.writer[buffer].is_none();
                self.recipe[buffer] = (is_first && !use_.needs && is_made(&step.action)).then_some(at);
                self.writer[buffer].get_or_insert(number);
            }
        }
    }

    /// The device of each panel.
    fn choose(&self, ring: Ring, buffers: &[BufferSpec], devices: &[DeviceModel]) -> Vec<u8> {
        let mut choice = Choice {
            ring,
            buffers,
            devices,
            free: vec![0.0; devices.len()],
            there: vec![0; buffers.len()],
            device: vec![None; self.panels.len()],
            done: vec![0.0; self.panels.len()],
        };
        (0..self.panels.len()).for_each(|number| choice.place(self, number));
        choice.device.into_iter().map(|device| device.expect("every panel was placed")).collect()
    }
}

/// The placement so far.
struct Choice<'a> {
    ring: Ring,
    buffers: &'a [BufferSpec],
    devices: &'a [DeviceModel],
    /// The end of each device's work, in seconds.
    free: Vec<f64>,
    /// By buffer: the devices that have it, as bits.
    there: Vec<u32>,
    /// By panel.
    device: Vec<Option<u8>>,
    done: Vec<f64>,
}

impl Choice<'_> {
    fn place(&mut self, panels: &Panels<'_>, number: usize) {
        let panel = &panels.panels[number];
        let finish = |device: u8| {
            let model = &self.devices[usize::from(device)];
            let made = |at: &usize| is_made(&panels.list.steps[*at].action);
            let own = panel.steps.iter().filter(|at| !made(at));
            let work: f64 = own.map(|&at| model.seconds(self.ring, &panels.list.steps[at].action)).sum();
            let brought: f64 = panel.reads.iter().map(|&buffer| self.bring(panels, buffer, device)).sum();
            self.free[usize::from(device)].max(self.ready(panels, panel)) + brought + work
        };
        let finishes = (0..self.devices.len() as u8).map(|device| (finish(device), device));
        let (done, device) = finishes.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are devices");
        for &buffer in &panel.reads {
            self.there[buffer as usize] |= 1 << device;
        }
        self.free[usize::from(device)] = done;
        self.done[number] = done;
        self.device[number] = Some(device);
    }

    /// The end of the panels of other ops that it reads from. Those of its own op go on beside it: buffers that they share
    /// with it, such as an opened factor, are there early.
    fn ready(&self, panels: &Panels<'_>, panel: &Panel) -> f64 {
        let writers = panel.reads.iter().filter_map(|&buffer| match panels.recipe[buffer as usize] {
            None => panels.writer[buffer as usize],
            Some(_) => None,
        });
        let others = writers.filter(|&writer| panels.panels[writer].op != panel.op);
        others.map(|writer| self.done[writer]).fold(0.0, f64::max)
    }

    /// Seconds until a buffer is on a device; a buffer that is not placed yet counts as being there.
    fn bring(&self, panels: &Panels<'_>, buffer: u32, device: u8) -> f64 {
        let index = buffer as usize;
        let model = &self.devices[usize::from(device)];
        if self.there[index] >> device & 1 == 1 {
            return 0.0;
        }
        if let Some(at) = panels.recipe[index] {
            return model.seconds(self.ring, &panels.list.steps[at].action);
        }
        let home = panels.writer[index].and_then(|writer| self.device[writer]);
        let Some(home) = home.filter(|&home| home != device) else { return 0.0 };
        let whole = Matrix::new(BufferId(buffer), Shape::new(1, self.buffers[index].len));
        let spill = Action::Spill { from: whole, place: PlaceId(0) };
        let reload = Action::Reload { to: whole, place: PlaceId(0) };
        self.devices[usize::from(home)].seconds(self.ring, &spill) + model.seconds(self.ring, &reload)
    }
}

/// A version of a buffer: its content between two steps that write it.
struct Version {
    /// The devices on which it is read, as bits.
    needed: u32,
    /// The runs that take the step that writes it.
    taken: Taken,
}

/// The device of every step, and the devices that read its result.
struct Versions {
    /// By step.
    device: Vec<u8>,
    /// In the order in which they are written.
    versions: Vec<Version>,
    /// By buffer: elements.
    lens: Vec<usize>,
}

impl Versions {
    /// `device` gives the device of a step. Messages and results leave from the device that has them, and messages arrive
    /// on the device that reads them.
    fn new(steps: &[Step], list: &StepList, device: impl Fn(&Step) -> u8) -> Versions {
        let lens: Vec<usize> = list.buffers.iter().map(|spec| spec.len).collect();
        let mut versions: Vec<Version> = Vec::new();
        let mut current: Vec<Option<usize>> = vec![None; lens.len()];
        // By version: the step that writes it.
        let mut writers: Vec<usize> = Vec::new();
        let mut devices: Vec<u8> = Vec::with_capacity(steps.len());
        for (position, step) in steps.iter().enumerate() {
            let mut own = device(step);
            if let Action::Send { from, .. } | Action::Output { from, .. } = step.action
                && let Some(version) = current[from.buffer.0 as usize]
                && !is_made(&steps[writers[version]].action)
            {
                own = devices[writers[version]];
            }
            devices.push(own);
            for use_ in operands(step, |buffer| lens[buffer as usize]) {
                let current = &mut current[use_.buffer as usize];
                if let Some(version) = current.filter(|_| use_.needs) {
                    versions[version].needed |= 1 << own;
                }
                if use_.changes {
                    *current = Some(versions.len());
                    versions.push(Version { needed: 0, taken: step.taken });
                    writers.push(position);
                }
            }
        }
        for (version, &writer) in versions.iter().zip(&writers) {
            let is_read_elsewhere = version.needed != 0 && version.needed >> devices[writer] & 1 == 0;
            if is_read_elsewhere && matches!(steps[writer].action, Action::Receive { .. }) {
                devices[writer] = version.needed.trailing_zeros() as u8;
            }
        }
        Versions { device: devices, versions, lens }
    }
}

/// The places of a buffer's present version.
#[derive(Clone, Copy, Default)]
struct Present {
    version: usize,
    /// The devices that have it, as bits.
    there: u32,
    /// On the host, to be moved.
    place: Option<PlaceId>,
}

/// The steps with their moves.
struct Emission<'a> {
    list: &'a StepList,
    placed: PlacedSteps,
    present: Vec<Option<Present>>,
    /// A buffer's number on a device.
    copies: HashMap<(u32, u8), BufferId>,
    versions: usize,
    places: u32,
}

impl<'a> Emission<'a> {
    fn new(list: &'a StepList) -> Emission<'a> {
        Emission {
            list,
            placed: PlacedSteps {
                steps: Vec::with_capacity(list.steps.len()),
                buffers: Vec::new(),
                in_core: true,
            },
            present: vec![None; list.buffers.len()],
            copies: HashMap::new(),
            versions: 0,
            places: 0,
        }
    }

    fn emit(mut self, steps: Vec<Step>, versions: &Versions) -> PlacedSteps {
        for (step, &device) in steps.into_iter().zip(&versions.device) {
            if is_made(&step.action) {
                self.make(step, device, versions);
            } else {
                self.compute(step, device, versions);
            }
        }
        self.placed
    }

    /// Makes a buffer on every device that reads it.
    fn make(&mut self, step: Step, device: u8, versions: &Versions) {
        for use_ in operands(&step, |buffer| versions.lens[buffer as usize]) {
            if use_.needs && self.present[use_.buffer as usize].is_some() {
                // It writes a part of what is there.
                return self.compute(step, device, versions);
            }
            let version = self.write(use_.buffer, 0);
            let needed = versions.versions[version].needed;
            let there = if needed == 0 { 1 << device } else { needed };
            for device in (0..MOST_DEVICES as u8).filter(|device| there >> device & 1 == 1) {
                let action = step.action.map(|buffer| self.copy(buffer.0, device));
                self.placed.steps.push(Step { action, ..step.clone() });
            }
            self.present[use_.buffer as usize] = Some(Present { version, there, place: None });
        }
    }

    /// Brings a step's operands to its device, and moves its result on.
    fn compute(&mut self, step: Step, device: u8, versions: &Versions) {
        let uses = operands(&step, |buffer| versions.lens[buffer as usize]);
        for use_ in uses.iter().filter(|use_| use_.needs) {
            self.bring(use_.buffer, device, &step, versions);
        }
        let action = step.action.map(|buffer| self.copy(buffer.0, device));
        self.placed.steps.push(Step { action, ..step.clone() });
        for use_ in uses.into_iter().filter(|use_| use_.changes) {
            let version = self.write(use_.buffer, device);
            if versions.versions[version].needed & !(1 << device) != 0 {
                let (from, place) = (self.whole(use_.buffer, device), PlaceId(self.places));
                self.places += 1;
                self.placed.steps.push(Step { action: Action::Spill { from, place }, ..step.clone() });
                self.present[use_.buffer as usize].as_mut().expect("it was written").place = Some(place);
            }
        }
    }

    /// Reloads the operands that are not on the device, before `step`.
    fn bring(&mut self, buffer: u32, device: u8, step: &Step, versions: &Versions) {
        let Some(present) = &mut self.present[buffer as usize] else { return };
        if present.there >> device & 1 == 1 {
            return;
        }
        present.there |= 1 << device;
        let (place, taken) = (present.place, versions.versions[present.version].taken);
        let place = place.expect("what is read on several devices was moved");
        // A reloaded content is a new buffer: it takes no room meanwhile.
        self.copies.remove(&(buffer, device));
        self.copy(buffer, device);
        let action = Action::Reload { to: self.whole(buffer, device), place };
        self.placed.steps.push(Step { action, taken, ..step.clone() });
    }

    /// A buffer has a new version, on one device.
    fn write(&mut self, buffer: u32, device: u8) -> usize {
        let version = self.versions;
        self.versions += 1;
        self.present[buffer as usize] = Some(Present { version, there: 1 << device, place: None });
        version
    }

    fn copy(&mut self, buffer: u32, device: u8) -> BufferId {
        let next = BufferId(self.placed.buffers.len() as u32);
        let id = *self.copies.entry((buffer, device)).or_insert(next);
        if id == next {
            self.placed.buffers.push(located(self.list.buffers[buffer as usize], device));
        }
        id
    }

    fn whole(&mut self, buffer: u32, device: u8) -> Matrix<BufferId> {
        let len = self.list.buffers[buffer as usize].len;
        Matrix::new(self.copy(buffer, device), Shape::new(1, len))
    }
}
