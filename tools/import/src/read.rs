//! From a file to a model: nodes, parameters, inputs and outputs.
//!
//! Nothing that the file claims is believed: lengths are held against the bytes that are there, and the entries of all
//! messages are counted before they are decoded. So memory stays within a multiple of the file's size.

use crate::ImportError;
use crate::schema;
use crate::tensor::{Data, Tensor, is_bearable};
use prost::Message;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, decode_key, skip_field};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// The largest file: protocol buffers have no larger message.
const MOST_BYTES: u64 = 1 << 31;

/// The most fields of all messages of a file together.
const MOST_FIELDS: usize = 1 << 24;

/// The most bytes that parameters in other files have together.
const MOST_EXTERNAL_BYTES: u64 = 1 << 34;

/// The most bytes that say what an input or an output is: its shape is decoded as a whole.
const MOST_INFO: usize = 1 << 16;

/// A model as its file has it.
pub(crate) struct Model {
    /// The version of the standard's ops.
    pub(crate) opset: i64,
    /// Its nodes, in the order of the file.
    pub(crate) nodes: Vec<Node>,
    /// Its parameters, by name.
    pub(crate) parameters: BTreeMap<String, Tensor>,
    /// Its inputs, in order, without those that are parameters.
    pub(crate) inputs: Vec<Input>,
    /// The names of its outputs, in order.
    pub(crate) outputs: Vec<String>,
}

/// An op on named values.
pub(crate) struct Node {
    /// Its own name, or the name of its first output.
    pub(crate) name: String,
    /// The op; with its domain, where that is neither the standard's nor `ai.onnx.ml`.
    pub(crate) op: String,
    /// The values it takes; an empty name stands for one that is left out.
    pub(crate) inputs: Vec<String>,
    /// The values it defines.
    pub(crate) outputs: Vec<String>,
    /// Its attributes.
    pub(crate) attributes: BTreeMap<String, Attribute>,
}

/// The value of an attribute.
#[derive(Clone, Debug)]
pub(crate) enum Attribute {
    Real(f64),
    Whole(i64),
    Text(String),
    Tensor(Tensor),
    Reals(Rc<[f64]>),
    Wholes(Rc<[i64]>),
    Texts(Rc<[String]>),
    /// A graph, or another kind that no supported op has.
    Other,
}

/// An input of the model.
pub(crate) struct Input {
    pub(crate) name: String,
    /// Its extents, a name or nothing where they are left open; none where even the number of axes is.
    pub(crate) dims: Option<Vec<Extent>>,
    /// Whether its elements are numbers.
    pub(crate) is_numeric: bool,
}

/// An extent.
pub(crate) enum Extent {
    Fixed(usize),
    Open(String),
}

/// Reads a model's file.
pub(crate) fn read(path: &Path) -> Result<Model, ImportError> {
    let reader = Reader { path, fields: Cell::new(0), external: Cell::new(0) };
    let bytes = reader.bytes()?;
    reader.model(bytes)
}

struct Reader<'a> {
    path: &'a Path,
    /// Fields so far.
    fields: Cell<usize>,
    /// Bytes of other files so far.
    external: Cell<u64>,
}

