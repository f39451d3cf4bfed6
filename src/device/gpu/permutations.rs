//! Tests without a GPU: every shader with every number type is valid WGSL within the capabilities that it
//! declares, is translated to what drivers read, and declares what the Rust side believes of it.

use super::params;
use super::shader::{Layout, NumberType, Shader};
use super::tile::WORKGROUP_BYTES;
use naga::back::{PipelineConstants, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Expression, Module, ShaderStage, StorageAccess, TypeInner};

/// The capabilities of products on matrix units: cooperative matrices, of f16, and the number of a subgroup.
const MATRIX_UNITS: Capabilities =
    Capabilities::COOPERATIVE_MATRIX.union(Capabilities::SHADER_FLOAT16).union(Capabilities::SUBGROUP);

fn parse(shader: Shader, number_type: NumberType) -> Module {
    let text = shader.wgsl(number_type).expect("the sources compose");
    naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|error| panic!("{shader:?} {number_type:?}: {}", error.emit_to_string(&text)))
}

/// The shaders that are written in WGSL.
fn every_permutation() -> impl Iterator<Item = (Shader, NumberType)> {
    NumberType::ALL.into_iter().flat_map(|number_type| {
        let shaders = Shader::all(number_type).into_iter().filter(|shader| shader.spirv().is_none());
        shaders.map(move |shader| (shader, number_type))
    })
}

#[test]
fn every_permutation_is_valid_within_its_capabilities() {
    for (shader, number_type) in every_permutation() {
        let text = shader.wgsl(number_type).unwrap();
        Validator::new(ValidationFlags::all(), capabilities(shader, number_type))
            .validate(&parse(shader, number_type))
            .unwrap_or_else(|error| panic!("{shader:?} {number_type:?}: {}", error.emit_to_string(&text)));
    }
}

fn capabilities(shader: Shader, number_type: NumberType) -> Capabilities {
    let of_program = match shader {
        Shader::ResidueGemm { .. } | Shader::MatrixPeak { .. } => MATRIX_UNITS,
        // It packs them only.
        Shader::ResidueSplit { bytes: false } => Capabilities::SHADER_FLOAT16_IN_FLOAT32,
        _ => Capabilities::empty(),
    };
    match number_type {
        NumberType::U64 if !shader.is_ringless() => of_program | Capabilities::SHADER_INT64,
        _ => of_program,
    }
}

fn validate(module: &Module) -> ModuleInfo {
    let all = MATRIX_UNITS | Capabilities::SHADER_INT64 | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let mut validator = Validator::new(ValidationFlags::all(), all);
    validator.validate(module).expect("checked elsewhere")
}

/// Calls `check` with every permutation as a driver's translator gets it: with the values of its overrides.
fn every_pipeline(check: impl Fn(&str, &Module, &ModuleInfo, &str)) {
    for (shader, number_type) in every_permutation() {
        let module = parse(shader, number_type);
        let info = validate(&module);
        let constants: PipelineConstants =
            shader.overrides().iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let entry_point = Some((ShaderStage::Compute, shader.entry_point()));
        let (module, info) =
            process_overrides(&module, &info, entry_point, &constants).expect("overrides have values");
        check(&format!("{shader:?} {number_type:?}"), &module, &info, shader.entry_point());
    }
}

#[test]
fn every_permutation_is_translated_for_every_driver() {
    every_pipeline(|name, module, info, entry_point| {
        let stage = ShaderStage::Compute;
        let options = spv::PipelineOptions { shader_stage: stage, entry_point: entry_point.to_owned() };
        let words = spv::write_vec(module, info, &spv::Options::default(), Some(&options));
        assert!(words.is_ok_and(|words| !words.is_empty()), "{name}: SPIR-V");

        // Matrix units are driven through Vulkan alone.
        let is_matrix = |ty: &naga::Type| matches!(ty.inner, TypeInner::CooperativeMatrix { .. });
        if module.types.iter().any(|(_, ty)| is_matrix(ty)) {
            return;
        }

        let options = msl::Options { lang_version: (2, 4), ..msl::Options::default() };
        let entry_point = Some((stage, entry_point.to_owned()));
        let pipeline =
            msl::PipelineOptions { entry_point: entry_point.clone(), ..msl::PipelineOptions::default() };
        msl::write_string(module, info, &options, &pipeline)
            .unwrap_or_else(|error| panic!("{name}: Metal: {error}"));

        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..hlsl::Options::default() };
        let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions { entry_point });
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(module, info, None)
            .unwrap_or_else(|error| panic!("{name}: HLSL: {error}"));
    });
}

