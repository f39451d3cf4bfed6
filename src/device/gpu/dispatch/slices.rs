//! Kernels on planes of bits.
//!
//! A word of a plane belongs to elements from all over a matrix, so these kernels are not cut: each of their matrices
//! has to fit one binding, which tiles do. Only what is written element by element is cut like any such kernel.

use super::super::panel::contiguous_blocks;
use super::super::params::{self, ParamBytes, halves};
use super::super::shader::Shader;
use super::{Planner, Span, index};
use crate::ring::Shape;
use crate::step::Matrix;
use crate::step::bits::{Lanes, Level, Predicate, digits};

/// The operands of a first level's lookup.
pub(super) struct Picked<B> {
    pub(super) opened: Matrix<B>,
    pub(super) table: Matrix<B>,
    pub(super) bits: u32,
    pub(super) predicate: Predicate,
    pub(super) lanes: Option<Lanes>,
    pub(super) leader: bool,
}

/// The power of two of a comparison, and where its results are.
pub(super) struct Power {
    pub(super) lanes: u32,
    pub(super) exponent: u32,
    pub(super) rising: bool,
    pub(super) group: u32,
}

/// The operands of a selection by bits.
pub(super) struct Chosen<B> {
    pub(super) bits: Matrix<B>,
    pub(super) value: Option<Matrix<B>>,
    pub(super) constant: u64,
    pub(super) hidden: Option<Matrix<B>>,
    pub(super) accumulate: bool,
}

