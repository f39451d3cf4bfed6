//! Tests without a GPU: every shader with every number type is valid WGSL within the capabilities that it
//! declares, and declares what the Rust side believes of it.

use super::params::{self, Params};
use super::program::{NumberType, Program};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess, TypeInner};

fn parse(program: Program, number_type: NumberType) -> Module {
    let text = program.wgsl(number_type).expect("the sources compose");
    naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|error| panic!("{program:?} {number_type:?}: {}", error.emit_to_string(&text)))
}

fn every_permutation() -> impl Iterator<Item = (Program, NumberType)> {
    Program::ALL.into_iter().flat_map(|program| NumberType::ALL.map(|number_type| (program, number_type)))
}

fn fields(program: Program) -> (&'static [(&'static str, usize)], usize) {
    fn of<P: Params>() -> (&'static [(&'static str, usize)], usize) {
        (P::FIELDS, size_of::<P>())
    }
    match program {
        Program::Linear => of::<params::Linear>(),
        Program::Hadamard => of::<params::Hadamard>(),
        Program::Gemm | Program::GemmNarrow | Program::GemmFlat => of::<params::Gemm>(),
        Program::Transpose => of::<params::Transpose>(),
        Program::Sum => of::<params::Sum>(),
        Program::Shift => of::<params::Shift>(),
        Program::Fill | Program::FillTail => of::<params::Fill>(),
        Program::TruncPair => of::<params::TruncPair>(),
        Program::TruncFinish => of::<params::TruncFinish>(),
        Program::Table => of::<params::Table>(),
        Program::Pick => of::<params::Pick>(),
        Program::Xor => of::<params::Xor>(),
        Program::Monomials => of::<params::Monomials>(),
        Program::Join => of::<params::Join>(),
        Program::Choose => of::<params::Choose>(),
        Program::Affine => of::<params::Affine>(),
    }
}

#[test]
fn every_permutation_is_valid_within_its_capabilities() {
    for (program, number_type) in every_permutation() {
        let capabilities = match number_type {
            NumberType::U64 => Capabilities::SHADER_INT64,
            NumberType::U32 | NumberType::U64Pairs => Capabilities::empty(),
        };
        let text = program.wgsl(number_type).unwrap();
        Validator::new(ValidationFlags::all(), capabilities)
            .validate(&parse(program, number_type))
            .unwrap_or_else(|error| panic!("{program:?} {number_type:?}: {}", error.emit_to_string(&text)));
    }
}

#[test]
fn native_64_bit_integers_need_the_capability() {
    let module = parse(Program::Gemm, NumberType::U64);
    assert!(Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).is_err());
}

#[test]
fn bindings_are_in_the_order_that_rust_binds_them() {
    for (program, number_type) in every_permutation() {
        let module = parse(program, number_type);
        let (index, _) = entry_point(&module, program);
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SHADER_INT64);
        let info = validator.validate(&module).expect("checked elsewhere");
        let mut bindings: Vec<_> = module
            .global_variables
            .iter()
            .filter(|(handle, _)| !info.get_entry_point(index)[*handle].is_empty())
            .filter_map(|(_, variable)| {
                variable.binding.map(|binding| (binding.group, binding.binding, variable.space))
            })
            .collect();
        bindings.sort_by_key(|(group, binding, _)| (*group, *binding));
        let storage = |access| AddressSpace::Storage { access };
        let mut expected = vec![(0, 0, AddressSpace::Uniform)];
        for index in 1..=program.written() + program.read() {
            let written = index <= program.written();
            let access =
                if written { StorageAccess::LOAD | StorageAccess::STORE } else { StorageAccess::LOAD };
            expected.push((0, index as u32, storage(access)));
        }
        assert_eq!(bindings, expected, "{program:?} {number_type:?}");
    }
}

#[test]
fn workgroups_and_overrides_are_those_that_rust_knows() {
    for (program, number_type) in every_permutation() {
        let module = parse(program, number_type);
        let (_, entry_point) = entry_point(&module, program);
        let overrides = program.overrides(number_type);
        for (name, _) in overrides {
            let is_declared = |constant: &naga::Override| constant.name.as_deref() == Some(*name);
            assert!(
                module.overrides.iter().any(|(_, constant)| is_declared(constant)),
                "{program:?}: {name}"
            );
        }
        for (name, value) in overrides {
            match *name {
                "WORKGROUP" => assert_eq!(*value as u32, program.threads()),
                "THREADS_ACROSS" => {
                    let (across, threads) = (*value as usize, program.threads() as usize);
                    assert_eq!(program.gemm_tile(), (4 * threads / across, 4 * across), "{program:?}");
                }
                _ => {}
            }
        }
        // A size by override stands beside the fixed one, which then counts for nothing.
        let overridden = entry_point.workgroup_size_overrides.is_some();
        assert_eq!(overridden, overrides.iter().any(|(name, _)| *name == "WORKGROUP"), "{program:?}");
        if !overridden {
            assert_eq!(entry_point.workgroup_size, [program.threads(), 1, 1], "{program:?}");
        }
    }
}

#[test]
fn parameters_lie_where_the_shader_reads_them() {
    for (program, number_type) in every_permutation() {
        let module = parse(program, number_type);
        let (_, params) = module
            .types
            .iter()
            .find(|(_, declared)| declared.name.as_deref() == Some("Params"))
            .expect("every shader has Params");
        let TypeInner::Struct { members, span } = &params.inner else { panic!("Params is a struct") };
        let declared: Vec<_> = members
            .iter()
            .map(|member| (member.name.as_deref().expect("a named field"), member.offset as usize))
            .collect();
        let (fields, size) = fields(program);
        let known: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != "unused").collect();
        assert_eq!(declared, known, "{program:?} {number_type:?}");
        assert_eq!((*span as usize).next_multiple_of(16), size, "{program:?} {number_type:?}");
    }
}

fn entry_point(module: &Module, program: Program) -> (usize, &naga::EntryPoint) {
    module
        .entry_points
        .iter()
        .enumerate()
        .find(|(_, entry)| entry.stage == ShaderStage::Compute && entry.name == program.entry_point())
        .expect("the entry point is there")
}