impl Reader<'_> {
    fn wrong(&self, reason: impl Into<String>) -> ImportError {
        ImportError::File { path: self.path.to_owned(), reason: reason.into() }
    }

    /// The whole file.
    fn bytes(&self) -> Result<Bytes, ImportError> {
        let failed = |error: std::io::Error| self.wrong(error.to_string());
        let metadata = std::fs::metadata(self.path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(self.wrong("not a regular file"));
        }
        if metadata.len() > MOST_BYTES {
            return Err(self.wrong(
                "larger than 2 GiB, which no ONNX file is: its parameters belong in a file beside it",
            ));
        }
        let mut bytes = Vec::new();
        File::open(self.path)
            .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
            .map_err(failed)?;
        Ok(bytes.into())
    }

    /// Decodes a message, whose fields are counted first.
    fn message<M: Message + Default>(&self, what: &str, bytes: Bytes) -> Result<M, ImportError> {
        let broken = |error: prost::DecodeError| {
            let reason = error.to_string();
            let reason = reason.trim_start_matches("failed to decode Protobuf message: ");
            self.wrong(format!("no ONNX model, or cut short: {what}: {reason}"))
        };
        let mut rest = bytes.clone();
        let mut fields = self.fields.get();
        while rest.has_remaining() {
            let (tag, wire) = decode_key(&mut rest).map_err(broken)?;
            skip_field(wire, tag, &mut rest, DecodeContext::default()).map_err(broken)?;
            fields += 1;
            if fields > MOST_FIELDS {
                return Err(self.wrong(format!("more than {MOST_FIELDS} fields, which no model has")));
            }
        }
        self.fields.set(fields);
        M::decode(bytes).map_err(broken)
    }

    fn model(&self, bytes: Bytes) -> Result<Model, ImportError> {
        let model: schema::Model = self.message("the model", bytes)?;
        let Some(graph) = model.graph else {
            return Err(self.wrong("no ONNX model: there is no graph in it"));
        };
        if !model.functions.is_empty() {
            return Err(self.wrong(
                "it has functions of its own: inline them first (onnx.inliner.inline_local_functions)",
            ));
        }
        let opset = model.opset_import.iter().filter(|opset| is_standard(&opset.domain));
        let opset = opset.map(|opset| opset.version).max().unwrap_or(1);
        let graph: schema::Graph = self.message("the graph", graph)?;
        if !graph.sparse_initializer.is_empty() {
            return Err(self.wrong("sparse parameters are not read: store them as dense tensors"));
        }
        let mut parameters = BTreeMap::new();
        for bytes in graph.initializer {
            let tensor: schema::Tensor = self.message("a parameter", bytes)?;
            let (name, tensor) = self.tensor(tensor)?;
            parameters.insert(name, tensor.kept(true));
        }
        let nodes = graph.node.into_iter().map(|bytes| self.node(bytes)).collect::<Result<_, _>>()?;
        let mut inputs = Vec::new();
        for bytes in graph.input {
            let input = self.input(bytes)?;
            if !parameters.contains_key(&input.name) {
                inputs.push(input);
            }
        }
        let output = |bytes| Ok(self.info("an output", bytes)?.name);
        let outputs: Vec<String> =
            graph.output.into_iter().map(output).collect::<Result<_, ImportError>>()?;
        if outputs.is_empty() {
            return Err(self.wrong("the graph has no output"));
        }
        Ok(Model { opset, nodes, parameters, inputs, outputs })
    }

    fn info(&self, what: &str, bytes: Bytes) -> Result<schema::ValueInfo, ImportError> {
        if bytes.len() > MOST_INFO {
            return Err(self.wrong(format!("{what} is described by more than {MOST_INFO} bytes")));
        }
        self.message(what, bytes)
    }

    fn input(&self, bytes: Bytes) -> Result<Input, ImportError> {
        let schema::ValueInfo { name, kind } = self.info("an input", bytes)?;
        let tensor = kind.and_then(|kind| kind.tensor);
        let is_numeric = tensor.as_ref().is_some_and(|tensor| Element::of(tensor.elem_type).is_some());
        let extent = |dim: schema::Dim| match dim.value {
            Some(value) if value > 0 => Extent::Fixed(usize::try_from(value).unwrap_or(usize::MAX)),
            _ => Extent::Open(dim.param.unwrap_or_default()),
        };
        let shape = tensor.and_then(|tensor| tensor.shape);
        let dims = shape.map(|shape| shape.dim.into_iter().map(extent).collect());
        Ok(Input { name, dims, is_numeric })
    }

    fn node(&self, bytes: Bytes) -> Result<Node, ImportError> {
        let node: schema::Node = self.message("a node", bytes)?;
        let op = match node.domain.as_str() {
            domain if is_standard(domain) || domain == "ai.onnx.ml" => node.op_type,
            domain => format!("{domain}.{}", node.op_type),
        };
        let name =
            if node.name.is_empty() { node.output.first().cloned().unwrap_or_default() } else { node.name };
        let mut attributes = BTreeMap::new();
        for bytes in node.attribute {
            let attribute: schema::Attribute = self.message("an attribute", bytes)?;
            let name = attribute.name.clone();
            attributes.insert(name, self.attribute(attribute)?);
        }
        Ok(Node { name, op, inputs: node.input, outputs: node.output, attributes })
    }

    fn attribute(&self, attribute: schema::Attribute) -> Result<Attribute, ImportError> {
        let schema::Attribute { f, i, s, t, floats, ints, strings, kind, .. } = attribute;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        // Old files leave the kind out.
        let kind = match kind {
            0 if f.is_some() => 1,
            0 if i.is_some() => 2,
            0 if s.is_some() => 3,
            0 if t.is_some() => 4,
            0 if !floats.is_empty() => 6,
            0 if !ints.is_empty() => 7,
            0 if !strings.is_empty() => 8,
            kind => kind,
        };
        Ok(match (kind, t) {
            (1, _) => Attribute::Real(widened(f.unwrap_or_default())),
            (2, _) => Attribute::Whole(i.unwrap_or_default()),
            (3, _) => Attribute::Text(s.as_ref().map(text).unwrap_or_default()),
            (4, Some(tensor)) => Attribute::Tensor(self.tensor(self.message("a tensor", tensor)?)?.1),
            (6, _) => Attribute::Reals(floats.into_iter().map(f64::from).collect()),
            (7, _) => Attribute::Wholes(ints.into()),
            (8, _) => Attribute::Texts(strings.iter().map(text).collect()),
            _ => Attribute::Other,
        })
    }

    /// A tensor, whose elements fill its extents exactly.
    fn tensor(&self, mut tensor: schema::Tensor) -> Result<(String, Tensor), ImportError> {
        let name = std::mem::take(&mut tensor.name);
        let wrong = |reason: String| self.wrong(format!("tensor '{}': {reason}", name.escape_debug()));
        let dims: Option<Vec<usize>> = tensor.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let dims =
            dims.filter(|dims| dims.len() <= 16).ok_or_else(|| wrong("its extents are none".to_owned()))?;
        if !is_bearable(&dims) {
            return Err(wrong("its extents are too large".to_owned()));
        }
        let count = dims.iter().product::<usize>();
        let Some(element) = Element::of(tensor.data_type) else {
            if tensor.data_type == TEXT {
                let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
                let texts: Rc<[String]> = tensor.string_data.iter().map(text).collect();
                let filled = texts.len() == count;
                let tensor = Tensor { dims, data: Data::Text(texts), private: false };
                return filled
                    .then_some((name.clone(), tensor))
                    .ok_or_else(|| wrong("its strings do not fill its extents".to_owned()));
            }
            return Err(wrong(format!("elements of type {} are not read", tensor.data_type)));
        };
        let raw = match tensor.data_location {
            1 => Some(self.external(&tensor.external_data, count, element).map_err(wrong)?),
            _ => tensor.raw_data.take(),
        };
        let data = match raw {
            Some(bytes) => {
                let needed = count.checked_mul(element.size());
                if needed != Some(bytes.len()) {
                    return Err(wrong(format!("its {} bytes do not fill extents {dims:?}", bytes.len())));
                }
                element.decoded(&bytes)
            }
            None => element.listed(&tensor),
        };
        let tensor = Tensor { dims, data, private: false };
        if tensor.len() == count {
            return Ok((name, tensor));
        }
        Err(wrong(format!("its {} elements do not fill extents {:?}", tensor.len(), tensor.dims)))
    }

    /// The bytes of a tensor that are in another file, which is in the model's folder or below it.
    fn external(&self, entries: &[schema::Entry], count: usize, element: Element) -> Result<Bytes, String> {
        let entry =
            |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str, default: u64| match entry(key) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().map_err(|_| format!("the {key} of its file is no number")),
        };
        let location = Path::new(entry("location").ok_or("the file of its elements is not named")?);
        let shown = location.display().to_string().escape_debug().to_string();
        let outside = || format!("the file of its elements, {shown}, is not in the model's folder");
        if location.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(outside());
        }
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error: std::io::Error| format!("{shown}: {error}");
        let file: PathBuf = folder.join(location).canonicalize().map_err(failed)?;
        if !file.starts_with(folder.canonicalize().map_err(failed)?) {
            return Err(outside());
        }
        let there = std::fs::metadata(&file).map_err(failed)?;
        let offset = number("offset", 0)?;
        let needed = count.checked_mul(element.size()).map_or(u64::MAX, |bytes| bytes as u64);
        let length = number("length", needed)?;
        let fits = there.is_file() && offset.checked_add(length).is_some_and(|end| end <= there.len());
        if !fits || length != needed {
            return Err(format!("its {needed} bytes are not in {shown}, which has {} bytes", there.len()));
        }
        self.external.set(self.external.get().saturating_add(length));
        if self.external.get() > MOST_EXTERNAL_BYTES {
            return Err("the parameters in other files are larger than 16 GiB".to_owned());
        }
        let mut bytes = vec![0; length as usize];
        File::open(&file)
            .and_then(|mut file| {
                std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset))?;
                file.read_exact(&mut bytes)
            })
            .map_err(failed)?;
        Ok(bytes.into())
    }
}

fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// A float as the decimal that it was written as: 0.1, and not 0.10000000149011612.
fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value.into())
}

/// The number of the type of strings.
const TEXT: i32 = 8;

/// The types of elements that are read, by their numbers in ONNX.
#[derive(Clone, Copy, PartialEq)]
enum Element {
    F32,
    U8,
    I8,
    U16,
    I16,
    I32,
    I64,
    Bool,
    F16,
    F64,
    U32,
    U64,
    Bf16,
}

impl Element {
    fn of(number: i32) -> Option<Element> {
        Some(match number {
            1 => Element::F32,
            2 => Element::U8,
            3 => Element::I8,
            4 => Element::U16,
            5 => Element::I16,
            6 => Element::I32,
            7 => Element::I64,
            9 => Element::Bool,
            10 => Element::F16,
            11 => Element::F64,
            12 => Element::U32,
            13 => Element::U64,
            16 => Element::Bf16,
            _ => return None,
        })
    }

    /// Bytes of one.
    fn size(self) -> usize {
        match self {
            Element::U8 | Element::I8 | Element::Bool => 1,
            Element::U16 | Element::I16 | Element::F16 | Element::Bf16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F64 | Element::I64 | Element::U64 => 8,
        }
    }

    /// Elements that little-endian bytes hold.
    fn decoded(self, bytes: &[u8]) -> Data {
        fn reals<const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> f64) -> Data {
            Data::Real(bytes.as_chunks().0.iter().map(|&chunk| of(chunk)).collect())
        }
        fn wholes<const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> i64) -> Data {
            Data::Whole(bytes.as_chunks().0.iter().map(|&chunk| of(chunk)).collect())
        }
        match self {
            Element::F32 => reals(bytes, |b| f32::from_le_bytes(b).into()),
            Element::F64 => reals(bytes, f64::from_le_bytes),
            Element::F16 => reals(bytes, |b| half(u16::from_le_bytes(b))),
            Element::Bf16 => reals(bytes, |b| brain(u16::from_le_bytes(b))),
            Element::U8 | Element::Bool => wholes(bytes, |[b]| b.into()),
            Element::I8 => wholes(bytes, |b| i8::from_le_bytes(b).into()),
            Element::U16 => wholes(bytes, |b| u16::from_le_bytes(b).into()),
            Element::I16 => wholes(bytes, |b| i16::from_le_bytes(b).into()),
            Element::U32 => wholes(bytes, |b| u32::from_le_bytes(b).into()),
            Element::I32 => wholes(bytes, |b| i32::from_le_bytes(b).into()),
            Element::I64 => wholes(bytes, i64::from_le_bytes),
            Element::U64 => wholes(bytes, |b| u64::from_le_bytes(b) as i64),
        }
    }

    /// Elements of the field that is for their type.
    fn listed(self, tensor: &schema::Tensor) -> Data {
        let small = || tensor.int32_data.iter();
        match self {
            Element::F32 => Data::Real(tensor.float_data.iter().map(|&value| value.into()).collect()),
            Element::F64 => Data::Real(tensor.double_data.as_slice().into()),
            Element::F16 => Data::Real(small().map(|&bits| half(bits as u16)).collect()),
            Element::Bf16 => Data::Real(small().map(|&bits| brain(bits as u16)).collect()),
            Element::I64 => Data::Whole(tensor.int64_data.as_slice().into()),
            Element::U32 | Element::U64 => {
                Data::Whole(tensor.uint64_data.iter().map(|&value| value as i64).collect())
            }
            Element::U8 | Element::I8 | Element::U16 | Element::I16 | Element::I32 | Element::Bool => {
                Data::Whole(small().map(|&value| value.into()).collect())
            }
        }
    }
}

/// An IEEE 754 number of 16 bits.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * f64::from(-24).exp2(),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * f64::from(exponent - 25).exp2(),
    }
}

/// The upper half of an IEEE 754 number of 32 bits.
fn brain(bits: u16) -> f64 {
    f32::from_bits(u32::from(bits) << 16).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_16_bits_are_read() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333251953125), (0x0001, 5.960464477539063e-8)]
        {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert_eq!(half(0x7c00), f64::INFINITY);
        assert_eq!(brain(0x3fc0), 1.5);
    }
}