impl<B: Copy> Planner<'_, B> {
    pub(super) fn truth_table(&mut self, out: Matrix<B>, mask: Matrix<B>, bits: u32, top: bool) {
        let (digits, width) = (digits(bits), out.shape.cols);
        let jobs = (digits as usize + usize::from(top)) * width;
        self.on_planes(Shader::TruthTable, &[out, mask], jobs, |offsets| {
            ParamBytes::new(&params::TruthTable {
                count: index(jobs),
                width: index(width),
                elements: index(mask.shape.len()),
                bits,
                digits,
                planes: index(out.shape.rows),
                out_offset: offsets[0],
                mask_offset: offsets[1],
            })
        });
    }

    pub(super) fn lookup_shares(&mut self, out: Matrix<B>, picked: Picked<B>) {
        let Picked { opened, table, bits, predicate, lanes, leader } = picked;
        let (level, width) = (lanes.map_or(predicate.level(bits), Lanes::level), out.shape.cols);
        let [exponents_low, exponents_high] = halves(lanes.map_or(0, |lanes| lanes.exponents));
        let jobs = level.digits as usize * width;
        self.on_planes(Shader::LookupShares, &[out, opened, table], jobs, |offsets| {
            ParamBytes::new(&params::LookupShares {
                count: index(jobs),
                width: index(width),
                elements: index(opened.shape.len()),
                bits,
                digits: level.digits,
                order: level.order.into(),
                predicate: predicate as u32,
                leader: leader.into(),
                out_offset: offsets[0],
                opened_offset: offsets[1],
                table_offset: offsets[2],
                table_planes: index(table.shape.rows),
                table_digits: digits(bits),
                groups: lanes.map_or(0, Lanes::groups),
                own: lanes.map_or(0, |lanes| lanes.own),
                rising: lanes.is_some_and(|lanes| lanes.rising).into(),
                exponents_low,
                exponents_high,
                ..Default::default()
            })
        });
    }

    pub(super) fn pick_lanes(&mut self, matrices: [Matrix<B>; 4], power: Power) {
        let [out, opened, _, own] = matrices;
        let width = out.shape.cols;
        self.on_planes(Shader::PickLanes, &matrices, width, |offsets| {
            ParamBytes::new(&params::PickLanes {
                count: index(width),
                width: index(width),
                elements: index(opened.shape.len()),
                lanes: power.lanes,
                exponent: power.exponent,
                rising: power.rising.into(),
                group: power.group,
                groups: index(own.shape.rows / 2),
                out_offset: offsets[0],
                opened_offset: offsets[1],
                base_offset: offsets[2],
                own_offset: offsets[3],
            })
        });
    }

    pub(super) fn bit_planes(&mut self, out: Matrix<B>, operand: Matrix<B>, top: u32) {
        let jobs = out.shape.len();
        self.on_planes(Shader::BitPlanes, &[out, operand], jobs, |offsets| {
            ParamBytes::new(&params::BitPlanes {
                count: index(jobs),
                width: index(out.shape.cols),
                elements: index(operand.shape.len()),
                top,
                out_offset: offsets[0],
                operand_offset: offsets[1],
                ..Default::default()
            })
        });
    }

    pub(super) fn mask_products(&mut self, out: Matrix<B>, masks: &[Matrix<B>; 2], level: Level) {
        let width = out.shape.cols;
        let jobs = level.groups() as usize * width;
        self.on_planes(Shader::MaskProducts, &[out, masks[0], masks[1]], jobs, |offsets| {
            ParamBytes::new(&params::MaskProducts {
                count: index(jobs),
                width: index(width),
                digits: level.digits,
                order: level.order.into(),
                fan_in: level.fan_in,
                out_offset: offsets[0],
                mask_0_offset: offsets[1],
                mask_1_offset: offsets[2],
            })
        });
    }

    /// `matrices`: what is written, then planes, opened factors, masks and monomials.
    pub(super) fn and_tree(&mut self, matrices: [Matrix<B>; 5], level: Level, leader: bool) {
        let width = matrices[0].shape.cols;
        let jobs = level.groups() as usize * width;
        self.on_planes(Shader::AndTree, &matrices, jobs, |offsets| {
            ParamBytes::new(&params::AndTree {
                count: index(jobs),
                width: index(width),
                digits: level.digits,
                order: level.order.into(),
                fan_in: level.fan_in,
                leader: leader.into(),
                out_offset: offsets[0],
                planes_offset: offsets[1],
                opened_offset: offsets[2],
                masks_offset: offsets[3],
                monomials_offset: offsets[4],
                ..Default::default()
            })
        });
    }

    pub(super) fn mux(&mut self, out: Matrix<B>, chosen: Chosen<B>) {
        let Chosen { bits, value, constant, hidden, accumulate } = chosen;
        let most = self.limits.elements(self.element_bytes);
        for block in contiguous_blocks(Shape::new(1, out.shape.len()), most) {
            let (first, len) = (block.first_col, block.cols);
            let (written, out_offset) = self.bind(out.buffer, first, len);
            let (read, bits_offset) = self.bind(bits.buffer, 0, bits.shape.len());
            // In place of an absent operand the bits are bound, and never read.
            let bind = |operand: Option<Matrix<B>>| {
                operand.map_or((read, 0), |operand| self.bind(operand.buffer, first, len))
            };
            let ((value_span, value_offset), (hidden_span, hidden_offset)) = (bind(value), bind(hidden));
            let params = params::Mux {
                count: index(len),
                first: index(first),
                width: index(bits.shape.cols),
                has_value: value.is_some().into(),
                has_hidden: hidden.is_some().into(),
                accumulate: accumulate.into(),
                constant: halves(constant),
                out_offset,
                bits_offset,
                value_offset,
                hidden_offset,
            };
            let groups = len.div_ceil(Shader::Mux.threads() as usize);
            let bindings = vec![written, read, value_span, hidden_span];
            self.dispatch(Shader::Mux, ParamBytes::new(&params), bindings, groups, len);
        }
    }

    /// One dispatch of so many threads on whole matrices; `params` is given where each begins in its binding.
    fn on_planes(
        &mut self,
        shader: Shader,
        matrices: &[Matrix<B>],
        jobs: usize,
        params: impl Fn(&[u32]) -> ParamBytes,
    ) {
        if jobs == 0 {
            return;
        }
        let bound = matrices.iter().map(|matrix| self.bind(matrix.buffer, 0, matrix.shape.len()));
        let (bindings, offsets): (Vec<Span<B>>, Vec<u32>) = bound.unzip();
        let groups = jobs.div_ceil(shader.threads() as usize);
        // Each thread looks at a bit of all elements of its word.
        self.dispatch(shader, params(&offsets), bindings, groups, jobs * self.element_bytes * 8);
    }
}