/// naga 30 writes a bitcast between `u64` and `i64` as nothing in HLSL: a shift of a signed number becomes one of an
/// unsigned number without a word.
#[test]
fn no_shader_reinterprets_64_bits() {
    every_pipeline(|name, module, info, _| {
        let entry_points = module.entry_points.iter().enumerate();
        let functions = module.functions.iter().map(|(handle, function)| (&info[handle], function));
        let all = functions.chain(entry_points.map(|(i, entry)| (info.get_entry_point(i), &entry.function)));
        for (info, function) in all {
            for (_, expression) in function.expressions.iter() {
                let &Expression::As { expr, convert: None, .. } = expression else { continue };
                let width = info[expr].ty.inner_with(&module.types).scalar_width();
                assert_ne!(width, Some(8), "{name}");
            }
        }
    });
}

/// Every WebGPU adapter has 16 KiB of workgroup memory.
#[test]
fn tiles_fit_workgroup_memory() {
    every_pipeline(|name, module, info, entry_point| {
        let index = module.entry_points.iter().position(|entry| entry.name == entry_point);
        let used = info.get_entry_point(index.expect("it is there"));
        let tiles = module.global_variables.iter().filter(|(handle, variable)| {
            variable.space == AddressSpace::WorkGroup && !used[*handle].is_empty()
        });
        let bytes: u32 =
            tiles.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum();
        assert!(bytes as usize <= WORKGROUP_BYTES, "{name}: {bytes} bytes");
    });
}

#[test]
fn native_64_bit_integers_need_the_capability() {
    let module = parse(Shader::Gemv { few: 1 }, NumberType::U64);
    assert!(Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).is_err());
}

#[test]
fn bindings_are_in_the_order_that_rust_binds_them() {
    for (shader, number_type) in every_permutation() {
        let module = parse(shader, number_type);
        let (index, _) = entry_point(&module, shader);
        let info = validate(&module);
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
        for index in 1..=shader.written() + shader.read() {
            let written = index <= shader.written();
            let access =
                if written { StorageAccess::LOAD | StorageAccess::STORE } else { StorageAccess::LOAD };
            expected.push((0, index as u32, storage(access)));
        }
        assert_eq!(bindings, expected, "{shader:?} {number_type:?}");
    }
}

#[test]
fn workgroups_and_overrides_are_those_that_rust_knows() {
    for (shader, number_type) in every_permutation() {
        let module = parse(shader, number_type);
        let (_, entry_point) = entry_point(&module, shader);
        let overrides = shader.overrides();
        for (name, _) in &overrides {
            let is_declared = |constant: &naga::Override| constant.name.as_deref() == Some(*name);
            assert!(module.overrides.iter().any(|(_, constant)| is_declared(constant)), "{shader:?}: {name}");
        }
        for (_, value) in overrides.iter().filter(|(name, _)| *name == "WORKGROUP") {
            assert_eq!(*value as u32, shader.threads());
        }
        let is_per_thread = |constant: &&naga::Constant| constant.name.as_deref() == Some("PER_THREAD");
        if let Some(constant) = module.constants.iter().map(|(_, constant)| constant).find(is_per_thread) {
            let value = &module.global_expressions[constant.init];
            let expected = Expression::Literal(naga::Literal::U32(shader.per_thread()));
            assert_eq!(value, &expected, "{shader:?}");
        }
        // A size by override stands beside the fixed one, which then counts for nothing.
        let overridden = entry_point.workgroup_size_overrides.is_some();
        assert_eq!(overridden, overrides.iter().any(|(name, _)| *name == "WORKGROUP"), "{shader:?}");
        if !overridden {
            assert_eq!(entry_point.workgroup_size, [shader.threads(), 1, 1], "{shader:?}");
        }
    }
}

#[test]
fn parameters_lie_where_the_shader_reads_them() {
    for (shader, number_type) in every_permutation() {
        let module = parse(shader, number_type);
        check_layout(&module, "Params", shader.layout()).expect("every shader has Params");
        check_layout(&module, "Draw", Layout::of::<params::Draw>());
    }
}

/// Compares a struct of the shader, if it is there, with the fields and the size that Rust knows.
fn check_layout(module: &Module, name: &str, Layout { fields, size_bytes }: Layout) -> Option<()> {
    let (_, declared) = module.types.iter().find(|(_, declared)| declared.name.as_deref() == Some(name))?;
    let TypeInner::Struct { members, span } = &declared.inner else { panic!("{name} is a struct") };
    let declared: Vec<_> = members
        .iter()
        .map(|member| (member.name.as_deref().expect("a named field"), member.offset as usize))
        .collect();
    let known: Vec<_> = fields.iter().copied().filter(|(name, _)| *name != "unused").collect();
    assert_eq!(declared, known, "{name}");
    assert_eq!((*span as usize).next_multiple_of(16), size_bytes, "{name}");
    Some(())
}

/// The SPIR-V is that of the GLSL sources as they are, with the interface that the Rust side binds.
#[test]
fn spirv_is_that_of_its_source_and_binds_what_rust_binds() {
    const EXECUTION_MODE: u32 = 16;
    const LOCAL_SIZE: u32 = 17;
    const DECORATE: u32 = 71;
    const MEMBER_DECORATE: u32 = 72;
    const BINDING: u32 = 33;
    const OFFSET: u32 = 35;
    let mut count = 0;
    for shader in Shader::all(NumberType::U32) {
        let (Some(spirv), source) = (shader.spirv(), shader.text()) else { continue };
        count += 1;
        let is_there = spirv.windows(source.len()).any(|part| part == source.as_bytes());
        assert!(is_there, "{shader:?}: tools/spirv has not translated the shader as it is");
        let words: Vec<u32> = bytemuck::pod_collect_to_vec(spirv);
        let (mut at, mut sizes, mut bindings, mut offsets) = (5, Vec::<u32>::new(), Vec::new(), Vec::new());
        while at < words.len() {
            let (length, opcode) = (words[at] as usize >> 16, words[at] & 0xffff);
            let operands = &words[at + 1..at + length];
            match (opcode, operands) {
                (EXECUTION_MODE, [_, LOCAL_SIZE, size @ ..]) => sizes.extend_from_slice(size),
                (DECORATE, [_, BINDING, binding]) => bindings.push(*binding),
                (MEMBER_DECORATE, [of, _, OFFSET, offset]) => offsets.push((*of, *offset as usize)),
                _ => {}
            }
            at += length;
        }
        assert_eq!(sizes, [shader.threads(), 1, 1], "{shader:?}");
        bindings.sort_unstable();
        assert!(bindings.into_iter().eq(0..=(shader.written() + shader.read()) as u32), "{shader:?}");
        let known =
            shader.layout().fields.iter().filter(|(name, _)| *name != "unused").map(|(_, offset)| *offset);
        let known: Vec<_> = known.collect();
        let is_params = |of: u32| {
            let declared = offsets.iter().filter(|(other, _)| *other == of).map(|(_, offset)| *offset);
            declared.eq(known.iter().copied())
        };
        assert!(offsets.iter().any(|(of, _)| is_params(*of)), "{shader:?}: {offsets:?}");
    }
    assert_eq!(count, 4, "two shaders of two forms are SPIR-V");
}

fn entry_point(module: &Module, shader: Shader) -> (usize, &naga::EntryPoint) {
    module
        .entry_points
        .iter()
        .enumerate()
        .find(|(_, entry)| entry.stage == ShaderStage::Compute && entry.name == shader.entry_point())
        .expect("the entry point is there")
}
